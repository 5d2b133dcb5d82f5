"""What the analyses read: a release, private columns from its working folder, and reference sets.

`twigma analyze RELEASE` loads them. A column counts as present when at least one row has a value.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.analysis.inference.survival import (
    listed_outcomes,
    survival,
    with_survival,
)
from twigma.analysis.inputs.collection import (
    Collected,
    PostCounts,
    collected,
    post_counts,
)
from twigma.analysis.inputs.images import Images, images_of
from twigma.analysis.inputs.post_age import like_counts_seen
from twigma.analysis.inputs.reference_sets import about, refuse_other_models
from twigma.analysis.neighbours.blocks import Search
from twigma.analysis.neighbours.search import nearest
from twigma.analysis.tables.column_types import with_posts
from twigma.analysis.tables.embeddings import (
    Embeddings,
    part_embeddings,
    release_embeddings,
)
from twigma.analysis.tables.rows import read_metadata, table_files, with_private
from twigma.analysis.variation.text_variation import Texts
from twigma.builder.release.identity import Identity, identity_of_release
from twigma.core.names import DEFAULT, with_name
from twigma.core.numeric.stored_rows import StoredRows
from twigma.core.parts import refuse_other_embeddings
from twigma.core.safety import untrusted_names
from twigma.core.safety.failures import DataError
from twigma.core.tables import Scratch
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.dataset.opened_release import open_release
from twigma.dataset.published import published_table
from twigma.dataset.release_folder import MANIFEST, read_manifest
from twigma.dataset.selections import read_selection
from twigma.dataset.tables.table_files import table_configs

if TYPE_CHECKING:
    import numpy as np

    from twigma.analysis.inputs.reference_similarity import ReferenceSimilarity

__all__ = ["OURS", "Images", "Inputs", "load"]

OURS = "twigma"  # the role of the studied set; its name in every table where it does not say what it is
# Of a reference set's record, in the results.
RECORDED = ("origin", "licence", "model", "note", "repeats", "revisions")


@dataclass(frozen=True)
class Inputs:
    """The studied images and the reference sets, by name."""

    images: Images
    references: dict[str, Images]
    search: Search = nearest  # where nearest neighbours are looked for
    # By role, computed once for several figures.
    closest: dict[str, "ReferenceSimilarity"] = field(default_factory=dict)
    sheets: Path | None = None  # folder of annotation sheets
    texts: Mapping[str, Texts] = field(default_factory=dict)  # embedded texts by kind
    lost: pd.DataFrame | None = None  # strata of the id list, where posts were lost
    not_asked: int = 0  # ids of the list that were never looked up
    identity: Identity | None = None  # what the dataset is, where it says so
    manifest: Mapping[str, Any] | None = None  # of the release, where it has one
    collection: Collected | None = None  # what `twigma collect` found
    posts: PostCounts | None = None  # of the working folder
    seen: pa.Table | None = None  # when the likes of each post were counted
    embedding: str = DEFAULT  # the name of the embeddings
    chosen_of: int | None = None  # images of the release, where only some were chosen
    published: Path | None = None  # the authors' table, to compare labels with

    def sets(self) -> "dict[str, NDArray[np.float32] | StoredRows]":
        """The embeddings of every set, the studied one first, each [n, d]; of a sample, thinned by its weights."""
        sets: dict[str, Any] = {}
        for images in (self.images, *self.references.values()):
            if len(images.rows):
                sets[images.name] = images.thinned(images.embedding)
        return sets


def load(
    release: Path,
    work: AnyWorkspace | None,
    references: Mapping[str, Path],
    sheets: Path | None = None,
    embedding: str = DEFAULT,
    *,
    select: Path | None = None,
    scratch: Path | None = None,
) -> Inputs:
    """Read a release folder, the private columns of `work`, and the reference sets (working folders) by name.

    `embedding` is the name of the embeddings, of the release and of every reference set; `select` a file of images of
    the release to which it is restricted (`dataset/selections.py`); `scratch` a folder on a disk with room for what is
    decoded, which leaves no file there.
    """
    decoded = Scratch(scratch)
    identity = stated_identity(release)
    name = OURS if identity is None else identity.name.lower()
    if name in references:
        raise DataError(
            f"a reference set may not be called {name!r}, the name of the studied images: rename it"
        )
    table = read_rows(release, work, decoded)
    chosen_of = None
    if select is not None:
        chosen_of = len(pc.unique(table["image_name"]))
        chosen = read_selection(select, open_release(release), work)
        table = decoded.table(_chosen(table, chosen), table.schema)
    strata = seen = None
    not_asked = 0
    if work is not None:
        seen = like_counts_seen(Workspace(work))
        outcomes = listed_outcomes(work)
        left = None
        if outcomes is not None:
            not_asked = int((~outcomes["asked"]).sum())
            left = survival(outcomes)
        if left is not None:
            strata, posts = left
            table = with_survival(table, posts)
    vectors = _embeddings(release, embedding, decoded)
    if embedding:
        _require_named(release, vectors, references, embedding)
    refuse_other_models(release, references, embedding)
    ours = images_of(name, table, vectors)
    sets = {}
    for called, folder in references.items():
        sets[called] = _reference(called, folder, embedding, decoded)
    _refuse_other_lengths([ours, *sets.values()])
    return Inputs(
        ours,
        sets,
        sheets=sheets,
        lost=strata,
        not_asked=not_asked,
        identity=identity,
        manifest=manifest_of(release),
        collection=None if work is None else collected(work),
        posts=None if work is None else post_counts(work),
        seen=seen,
        embedding=embedding,
        chosen_of=chosen_of,
        published=stored_published_table(release),
    )


def stored_published_table(release: Path) -> Path | None:
    """The authors' table, where it lies in the cache or beside the data and may tell whose labels these are.

    A release of `twigma release` has labels of its own, which its MANIFEST.json says.
    """
    manifest = manifest_of(release)
    if manifest is not None and "counts" in manifest:
        return None
    return published_table.stored(release)


def manifest_of(release: Path) -> dict[str, Any] | None:
    """The MANIFEST.json of a release; None where it has none."""
    if not (release / MANIFEST).exists():
        return None
    return read_manifest(release)


def read_rows(
    release: Path, work: AnyWorkspace | None, scratch: Scratch | None = None
) -> pa.Table:
    """The table of a release, one row an image and post, with the private columns of `work`; no embeddings are read.

    FileNotFoundError where the folder is no release; ValueError where it has no rows.
    """
    scratch = scratch or Scratch()
    table = read_metadata(release, scratch)
    if table is None:
        raise FileNotFoundError(
            f"no metadata-*.parquet in {release}: `twigma release` writes a release folder"
        )
    if not len(table):
        raise DataError(
            f"{release} has no rows, so nothing can be analysed; `twigma release` says why rows were left out"
        )
    table = with_posts(table)
    if work is None:
        return table
    return with_private(table, Workspace(work), scratch)


def _chosen(table: pa.Table, names: Iterable[str]) -> Iterator[pa.Table]:
    """The rows of a table with these image names, some at a time."""
    wanted = pa.array(sorted(names), pa.string())
    for batch in table.to_batches():
        is_chosen = pc.is_in(batch["image_name"], value_set=wanted)
        yield pa.Table.from_batches([batch]).filter(is_chosen)


def _require_named(
    release: Path,
    vectors: Embeddings | None,
    references: Mapping[str, Path],
    embedding: str,
) -> None:
    """FileNotFoundError where the release, or a reference set with embeddings, has none of this name."""
    make = f"`twigma embed --name {embedding} --model …`"
    if vectors is None:
        there = table_configs(path.name for path in release.glob("*.parquet"))
        raise FileNotFoundError(
            f"{release} has no embeddings of the name {embedding!r}, but {', '.join(there)}: "
            f"{make} and `twigma release` make them"
        )
    for name, folder in references.items():
        work = Workspace(folder)
        there = list(filter(work.has, work.with_named(["embed"])))
        if there and with_name("embed", embedding) not in there:
            raise FileNotFoundError(
                f"the reference set {name} ({folder}) has no embeddings of the name {embedding!r}, but "
                f"{', '.join(there)}: {make} makes them, with --work {folder}"
            )


def stated_identity(release: Path) -> Identity | None:
    """What the dataset in a release folder is; None where it has no MANIFEST.json, or none that says so."""
    if not (release / MANIFEST).exists():
        return None
    try:
        return identity_of_release(release)
    except ValueError:
        return None


def _refuse_other_lengths(sets: Iterable[Images]) -> None:
    """ValueError where embeddings are of different lengths."""
    lengths = {}
    for images in sets:
        if len(images.rows):
            lengths[images.name] = images.embedding.shape[1]
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {n} numbers" for name, n in lengths.items())
        raise DataError(
            f"embeddings of different models cannot be compared ({listed}): embed all sets by one model"
        )


def _embeddings(release: Path, name: str, scratch: Scratch) -> Embeddings | None:
    """The embeddings of a name; None where the release has none."""
    files = table_files(release, with_name("embeddings", name))
    untrusted_names.refuse_links(release, [file.name for file in files])
    return release_embeddings(files, scratch) if files else None


def _reference(
    name: str, folder: AnyWorkspace, embedding: str, scratch: Scratch
) -> Images:
    """A working folder as a set of images, with those stages that were run on it."""
    work = Workspace(folder)
    stages = list(filter(work.has, reference_stages(embedding)))
    refuse_other_embeddings(work.columns, stages)
    embedded = with_name("embed", embedding)
    table = work.table(*(stage for stage in stages if stage != embedded))
    has_texts = any(map(work.has, ("embed_text", "texts")))
    if not stages and not has_texts:
        raise FileNotFoundError(
            f"the reference set {name} ({folder}) has no embeddings and no NSFW scores, so no figure can use it: "
            f"`twigma embed --work {folder}` makes embeddings"
        )
    if "duplicate_of" in table.column_names:
        # Repeats that `twigma reference add` marked.
        table = table.filter(pc.is_null(table["duplicate_of"]))
    vectors = None
    if embedded in stages:
        vectors = part_embeddings(work.read(embedded), scratch)
    record = about(work.path)
    recorded = {key: value for key, value in record.items() if key in RECORDED}
    return replace(images_of(name, table, vectors), about=recorded)


def reference_stages(embedding: str) -> list[str]:
    """The stages of a reference set that are read."""
    return [with_name("embed", embedding), "nsfw"]
