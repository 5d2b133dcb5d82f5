"""The release of a working folder: ids and derived columns, nothing else; `twigma release` writes it.

    twigma/README.md  DATASHEET.md  croissant.json  MANIFEST.json  removals.txt
           metadata-train-00000-of-00002.parquet
           embeddings-train-00000-of-00009.parquet, of another name embeddings-NAME-train-…

No folder is in it, as in a record of Zenodo: it loads from disk, the Hub and Zenodo alike. It is the only stage that
drops rows (`row_filter.py`). The same input gives the same bytes. The folder is made beside the old one, checked
(`privacy_check.py`), and moved into its place when it is complete.
"""

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from twigma.builder.publish.publications import earlier_doi_line, published_versions
from twigma.builder.release.card import Facts
from twigma.builder.release.card.facts import count_posts
from twigma.builder.release.chosen import (
    NOT_SELECTED,
    find_selection,
    named_as_part,
    names_hash,
    part_of,
    refuse_replacing,
)
from twigma.builder.release.column_origins import column_origins
from twigma.builder.release.earlier_release import (
    current_counts,
    refuse_another,
    refuse_foreign,
)
from twigma.builder.release.embedding_files import EMBEDDING_TYPES, write_embeddings
from twigma.builder.release.identity import Identity, load_identity
from twigma.builder.release.manifest import (
    describe_files,
    write_manifest,
    write_texts,
)
from twigma.builder.release.privacy_check import check_privacy
from twigma.builder.release.provenance import (
    inputs_fingerprint,
    kinds_of_pages,
    stage_settings,
)
from twigma.builder.release.row_filter import reason_order, select_rows
from twigma.builder.release.tables import write_metadata
from twigma.builder.release.version_history import (
    earlier_versions,
    history,
    notice_step_back,
    refuse_used,
    require_version,
)
from twigma.core.names import STAGES
from twigma.core.parts import fingerprint
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.progress import notice
from twigma.core.safety import folder_replacement, owned_folders
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.dataset.own_release import remember_release
from twigma.dataset.selections import Selection
from twigma.rehydrate.accounting import require_photos
from twigma.rehydrate.posts.removed_ids import read_removed

NEAR = ("drop", "keep")


@dataclass(frozen=True)
class Counts:
    """What became of every row of the images table; `written` is False when the release was up to date already."""

    rows: int
    dropped: Mapping[str, int]
    released: int
    posts: int
    embeddings: int
    written: bool = True

    def by_reason(self) -> dict[str, int]:
        """Rows found, left out for each reason, and released: the first is the sum of the others."""
        reasons = sorted(self.dropped, key=reason_order)
        left_out = {reason: self.dropped[reason] for reason in reasons}
        return {"found": self.rows, **left_out, "released": self.released}


def release(
    work: AnyWorkspace,
    out: Path | str = Path("twigma"),
    *,
    version: str = "1.0.0",
    near_duplicates: str = "drop",
    nsfw_threshold: float | None = None,
    without: Collection[str] = (),
    embeddings: str = "float16",
    select: Path | str | None = None,
    engine: Engine = LOCAL,
) -> Counts:
    """Write the release of a working folder to `out`; nothing is written when the one there is up to date.

    `near_duplicates="keep"` keeps images that are nearly, but not exactly, equal to another. `nsfw_threshold` leaves
    out images that score higher (0 to 1). `without` names stages that have not run, whose columns are then null.
    `embeddings="float32"` is for tools that cannot read half floats. `select` is a file that names images: only these
    are released, as a part that says what it is part of (`chosen.py`). What the dataset is, WORK/dataset.toml says.
    What `twigma removals` took out stays out. On Ray its nodes make the files of embeddings, the same bytes. Raises
    FileNotFoundError when a stage has not run, ValueError when it is out of date, no post has a photo, dataset.toml is
    wrong, `out` holds anything but a release of this folder, or something private would be released; RuntimeError where
    the cluster fails.
    """
    work = Workspace(work)
    out = Path(out).resolve()
    released = work.with_named(STAGES)
    _check_options(released, near_duplicates, nsfw_threshold, without, embeddings)
    require_version(version)
    owned_folders.require_apart(out, work.path)
    refuse_foreign(out)
    refuse_replacing(out, select is not None)
    require_photos(work)
    settings: dict[str, Any] = {
        "version": version,
        "near_duplicates": near_duplicates,
        "nsfw_threshold": nsfw_threshold,
        "embeddings": embeddings,
    }
    stages = [name for name in released if name not in without]
    plan = _plan(work, out, stages, settings, find_selection(select, work))
    current = current_counts(out, plan.inputs)
    if current is not None:
        remember_release(work, out)
        return replace(Counts(**current), written=False)
    refuse_another(out, work)
    remember_release(work, out)
    _notice_missing(work, plan.identity)
    refuse_used(version, out)
    notice_step_back(version, earlier_versions(out, version), out)
    return _write(plan, engine)


@dataclass(frozen=True)
class _Plan:
    """A release that is to be written to `out`: of which columns, with which settings, and what it is made from.

    Attributes
    ----------
    settings : version, near_duplicates, nsfw_threshold, embeddings, and of a part the hash of its selection.
    whole, identity : what the dataset is; of a part, `identity` is named as one.
    inputs : the fingerprint of all that decides what is written.
    """

    work: Workspace
    out: Path
    stages: Sequence[str]
    settings: Mapping[str, Any]
    selection: Selection | None
    whole: Identity
    identity: Identity
    doi: str
    inputs: str


