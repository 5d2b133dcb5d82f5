"""What the analyses read: a release, private columns from its working folder, and reference sets; and their hash.

`twigma analyze RELEASE` loads them. A column counts as present when at least one row has a value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from twigma.analysis.inference.sample_weights import sample_weights, thinned
from twigma.analysis.inference.survival import survival, with_survival
from twigma.analysis.inputs.reference_sets import ABOUT, about, refuse_other_models
from twigma.analysis.neighbours.search import Search, nearest
from twigma.analysis.variation.text_variation import Texts
from twigma.core import columns
from twigma.core.files import file_sha256
from twigma.core.safety import untrusted_names
from twigma.core.workspace import Workspace

if TYPE_CHECKING:
    from twigma.analysis.inputs.reference_similarity import ReferenceSimilarity

PRIVATE = (
    "author_id",
    "follower_count",
    "text",
)  # never in a release; taken from the working folder
BLOCK = 16_384  # embeddings normalised at a time
OURS = "twigma"  # the name of the studied set in every table
TOLD = (
    "origin",
    "licence",
    "model",
    "note",
    "repeats",
    "revisions",
)  # of a reference set's record, in the results


@dataclass(frozen=True)
class Images:
    """One set of images: its rows, and the embedding of those rows that have one."""

    name: str
    table: pa.Table
    embedding: NDArray[
        np.float32
    ]  # [n, d], rows of L2 norm 1; n = 0 when the set has no embeddings
    rows: NDArray[np.int64]  # [n], the row of `table` each embedding belongs to
    dtype: str = ""  # precision the embeddings were stored in
    unusable: int = (
        0  # embeddings of zero or not finite numbers, left out: they have no direction
    )
    about: Mapping[str, Any] = field(
        default_factory=dict
    )  # of a reference set: origin, licence, model

    def has(self, column: str) -> bool:
        """Whether any row has a value in this column."""
        if column == "embedding":
            return len(self.rows) > 0
        return column in self.table.column_names and self.table[
            column
        ].null_count < len(self.table)

    def weights(self) -> NDArray[np.float64] | None:
        """Weights in a sample of the rows that have an embedding, [n]; None where there are none to use."""
        weights = sample_weights(self.table)
        return None if weights is None else weights[self.rows]

    def thinned(self, values: NDArray[Any]) -> NDArray[Any]:
        """Those of the rows that have an embedding which stand for the list as they are (`weights.thinned`), or all."""
        weights = self.weights()
        return values if weights is None else values[thinned(weights)]

    def values(self, column: str) -> NDArray[Any]:
        """A column of the rows that have an embedding, [n]; numbers with nan where unknown, text with None."""
        picked = self.table[column].take(pa.array(self.rows))
        if pa.types.is_integer(picked.type) or pa.types.is_floating(picked.type):
            picked = picked.cast(pa.float64())
        return np.asarray(picked.to_pandas())


@dataclass(frozen=True)
class Inputs:
    """The studied images and the reference sets, by role."""

    images: Images
    references: dict[str, Images]
    search: Search = nearest  # where nearest neighbours are looked for
    closest: dict[str, "ReferenceSimilarity"] = field(
        default_factory=dict
    )  # by role, kept for the next figure
    sheets: Path | None = None  # folder of annotation sheets
    texts: Mapping[str, Texts] = field(default_factory=dict)  # embedded texts by kind
    lost: pd.DataFrame | None = (
        None  # what is left of each stratum of the id list, where some of it was lost
    )

    def sets(self) -> dict[str, NDArray[np.float32]]:
        """The embeddings of every set, the studied one first, each [n, d]; of a sample, thinned by its weights."""
        return {
            s.name: s.thinned(s.embedding)
            for s in (self.images, *self.references.values())
            if len(s.rows)
        }


def load(
    release: Path,
    work: Path | None,
    references: Mapping[str, Path],
    sheets: Path | None = None,
) -> Inputs:
    """Read a release folder, the private columns of `work`, and the reference sets (working folders)."""
    if OURS in references:
        raise ValueError(
            f"a reference set may not be called {OURS!r}, the name of the studied images: rename it"
        )
    table = _read(release, "metadata")
    if table is None:
        raise FileNotFoundError(
            f"no metadata/*.parquet in {release}: `twigma release` writes a release folder"
        )
    if not len(table):
        raise ValueError(
            f"{release} has no rows, so nothing can be analysed; `twigma release` says why rows were left out"
        )
    table, lost = table.combine_chunks(), None if work is None else survival(work)
    if work is not None:
        table = _with_private(table, Workspace(work).table())
    if lost is not None:
        table = with_survival(table, lost[1])
    vectors = _read(release, "embeddings")
    refuse_other_models(release, references)
    ours = _images(OURS, table, vectors)
    found = {name: _reference(name, path) for name, path in references.items()}
    _refuse_other_lengths([ours, *found.values()])
    return Inputs(ours, found, sheets=sheets, lost=lost[0] if lost else None)


def _refuse_other_lengths(sets: Iterable[Images]) -> None:
    lengths = {
        images.name: images.embedding.shape[1] for images in sets if len(images.rows)
    }
    if len(set(lengths.values())) > 1:
        told = ", ".join(
            f"{name} has {length} numbers" for name, length in lengths.items()
        )
        raise ValueError(
            f"embeddings of different models cannot be compared ({told}): embed all sets by one model"
        )


def _read(release: Path, config: str) -> pa.Table | None:
    files = sorted((release / config).glob("*.parquet"))
    untrusted_names.refuse_links(release, [f"{config}/{file.name}" for file in files])
    tables = [pq.read_table(file) for file in files]
    for file, table in zip(files, tables, strict=True):
        untrusted_names.refuse_names(table, str(file))
    return pa.concat_tables(tables) if tables else None


def _with_private(table: pa.Table, hydrated: pa.Table) -> pa.Table:
    """Add the columns a release never carries, by post and image."""
    names = [
        name
        for name in PRIVATE
        if name in hydrated.column_names and name not in table.column_names
    ]
    return (
        columns.join(table, hydrated.select([*columns.KEY, *names])) if names else table
    )


def _reference(name: str, work: Path) -> Images:
    """A working folder as a set of images, with those stages that were run on it."""
    stages = [
        stage
        for stage in ("embed", "nsfw")
        if any((work / "columns" / stage).glob("*.arrow"))
    ]
    table = Workspace(work).table(*stages)
    if (
        "duplicate_of" in table.column_names
    ):  # repeats that `twigma reference add` marked
        table = table.filter(pc.is_null(table["duplicate_of"]))
    vectors = (
        table.select(["image_name", "embedding"])
        if "embedding" in table.column_names
        else None
    )
    rest = table.drop_columns(["embedding"]) if vectors is not None else table
    told = {key: value for key, value in about(work).items() if key in TOLD}
    return replace(_images(name, rest, vectors), about=told)


def _images(name: str, table: pa.Table, vectors: pa.Table | None) -> Images:
    if vectors is None:
        return Images(
            name,
            table,
            np.zeros((0, columns.EMBEDDING_DIM), np.float32),
            np.zeros(0, np.int64),
        )
    if vectors["embedding"].null_count:
        vectors = vectors.filter(pc.is_valid(vectors["embedding"]))
    found = pc.index_in(
        table["image_name"], value_set=vectors["image_name"].combine_chunks()
    )
    place = pc.fill_null(found, -1).to_numpy()
    stored, dtype = _matrix(vectors["embedding"])
    rows = np.flatnonzero(place >= 0)
    unit, usable = _unit(stored, place[rows])
    unusable = len(rows) - int(usable.sum())
    if unusable:
        unit, rows = unit[usable], rows[usable]
    return Images(name, table, unit, rows, dtype, unusable)


def _matrix(column: pa.ChunkedArray) -> tuple[NDArray[np.floating], str]:
    """A column of equally long vectors as a matrix [n, d], and its stored precision."""
    flat = pc.list_flatten(column).combine_chunks()
    matrix = flat.to_numpy(zero_copy_only=False)
    return matrix.reshape(len(column), -1) if len(column) else matrix.reshape(
        0, 1
    ), str(matrix.dtype)


def _unit(
    stored: NDArray[np.floating], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """These rows in float32 at norm 1 again, which half precision had left within 1e-3 of it; and which have a norm."""
    unit = np.empty((len(rows), stored.shape[1]), np.float32)
    usable = np.empty(len(rows), bool)
    for start in range(
        0, len(rows), BLOCK
    ):  # or there would be more than one copy of all
        block = stored[rows[start : start + BLOCK]].astype(np.float32)
        norms = np.linalg.norm(block, axis=1, keepdims=True)
        good = np.isfinite(norms) & (norms > 0)
        unit[start : start + BLOCK] = np.divide(block, norms, out=block, where=good)
        usable[start : start + BLOCK] = good[:, 0]
    return unit, usable


def file_hashes(
    release: Path,
    work: Path | None,
    references: Mapping[str, Path],
    sheets: Path | None = None,
) -> dict[str, str]:
    """SHA-256 of every file the analyses read, by a name that does not depend on where the folders lie."""
    files: dict[str, Path] = {
        f"release/{p.relative_to(release)}": p for p in _parquet(release)
    }
    if work is not None:
        files |= {
            f"work/{name}": work / name
            for name in ("images.parquet", "ids.parquet", "ledger.sqlite")
        }
    for name, folder in references.items():
        files |= {
            f"references/{name}/{file}": folder / file
            for file in ("images.parquet", ABOUT)
        }
        parts = [
            part
            for stage in ("embed", "nsfw")
            for part in (folder / "columns" / stage).glob("*.arrow")
        ]
        files |= {
            f"references/{name}/{part.relative_to(folder)}": part for part in parts
        }
    if sheets is not None:
        files |= {f"sheets/{path.name}": path for path in sheets.glob("*.csv")}
    return {
        name: file_sha256(path) for name, path in sorted(files.items()) if path.exists()
    }


def _parquet(release: Path) -> Iterable[Path]:
    return [
        *(release / "metadata").glob("*.parquet"),
        *(release / "embeddings").glob("*.parquet"),
    ]


def describe(data: Inputs) -> dict[str, Any]:
    """What the data is, in numbers: rows, posts, period and precision; sizes of the reference sets."""
    table = data.images.table
    dates = (
        pc.min_max(table["created_at"]).as_py()
        if data.images.has("created_at")
        else {"min": None, "max": None}
    )
    return {
        "images": len(pc.unique(table["image_name"])),
        "posts": len(pc.unique(table["id"])),
        "rows": len(table),
        "first": dates["min"] and dates["min"].isoformat(timespec="seconds"),
        "last": dates["max"] and dates["max"].isoformat(timespec="seconds"),
        "embeddings": _precision(data.images),
        "references": {
            name: _precision(images) | dict(images.about)
            for name, images in data.references.items()
        },
    }


def _precision(images: Images) -> dict[str, Any]:
    dim = images.embedding.shape[1]
    return {
        "n": len(images.rows),
        "dim": dim,
        "dtype": images.dtype,
        "unusable": images.unusable,
    }
