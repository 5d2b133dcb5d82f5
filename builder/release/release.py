"""The release of a working folder: ids and derived columns, nothing else; `twigma release` writes it.

    twigma/README.md  DATASHEET.md  croissant.json  MANIFEST.json  removals.txt
           metadata/metadata-train-00000-of-00002.parquet
           embeddings/embeddings-train-00000-of-00009.parquet

It is the only stage that drops rows (`funnel.py`). The same input gives the same bytes. The folder is made
beside the old one, looked through (`scan.py`), and put in its place when it is whole.
"""

import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import twigma
from twigma.builder.release import card
from twigma.builder.release.croissant import croissant
from twigma.builder.release.privacy_check import check_privacy
from twigma.builder.release.row_filter import STAGES, reason_order, select_rows
from twigma.builder.release.version_history import history
from twigma.core import columns
from twigma.core.files import atomic, write_json
from twigma.core.parts import fingerprint, read_parts, read_provenance
from twigma.core.progress import progress_bar
from twigma.core.safety import owned_folders
from twigma.rehydrate.posts.removed_ids import Removed, public_list, read_removed

NEAR = ("drop", "keep")
METADATA_ROWS, EMBEDDING_ROWS, ROW_GROUP = (
    500_000,
    100_000,
    50_000,
)  # rows in a file of each, and in a row group
WRITERS = 4
PROVENANCE = (
    "shard",
    "part",
    "of",
    "embed",
    "dedupe",
    "images",
    "stored",
)  # of a part: fingerprints of its inputs
CODE = (
    "core/columns.py",
    "dataset_card.md",
    "builder/release/datasheet.md",
    "rehydrate/posts/removed_ids.py",
    *(
        f"builder/release/{name}.py"
        for name in ("card", "croissant", "row_filter", "release")
    ),
)


@dataclass(frozen=True)
class Counts:
    """Where every row of the images table went; `written` is False when the release stood there already."""

    rows: int
    dropped: Mapping[str, int]
    released: int
    posts: int
    embeddings: int
    written: bool = True

    def funnel(self) -> dict[str, int]:
        """Rows found, left out for each reason, and released: the first is the sum of the others."""
        return {
            "found": self.rows,
            **{r: self.dropped[r] for r in sorted(self.dropped, key=reason_order)},
            "released": self.released,
        }


def release(
    work: Path,
    out: Path = Path("twigma"),
    *,
    version: str = "1.0.0",
    near_duplicates: str = "drop",
    nsfw_threshold: float | None = None,
    without: Collection[str] = (),
    contact: str = card.CONTACT,
) -> Counts:
    """Write the release of a working folder to `out`; nothing is written when it stands there already.

    `near_duplicates="keep"` keeps images that are nearly, but not exactly, equal to another. `nsfw_threshold` leaves
    out images that score higher (0 to 1). `without` names stages that have not run, whose columns are then null.
    What `twigma removals` took out stays out. Raises FileNotFoundError when a stage has not run,
    ValueError when it is out of date, when `out` holds anything but a release, or something private would be released.
    """
    _check_options(near_duplicates, nsfw_threshold, without)
    work, out = Path(work), Path(out).resolve()
    owned_folders.require_apart(out, work)
    _refuse_foreign(out)
    stages = [name for name in STAGES if name not in without]
    settings = {
        "version": version,
        "near_duplicates": near_duplicates,
        "nsfw_threshold": nsfw_threshold,
    }
    inputs = _inputs(work, stages, settings | {"contact": contact})
    counts = _unchanged(out, inputs)
    if counts is not None:
        return counts
    removed = read_removed(work)
    kept, dropped = select_rows(work, stages, removed, near_duplicates, nsfw_threshold)
    if not len(kept):
        raise ValueError(f"no row of {work} is left to release: {dropped}")
    with owned_folders.replacing(out) as folder:
        dimension = _write_tables(folder, kept, work if "embed" in stages else None)
        counts = _count(kept, dropped, dimension)
        facts = card.Facts(
            version=version,
            metadata=kept,
            embeddings=counts.embeddings,
            dimension=dimension,
            dropped=dropped,
            models={name: models(work / "columns" / name) for name in stages},
            near_duplicates=near_duplicates,
            contact=contact,
            content=fingerprint(_files(folder)),
            history=history(out, kept, version),
        )
        _write_texts(folder, facts, removed)
        _write_manifest(
            folder,
            facts,
            {"inputs": inputs, "settings": settings, "counts": asdict(counts)},
        )
        check_privacy(folder, kept["text"])
    return counts


