"""The embedding column as NumPy rows, without copying it: parts stay memory-mapped, callers read blocks.

Used by the stages that read embeddings (`twigma nsfw`, `twigma dedupe`, `twigma cluster`).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.core.parts import read_part, read_parts, read_provenance

BLOCK = 16_384  # rows: 24 MB of float16 at 768

Half = npt.NDArray[np.float16]
Indices = npt.NDArray[np.int64]


def as_matrix(column: pa.ChunkedArray | pa.Array) -> Half:
    """An embedding column without nulls as float16[n, dim]; a view where the column is one chunk."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    rows: Half = (
        column.flatten()
        .to_numpy(zero_copy_only=False)
        .reshape(len(column), column.type.list_size)
    )
    return rows


def as_column(rows: Half, mask: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """float16[n, dim] as an embedding column; null where `mask` is true."""
    values = pa.array(np.ascontiguousarray(rows).reshape(-1), pa.float16())
    nulls = None if mask is None else pa.array(mask)
    return pa.FixedSizeListArray.from_arrays(values, rows.shape[1], mask=nulls)


class Vectors:
    """The embedded images of a working folder: `names[i]` is the image of row i; rows are read in blocks."""

    def __init__(self, chunks: list[pa.Array], names: pa.Array):
        """`chunks` are embedding arrays without nulls, `names` the image of each of their rows."""
        self.chunks = [as_matrix(chunk) for chunk in chunks if len(chunk)]
        self.starts = np.cumsum([0, *map(len, self.chunks)], dtype=np.int64)
        self.names = names

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def dim(self) -> int:
        """Length of an embedding; 0 when there is none."""
        return self.chunks[0].shape[1] if self.chunks else 0

    def blocks(self, rows: int = BLOCK) -> Iterator[tuple[int, Half]]:
        """(index of the first row, float16[m, dim]) over all rows, in order."""
        for start, chunk in zip(self.starts, self.chunks, strict=False):
            for at in range(0, len(chunk), rows):
                yield int(start) + at, chunk[at : at + rows]

    def take(self, indices: Indices) -> Half:
        """float16[m, dim]: these rows, in this order."""
        result = np.empty((len(indices), self.dim), np.float16)
        home = np.searchsorted(self.starts, indices, side="right") - 1
        for part in np.unique(home):
            mine = home == part
            result[mine] = self.chunks[part][indices[mine] - self.starts[part]]
        return result


def read_vectors(work: Path) -> tuple[Vectors, dict[str, str]]:
    """Every embedding of `columns/embed` that is not null, and {part: fingerprint} of what was read.

    An image that several parts hold is read once. ValueError when parts were made by different models or lengths.
    """
    folder = work / "columns" / "embed"
    read_parts(folder)  # says what to run when there is none
    chunks, names, marks, models = [], [], {}, {}
    for path in sorted(folder.glob("*.arrow")):
        table = read_part(path)
        marks[path.stem] = (table.schema.metadata or {})[b"fingerprint"].decode()
        models[
            read_provenance(path)["model"],
            table.schema.field("embedding").type.list_size,
        ] = path
        table = table.select(["image_name", "embedding"])
        if table["embedding"].null_count:
            table = table.filter(table["embedding"].is_valid())
        chunks += table["embedding"].chunks
        names += table["image_name"].chunks
    if len(models) > 1:
        found = ", ".join(
            f"{model} of length {size} in {path.name}"
            for (model, size), path in models.items()
        )
        raise ValueError(
            f"{folder} mixes embeddings of several models ({found}): run `twigma embed` again"
        )
    joined = pa.chunked_array(names, pa.string()).combine_chunks()
    return Vectors(
        chunks,
        joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks),
    ), marks
