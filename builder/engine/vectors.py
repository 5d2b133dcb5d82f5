"""The embedding column as NumPy rows, without copying it: parts stay memory-mapped, callers read blocks.

Used by the stages that read embeddings (`twigma nsfw`, `twigma dedupe`, `twigma cluster`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.core.names import command_of, join_names
from twigma.core.parts import read_part
from twigma.core.progress import notice
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.images.shards import manifests

BLOCK = 16_384  # rows: 24 MB of float16 at 768

Half = npt.NDArray[np.float16]
Indices = npt.NDArray[np.int64]


def as_matrix(column: pa.ChunkedArray | pa.Array) -> Half:
    """An embedding column without nulls as float16[n, dim]; a view where the column is one chunk."""
    array = column
    if isinstance(column, pa.ChunkedArray) and column.num_chunks == 1:
        array = column.chunk(0)
    elif isinstance(column, pa.ChunkedArray):
        array = column.combine_chunks()
    values = array.flatten().to_numpy(zero_copy_only=False)
    rows: Half = values.reshape(len(array), array.type.list_size)
    return rows


def as_column(rows: Half, mask: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """float16[n, dim] as an embedding column; null where `mask`, bool[n], is true."""
    # A FixedSizeList of Arrow is the flat values and a length.
    values = pa.array(np.ascontiguousarray(rows).reshape(-1), pa.float16())
    nulls = None if mask is None else pa.array(mask)
    return pa.FixedSizeListArray.from_arrays(values, rows.shape[1], mask=nulls)


@dataclass(frozen=True)
class VectorPart:
    """A part that embeddings are read from: its path, what it holds, and how many of its rows are embeddings.

    `content` is the fingerprint of its provenance and the checksum of all its bytes, as the part itself states them.
    """

    path: Path
    content: tuple[bytes, bytes]
    rows: int


class Vectors:
    """The embedded images of a working folder: `names[i]` is the image of row i; rows are read in blocks.

    Attributes
    ----------
    chunks : list of float16[m, dim]
        Views of memory-mapped parts, one after the other; rows without an embedding are among them.
    present : list of int64[m] or None
        The rows of each chunk that have an embedding; None where all have one.
    starts : int64[len(chunks) + 1]
        The row at which each chunk starts, and the number of all rows.
    names : string[n]
    parts : list of VectorPart
        Where the rows lie, one part after the other; empty where they are of no working folder.
    """

    def __init__(
        self, chunks: list[pa.Array], names: pa.Array, parts: Sequence[VectorPart] = ()
    ):
        """`chunks` are embedding arrays, `names` the image of each of their rows that is not null."""
        filled = [chunk for chunk in chunks if len(chunk) > chunk.null_count]
        self.chunks = [_mapped_rows(chunk) for chunk in filled]
        self.present = [_present_rows(chunk) for chunk in filled]
        lengths = [len(chunk) - chunk.null_count for chunk in filled]
        self.starts = np.cumsum([0, *lengths], dtype=np.int64)
        self.names = names
        self.parts = list(parts)

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def dim(self) -> int:
        """Length of an embedding; 0 when there is none."""
        if not self.chunks:
            return 0
        return int(self.chunks[0].shape[1])

    def blocks(self, rows: int = BLOCK) -> Iterator[tuple[int, Half]]:
        """(index of the first row, float16[m, dim]) over all rows, in order; m is at most `rows`."""
        for number, start in enumerate(self.starts[:-1]):
            length = int(self.starts[number + 1] - start)
            for at in range(0, length, rows):
                end = min(at + rows, length)
                yield int(start) + at, self._rows_of(number, slice(at, end))

    def take(self, indices: Indices) -> Half:
        """float16[m, dim]: the rows at these `indices`, int64[m], in this order."""
        result = np.empty((len(indices), self.dim), np.float16)
        chunk_of = np.searchsorted(self.starts, indices, side="right") - 1
        # One read a chunk: the rows of a chunk are gathered together.
        for number in np.unique(chunk_of):
            here = chunk_of == number
            rows = indices[here] - self.starts[number]
            result[here] = self._rows_of(number, rows)
        return result

    def _rows_of(self, number: int, which: slice | Indices) -> Half:
        """These of the rows of a chunk that have an embedding; a view where all have one and `which` is a slice."""
        present = self.present[number]
        rows: Half = self.chunks[number][which if present is None else present[which]]
        return rows


def _mapped_rows(chunk: pa.Array) -> Half:
    """All rows of an embedding array as a view; those of nulls hold anything."""
    length = chunk.type.list_size
    values = chunk.values.slice(chunk.offset * length, len(chunk) * length)
    rows: Half = values.to_numpy(zero_copy_only=False).reshape(len(chunk), length)
    return rows


def _present_rows(chunk: pa.Array) -> Indices | None:
    """The rows of an embedding array that are not null, int64[m]; None for all of them."""
    if not chunk.null_count:
        return None
    return np.flatnonzero(chunk.is_valid().to_numpy(zero_copy_only=False))


def draw(rng: np.random.Generator, rows: Indices, size: int) -> Indices:
    """At most `size` of these rows at random, in their order."""
    places = rng.choice(len(rows), min(size, len(rows)), replace=False)
    return rows[np.sort(places)]


def read_vectors(
    work: AnyWorkspace, stage: str = "embed"
) -> tuple[Vectors, dict[str, str]]:
    """Embeddings of `columns/STAGE` that are not null, float16[n, dim], and {part: fingerprint} of what was read.

    FileNotFoundError when there is none, ValueError when parts were made by different models or lengths. Shards without
    a part are named in a notice: an array of tasks may not be at its end, or one of them failed.
    """
    work = Workspace(work)
    work.read(stage)  # refuses parts that do not belong together
    _name_missing(work, stage)
    chunks: list[pa.Array] = []
    names: list[pa.Array] = []
    parts: list[VectorPart] = []
    fingerprints = {}
    for path in work.part_files(stage):
        table = read_part(path)
        parts.append(vector_part(path, table))
        fingerprints[path.stem] = table.schema.metadata[b"fingerprint"].decode()
        table = table.select(["image_name", "embedding"])
        chunks += table["embedding"].chunks
        # Names alone are filtered: of embeddings that would make a copy in memory.
        names += table["image_name"].filter(table["embedding"].is_valid()).chunks
    joined = pa.chunked_array(names, pa.string()).combine_chunks()
    if isinstance(joined, pa.ChunkedArray):  # more text than one array's offsets reach
        joined = pa.concat_arrays(joined.chunks)
    return Vectors(chunks, joined, parts), fingerprints


def vector_part(path: Path, table: pa.Table) -> VectorPart:
    """What names a part of embeddings that was read as this table."""
    metadata = table.schema.metadata
    content = metadata[b"fingerprint"], metadata[b"crc32"]
    column = table["embedding"]
    return VectorPart(path, content, len(column) - column.null_count)


def _name_missing(work: Workspace, stage: str) -> None:
    """Say which finished shards have no part of a stage."""
    shards = [shard.name for shard in manifests(work)]
    made = {path.stem for path in work.part_files(stage)}
    missing = [name for name in shards if name not in made]
    if missing:
        notice(
            f"{len(missing):,} of {len(shards):,} shards have no part in {work.stage_folder(stage)} "
            f"({join_names(missing, most=5)}), and their images are left out: `{command_of(stage)}` makes them"
        )