def _plan(
    work: Workspace,
    out: Path,
    stages: Sequence[str],
    settings: Mapping[str, Any],
    selection: Selection | None,
) -> _Plan:
    whole = identity = load_identity(work)
    if selection is not None:
        identity = named_as_part(whole)
        settings = {**settings, "selection": names_hash(selection)}
    before = earlier_versions(out, settings["version"])
    doi = earlier_doi_line(published_versions(work, identity.name, before))
    described = {**settings, "identity": identity.to_json(), "doi": doi}
    inputs = inputs_fingerprint(work, stages, described)
    return _Plan(work, out, stages, settings, selection, whole, identity, doi, inputs)


def _write(plan: _Plan, engine: Engine) -> Counts:
    """Write the release in the place of the one before; ValueError where no row is left, or one is private."""
    removed = read_removed(plan.work.path)
    rows, dropped = select_rows(
        plan.work,
        plan.stages,
        removed,
        plan.settings["near_duplicates"],
        plan.settings["nsfw_threshold"],
        selection=plan.selection,
    )
    if not len(rows):
        raise ValueError(f"no row of {plan.work} is left to release: {dropped}")
    with folder_replacement.replacing(plan.out) as folder:
        write_metadata(folder, rows)
        dimensions = write_embeddings(
            folder,
            rows["image_name"],
            plan.work,
            plan.stages,
            type_name=plan.settings["embeddings"],
            engine=engine,
        )
        counts = _count(rows, dropped, bool(dimensions))
        facts = _facts(plan, rows, dropped, dimensions, describe_files(folder))
        write_texts(folder, facts, removed)
        write_manifest(folder, facts, plan.inputs, plan.settings, asdict(counts))
        check_privacy(folder, rows["text"])
    return counts


def _facts(
    plan: _Plan,
    rows: pa.Table,
    dropped: Mapping[str, int],
    dimensions: Mapping[str, int],
    files: Mapping[str, Any],
) -> Facts:
    """What card, datasheet and MANIFEST.json tell of the rows (a row an image and post) and files of a release."""
    work, settings = plan.work, plan.settings
    part = None
    if plan.selection is not None:
        left_out = dropped.get(NOT_SELECTED, 0)
        part = part_of(plan.selection, plan.whole, len(rows), left_out)
    version = settings["version"]
    versions = history(plan.out, rows, version, plan.identity.date, work)
    return Facts(
        identity=plan.identity,
        version=version,
        date=datetime.date.fromisoformat(versions[0]["date"]),
        metadata=rows,
        embeddings=len(rows) if dimensions else 0,
        dimensions=dimensions,
        embedding_type=settings["embeddings"],
        dropped=dropped,
        models={name: stage_settings(work, name) for name in plan.stages},
        origins=column_origins(work, plan.stages),
        collected=kinds_of_pages(work),
        near_duplicates=settings["near_duplicates"],
        doi=plan.doi,
        nsfw_threshold=settings["nsfw_threshold"],
        files=files,
        content=fingerprint(files),
        history=versions,
        part=part,
    )


def _notice_missing(work: Workspace, identity: Identity) -> None:
    """Tell the user what the release will not say of the dataset, and where to write it down."""
    if not work.identity_file.exists():
        notice(
            f"no {work.identity_file}: the dataset is called {identity.title!r}, by nobody and under no licence; "
            f"`twigma init --work {work}` writes one to fill in"
        )
    elif identity.missing:
        notice(
            f"{work.identity_file} states no {', '.join(identity.missing)}: nor does the release"
        )


def _check_options(
    stages: Collection[str],
    near_duplicates: str,
    nsfw_threshold: float | None,
    without: Collection[str],
    embeddings: str,
) -> None:
    optional = [name for name in stages if name != "dedupe"]
    if near_duplicates not in NEAR:
        raise ValueError(
            f"near_duplicates: expected one of {NEAR}, found {near_duplicates!r}"
        )
    if embeddings not in EMBEDDING_TYPES:
        raise ValueError(
            f"embeddings: expected one of {tuple(EMBEDDING_TYPES)}, found {embeddings!r}"
        )
    if nsfw_threshold is not None and not 0 <= nsfw_threshold <= 1:
        raise ValueError(
            f"nsfw_threshold: expected a score from 0 to 1, found {nsfw_threshold}"
        )
    unknown = sorted(set(without) - set(optional))
    if unknown:
        raise ValueError(f"without: expected stages among {optional}, found {unknown}")
    if nsfw_threshold is not None and "nsfw" in without:
        raise ValueError(
            "nsfw_threshold needs the scores of `twigma nsfw`, but the release is to go without them"
        )


def _count(rows: pa.Table, dropped: Mapping[str, int], embedded: bool) -> Counts:
    return Counts(
        rows=len(rows) + sum(dropped.values()),
        dropped=dropped,
        released=len(rows),
        posts=count_posts(rows),
        embeddings=len(rows) if embedded else 0,
    )