def models(folder: Path) -> dict[str, Any]:
    """The settings that every part of `columns/NAME/` was made with; ValueError when the model is not the same."""
    parts = [dict(read_provenance(path)) for path in sorted(folder.glob("*.arrow"))]
    common = {
        key: value
        for key, value in parts[0].items()
        if all(part.get(key) == value for part in parts)
    }
    if differing := [
        key
        for key in ("model", "revision")
        if any(key in part and key not in common for part in parts)
    ]:
        raise ValueError(
            f"{folder} was made with more than one {differing[0]}: run `twigma {folder.name}` again"
        )
    return {
        key: _base_name(value) for key, value in common.items() if key not in PROVENANCE
    }


def _base_name(value: Any) -> Any:
    """A model in a local folder is told by the folder's name: the path is nobody's business."""
    return (
        Path(value).name
        if isinstance(value, str) and Path(value).is_absolute()
        else value
    )


def _check_options(
    near_duplicates: str, nsfw_threshold: float | None, without: Collection[str]
) -> None:
    optional = [name for name in STAGES if name != "dedupe"]
    if near_duplicates not in NEAR:
        raise ValueError(
            f"near_duplicates: expected one of {NEAR}, found {near_duplicates!r}"
        )
    if nsfw_threshold is not None and not 0 <= nsfw_threshold <= 1:
        raise ValueError(
            f"nsfw_threshold: expected a score from 0 to 1, found {nsfw_threshold}"
        )
    if unknown := sorted(set(without) - set(optional)):
        raise ValueError(f"without: expected stages among {optional}, found {unknown}")
    if nsfw_threshold is not None and "nsfw" in without:
        raise ValueError(
            "nsfw_threshold needs the scores of `twigma nsfw`, but the release is to go without them"
        )


# ------------------------------------------------------------------ before


