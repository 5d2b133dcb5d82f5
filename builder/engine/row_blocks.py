"""Rows of embeddings in blocks, and a function over all of them: here, or by tasks of a Ray cluster.

Used by `twigma cluster` and `assign`. A stage writes a part for every part it reads (`engine.py`); here a function
gives something smaller for each block, such as sums, and the caller puts it together. On Ray the driver puts every
block into the object store once, which moves it to the nodes that need it and spills to disk what memory does not hold.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from twigma.builder.engine.vectors import Half, Indices, Vectors
from twigma.core.pools import ray_cluster
from twigma.core.pools.ray_pool import LOCAL, Engine

ROWS = 16_384  # of a block: 24 MB of float16 at 768

T = TypeVar("T")


class RowBlocks:
    """All rows of `vectors` in blocks of ROWS, one after the other."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors

    def map(
        self, function: Callable[..., T], rows: Indices, *shared: Any
    ) -> Iterator[T]:
        """`function(float16[m, dim], *shared)` of these `rows`, int64[n] ascending, block by block and in order."""
        for start, places in self._places(rows):
            yield function(self.vectors.take(start + places), *shared)

    def _places(self, rows: Indices) -> Iterator[tuple[int, Indices]]:
        """The first row of every block that has any of these rows, and where in the block they are."""
        starts = np.arange(0, len(self.vectors), ROWS)
        ends = np.searchsorted(rows, starts + ROWS)
        begins = np.searchsorted(rows, starts)
        for start, begin, end in zip(starts, begins, ends, strict=True):
            if end > begin:
                yield int(start), rows[begin:end] - start


class _RayRowBlocks(RowBlocks):
    """The same on a Ray cluster; results come in the same order."""

    def __init__(self, vectors: Vectors) -> None:
        import ray

        super().__init__(vectors)
        self._task: Any = ray.remote(num_cpus=1)(_call)
        self._blocks: dict[int, Any] = {}
        for start in range(0, len(vectors), ROWS):
            rows = np.arange(start, min(start + ROWS, len(vectors)))
            self._blocks[start] = ray.put(vectors.take(rows))

    def map(
        self, function: Callable[..., T], rows: Indices, *shared: Any
    ) -> Iterator[T]:
        import ray

        # Once for all tasks, and not with each of them.
        everywhere = ray.put(shared)
        replies = []
        for start, places in self._places(rows):
            block = self._blocks[start]
            replies.append(self._task.remote(function, block, places, everywhere))
        for reply in replies:
            try:
                result: T = ray.get(reply)
            except ray.exceptions.RayTaskError as error:
                # What the function raised, as it would have been raised here.
                raise error.cause from error
            yield result


def _call(
    function: Callable[..., T], block: Half, places: Indices, shared: tuple[Any, ...]
) -> T:
    return function(block[places], *shared)


@contextlib.contextmanager
def row_blocks(vectors: Vectors, engine: Engine = LOCAL) -> Iterator[RowBlocks]:
    """The blocks of all rows for as long as they are needed; RuntimeError where the cluster fails."""
    if engine.name != "ray":
        yield RowBlocks(vectors)
        return
    with ray_cluster.connect(engine.address):
        yield _RayRowBlocks(vectors)
