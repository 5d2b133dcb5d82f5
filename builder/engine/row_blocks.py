"""Rows of embeddings in blocks, and a function over all of them: here, or by tasks of a Ray cluster.

Used by `twigma dedupe`, `cluster` and `assign`. A stage writes a part for every part it reads (`engine.py`); here a
function gives something smaller for each block, such as sums, and the caller puts it together.

Of `map`, which goes over the same rows many times, a node of Ray reads a block from its parts where it sees those of
the driver. Else the driver puts the block into the object store once, which moves it to the nodes that need it and
spills to disk what memory does not hold. Of `each`, what a task needs is sent with it, a few tasks ahead of those that
run, and not kept.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from twigma.builder.engine.delivery import RowOffer, offer_rows, take_offered
from twigma.builder.engine.vectors import Half, Indices, Vectors
from twigma.core.machine import usable_cpus
from twigma.core.pools import ray_cluster
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.read_ahead import read_ahead

ROWS = 16_384  # of a block: 24 MB of float16 at 768

AHEAD = 2  # items a core that are begun before the results of earlier ones are taken

K = TypeVar("K")
T = TypeVar("T")


class RowBlocks:
    """All rows of `vectors` in blocks of ROWS, one after the other."""

    is_local = True

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors

    def map(
        self, function: Callable[..., T], rows: Indices, *shared: Any
    ) -> Iterator[T]:
        """`function(float16[m, dim], *shared)` of these `rows`, int64[n] ascending, block by block and in order."""
        for start, places in self._places(rows):
            yield function(self.vectors.take(start + places), *shared)

    def each(
        self,
        function: Callable[..., T],
        items: Iterable[K],
        load: Callable[[K], tuple[Any, ...]],
    ) -> Iterator[tuple[K, T]]:
        """Each item and `function(*load(item))`, in order, by a thread a core."""
        from threadpoolctl import threadpool_limits

        def run(item: K) -> T:
            return function(*load(item))

        workers = usable_cpus()
        # Products are small: several at a time are faster than each by several threads.
        with (
            ThreadPoolExecutor(workers) as pool,
            threadpool_limits(1, user_api="blas"),
        ):
            begun = ((item, pool.submit(run, item)) for item in items)
            for item, future in read_ahead(begun, lambda: AHEAD * workers):
                yield item, future.result()

    def _places(self, rows: Indices) -> Iterator[tuple[int, Indices]]:
        """The first row of every block that has any of these rows, and where in the block they are."""
        starts = np.arange(0, len(self.vectors), ROWS)
        ends = np.searchsorted(rows, starts + ROWS)
        begins = np.searchsorted(rows, starts)
        for start, begin, end in zip(starts, begins, ends, strict=True):
            if end > begin:
                yield int(start), rows[begin:end] - start


@dataclass
class _Call:
    """A function over some rows of a block: whether the node saw the block, and the result, both on their way."""

    places: Indices
    seen: Any
    result: Any


class _RayRowBlocks(RowBlocks):
    """The same on a Ray cluster; results come in the same order."""

    is_local = False

    def __init__(self, vectors: Vectors) -> None:
        import ray

        super().__init__(vectors)
        self._task: Any = ray.remote(num_cpus=1, num_returns=2)(_call)
        self._call_each: Any = ray.remote(num_cpus=1)(_call_each)
        # The blocks that travel, by their first row.
        self._stored: dict[int, Any] = {}

    def map(
        self, function: Callable[..., T], rows: Indices, *shared: Any
    ) -> Iterator[T]:
        import ray

        # Once for all tasks, and not with each of them.
        everywhere = ray.put(shared)

        def send(start: int, places: Indices, offer: RowOffer | None) -> _Call:
            block = self._block(start) if offer is None else offer
            answers = self._task.remote(function, block, places, everywhere)
            return _Call(places, *answers)

        calls, offered = {}, {}
        for start, places in self._places(rows):
            offer = None
            if start not in self._stored:
                offer = offer_rows(self.vectors, start + places)
            calls[start] = send(start, places, offer)
            if offer is not None:
                offered[calls[start].seen] = start
        for start in list(calls):
            for refused in _refused(offered, calls[start].seen):
                calls[refused] = send(refused, calls[refused].places, None)
            result: T = _result(calls.pop(start).result)
            yield result

    def each(
        self,
        function: Callable[..., T],
        items: Iterable[K],
        load: Callable[[K], tuple[Any, ...]],
    ) -> Iterator[tuple[K, T]]:
        sent = ((item, self._call_each.remote(function, *load(item))) for item in items)
        for item, reply in read_ahead(sent, lambda: AHEAD * _cores()):
            yield item, _result(reply)

    def _block(self, start: int) -> Any:
        """A block in the object store, into which the driver puts it once."""
        import ray

        if start not in self._stored:
            end = min(start + ROWS, len(self.vectors))
            block = self.vectors.take(np.arange(start, end))
            self._stored[start] = ray.put(block)
        return self._stored[start]


def _refused(offered: dict[Any, int], awaited: Any) -> list[int]:
    """The blocks that nodes have not seen, among those of `offered` with an answer; it is waited for that of `awaited`.

    Those that are answered are taken out of `offered`.
    """
    import ray

    answered: list[Any] = []
    if offered:
        answered, _ = ray.wait(list(offered), num_returns=len(offered), timeout=0)
    if awaited in offered and awaited not in answered:
        ray.wait([awaited])
        answered.append(awaited)
    refused = []
    for answer in answered:
        start = offered.pop(answer)
        # What the function raised comes with the result.
        with contextlib.suppress(ray.exceptions.RayTaskError):
            if not ray.get(answer):
                refused.append(start)
    return refused


def _call(
    function: Callable[..., T],
    block: Half | RowOffer,
    places: Indices,
    shared: tuple[Any, ...],
) -> tuple[bool, T | None]:
    """Whether the block is seen here, and the result of the function."""
    if not isinstance(block, RowOffer):
        return True, function(block[places], *shared)
    rows = take_offered(block)
    if rows is None:
        return False, None
    return True, function(rows, *shared)


def _call_each(function: Callable[..., T], *arguments: Any) -> T:
    return function(*arguments)


def _result(reply: Any) -> Any:
    """What a task gave, or raises what it raised, as it would have been raised here."""
    import ray

    try:
        return ray.get(reply)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error


def _cores() -> int:
    """Of the cluster as it is now: nodes join and leave."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 0)))  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def row_blocks(vectors: Vectors, engine: Engine = LOCAL) -> Iterator[RowBlocks]:
    """The blocks of all rows for as long as they are needed; RuntimeError where the cluster fails."""
    if engine.name != "ray":
        yield RowBlocks(vectors)
        return
    with ray_cluster.connect(engine.address):
        yield _RayRowBlocks(vectors)