def _refuse_foreign(out: Path) -> None:
    """`out` may be missing, empty, or a release of ours with nothing beside it: anything else stays as it is."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        twigma.read_manifest(out)
    except ValueError as error:
        raise ValueError(
            f"{error}; it is left as it is: release to another folder"
        ) from None
    made = owned_folders.recognize(out)
    if made is not None and (others := owned_folders.foreign(made)):
        raise ValueError(
            f"{out} holds {owned_folders.listed(others)}, which is not part of the release: move it away first"
        )


def _inputs(work: Path, stages: Collection[str], settings: Mapping[str, Any]) -> str:
    """A fingerprint of everything a release is made from: data, settings and code."""
    code = {name: twigma.sha256(Path(twigma.__path__[0]) / name) for name in CODE}
    paths = [
        work / "images.parquet",
        work / "removed.json",
        *(work / "shards").glob("*.parquet"),
    ]
    paths += [
        path for stage in stages for path in (work / "columns" / stage).glob("*.arrow")
    ]
    data = {
        path.relative_to(work).as_posix(): twigma.sha256(path)
        for path in sorted(paths)
        if path.exists()
    }
    return fingerprint(
        [code, data, settings, sorted(stages), twigma.__version__, pa.__version__]
    )


def _unchanged(out: Path, inputs: str) -> Counts | None:
    """The counts of the release in `out` when it is whole and made from these inputs."""
    if not (out / "MANIFEST.json").exists():
        return None
    manifest = twigma.read_manifest(out)
    try:
        twigma.check_files(out)
    except ValueError:
        return None  # damaged: write it again
    return (
        Counts(**manifest["counts"] | {"written": False})
        if manifest.get("inputs") == inputs
        else None
    )


# ------------------------------------------------------------------- files


def _write_tables(folder: Path, kept: pa.Table, work: Path | None) -> int:
    """Write `metadata/`, and `embeddings/` in the same order; the length of an embedding, 0 without."""
    metadata = kept.select(columns.METADATA).cast(columns.schema(columns.METADATA))
    _write_files(
        folder / "metadata", len(kept), METADATA_ROWS, metadata.slice, dictionary=True
    )
    if work is None:
        return 0
    part = read_parts(work / "columns" / "embed")
    rows = pc.index_in(
        kept["image_name"].combine_chunks(),
        value_set=part["image_name"].combine_chunks(),
    )
    vectors = part["embedding"].combine_chunks()
    field = columns.schema(["embedding"]).field(0).with_type(vectors.type)
    schema = pa.schema([columns.schema(["image_name"]).field(0), field])

    def piece(at: int, count: int) -> pa.Table:
        names = kept["image_name"].slice(at, count).combine_chunks()
        return pa.table([names, vectors.take(rows.slice(at, count))], schema=schema)

    _write_files(
        folder / "embeddings", len(kept), EMBEDDING_ROWS, piece, dictionary=False
    )
    return int(vectors.type.list_size)


def _write_files(
    folder: Path,
    rows: int,
    step: int,
    piece: Callable[[int, int], pa.Table],
    *,
    dictionary: bool,
) -> None:
    """Write `piece(at, step)` of every file of a configuration, a few files at once: cutting into chunks takes time."""
    count = -(-rows // step)

    def write(number: int) -> None:
        with atomic(
            folder / f"{folder.name}-train-{number:05d}-of-{count:05d}.parquet"
        ) as path:
            _write_file(path, piece(number * step, step), dictionary)

    with ThreadPoolExecutor(min(WRITERS, os.cpu_count() or 1)) as pool:
        for _ in progress_bar(
            pool.map(write, range(count)),
            total=count,
            desc=folder.name,
            unit="file",
        ):
            pass


def _write_file(path: Path, table: pa.Table, dictionary: bool) -> None:
    """Parquet that the Hub stores without repeats: content-defined chunks stay when a few rows are taken out."""
    from datasets.config import DEFAULT_CDC_OPTIONS

    pq.write_table(
        table,
        path,
        compression="zstd",
        row_group_size=ROW_GROUP,
        use_dictionary=dictionary,
        use_content_defined_chunking=DEFAULT_CDC_OPTIONS,
        write_page_index=True,
    )


def _write_texts(folder: Path, facts: card.Facts, removed: Removed) -> None:
    about = {
        "name": "TWIGMA",
        "description": card.summary(facts),
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "url": "https://arxiv.org/abs/2306.08310",
        "version": facts.version,
        "keywords": ["AI-generated images", "social media", "CLIP"],
        "citeAs": "Chen & Zou, TWIGMA: A dataset of AI-Generated Images with Metadata From Twitter, NeurIPS 2023",
        "rai:personalSensitiveInformation": "Ids of public posts; no user ids, no text of posts, no images.",
    }
    write_json(folder / "croissant.json", croissant(_files(folder), about))
    _write_text(folder / "removals.txt", public_list(removed))
    _write_text(folder / "DATASHEET.md", card.datasheet(facts))
    _write_text(folder / "README.md", card.card(facts))


def _write_text(path: Path, text: str) -> None:
    with atomic(path) as partial:
        partial.write_text(text, "utf-8")


def _write_manifest(folder: Path, facts: card.Facts, more: Mapping[str, Any]) -> None:
    """MANIFEST.json, written last; it has no time in it, so that equal input gives equal bytes."""
    code = {"twigma": twigma.__version__, "pyarrow": pa.__version__}
    manifest = {
        "dataset": "twigma",
        "version": facts.version,
        "code": code,
        "models": facts.models,
        **more,
    }
    manifest |= {"history": list(facts.history)}
    write_json(folder / "MANIFEST.json", manifest | {"files": _files(folder)})


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        path.relative_to(folder).as_posix(): _file(path)
        for path in folder.rglob("*")
        if path.is_file()
    }


def _file(path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "bytes": path.stat().st_size,
        "sha256": twigma.sha256(path),
    }
    return facts | (
        {"rows": pq.read_metadata(path).num_rows} if path.suffix == ".parquet" else {}
    )


def _count(kept: pa.Table, dropped: Mapping[str, int], dimension: int) -> Counts:
    return Counts(
        rows=len(kept) + sum(dropped.values()),
        dropped=dropped,
        released=len(kept),
        posts=card.posts(kept),
        embeddings=len(kept) if dimension else 0,
    )
