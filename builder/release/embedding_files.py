"""The embeddings of a release: `embeddings-*`, of another name `embeddings-NAME-*`, rows in the order of the metadata.

Here several files are written at once. On a Ray cluster (`twigma release --engine ray`) each file is a task: a node
reads its rows from the parts where it sees those of the driver, and else is sent them; what comes back is the finished
file, which the driver writes. So the files are the same bytes.
"""

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.engine.delivery import RowOffer, offer_rows, take_offered
from twigma.builder.engine.vectors import (
    Half,
    Indices,
    Vectors,
    as_column,
    read_vectors,
)
from twigma.builder.release.tables import file_count, write_files, write_table
from twigma.core import columns
from twigma.core.files import atomic
from twigma.core.names import split_name, with_name
from twigma.core.pools import ray_cluster, ray_pool
from twigma.core.pools.ray_actor import Actor
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.pools.ray_slots import CpuSlots
from twigma.core.progress import progress_bar
from twigma.core.workspace import Workspace
from twigma.dataset.tables.table_files import table_name

ROWS = 100_000  # in a file
EMBEDDING_TYPES = {"float16": pa.float16(), "float32": pa.float32()}

Payload = tuple[
    pa.Array, Half | RowOffer
]  # names, and the embeddings or where they lie


def write_embeddings(
    folder: Path,
    image_names: pa.ChunkedArray,
    work: Workspace,
    stages: Collection[str],
    *,
    type_name: str = "float16",
    engine: Engine = LOCAL,
) -> dict[str, int]:
    """Write the embeddings of these images (string[n]) to `folder`, in order, of every name that is among `stages`.

    `type_name` is float16, as embeddings are stored, or float32 with the same values. Returns the length of an
    embedding by configuration. Every image must have one of each name in `work`. RuntimeError where a cluster fails.
    """
    names = [name for base, name in map(split_name, stages) if base == "embed"]
    lengths = {}
    with _connected(engine, needed=bool(names)):
        for name in names:
            # Parts stay mapped, and a file's rows are copied when it is written: all would be 1.5 KB an image.
            vectors, _ = read_vectors(work, with_name("embed", name))
            files = _Files(image_names, vectors, type_name)
            config = with_name("embeddings", name)
            if engine.name == "ray":
                _write_on_ray(folder, config, files)
            else:
                write_files(folder, config, files.count, files.table, dictionary=False)
            # Of the length this model has; the declared column is the paper's.
            lengths[config] = vectors.dim
    return lengths


@contextlib.contextmanager
def _connected(engine: Engine, needed: bool) -> Iterator[None]:
    """Connected to the cluster of an engine that has one, unless nothing is to be done there."""
    if engine.name != "ray" or not needed:
        yield
        return
    with ray_cluster.connect(engine.address):
        yield


@dataclass(frozen=True)
class _Layout:
    """How the table of a file is made: the type of the numbers, and the length of an embedding."""

    type_name: str
    length: int

    def table(self, names: pa.Array, rows: Half) -> pa.Table:
        """These names, string[m], and their embeddings, float16[m, length]."""
        vector_type = pa.list_(EMBEDDING_TYPES[self.type_name], self.length)
        name_field, vector_field = columns.schema(["image_name", "embedding"])
        schema = pa.schema([name_field, vector_field.with_type(vector_type)])
        return pa.table([names, as_column(rows).cast(vector_type)], schema=schema)


class _Files:
    """What each file of a configuration holds."""

    def __init__(
        self, image_names: pa.ChunkedArray, vectors: Vectors, type_name: str
    ) -> None:
        found = pc.index_in(image_names.combine_chunks(), value_set=vectors.names)
        self._names = image_names
        self._vectors = vectors
        self._rows: Indices = found.to_numpy().astype(np.int64)
        self.layout = _Layout(type_name, vectors.dim)
        self.count = file_count(len(image_names), ROWS)

    def table(self, number: int) -> pa.Table:
        """The table of a file."""
        rows = self._vectors.take(self._rows_of(number))
        return self.layout.table(self._names_of(number), rows)

    def contents(self, number: int) -> Payload:
        """What a node needs that sees no part."""
        return self._names_of(number), self._vectors.take(self._rows_of(number))

    def offer(self, number: int) -> Payload:
        """What a node needs that sees the parts."""
        offer = offer_rows(self._vectors, self._rows_of(number))
        assert offer is not None  # `read_vectors` has read parts
        return self._names_of(number), offer

    def _rows_of(self, number: int) -> Indices:
        return self._rows[number * ROWS : (number + 1) * ROWS]

    def _names_of(self, number: int) -> pa.Array:
        # A copy: a slice of an array is pickled with the text of all rows.
        return self._names.slice(number * ROWS, ROWS).combine_chunks()


# ------------------------------------------------------------------ on a cluster


def _write_on_ray(folder: Path, config: str, files: _Files) -> None:
    """Write the files that the nodes of the cluster make, as they come."""
    events = ray_pool.run_tasks(
        FileActor,
        (files.layout, pa.__version__),
        range(files.count),
        files.contents,
        CpuSlots(),
        offer=files.offer,
    )
    bar = progress_bar(total=files.count, desc=config, unit="file")
    with bar, contextlib.closing(events):
        for event in events:
            if event.kind == "failed":
                raise event.value
            if event.kind == "part":
                # One whose worker was lost after it had answered comes twice.
                name = table_name(config, event.task, files.count)
                with atomic(folder / name) as path:
                    path.write_bytes(event.value)
            elif event.kind == "done":
                bar.update(1)


class FileActor(Actor):
    """Makes one file after the other."""

    def __init__(self, layout: _Layout, pyarrow: str) -> None:
        super().__init__()
        self._layout = layout
        self._pyarrow = pyarrow

    def ready(self) -> str:
        """RuntimeError where files would not be the same bytes."""
        if pa.__version__ != self._pyarrow:
            raise RuntimeError(
                f"it has pyarrow {pa.__version__}, the driver {self._pyarrow}: install the same version on both"
            )
        return super().ready()

    def deliver(self, task: int, payload: Payload) -> bool:
        """Take in what a file holds; False where its rows lie in parts that this node does not see."""
        names, rows = payload
        if isinstance(rows, RowOffer):
            seen = take_offered(rows)
            if seen is None:
                return False
            rows = seen
        return super().deliver(task, (names, rows))

    def parts(self, payload: tuple[pa.Array, Half]) -> Iterator[pa.Buffer]:
        """The bytes of one file."""
        sink = pa.BufferOutputStream()
        write_table(sink, self._layout.table(*payload), dictionary=False)
        yield sink.getvalue()
