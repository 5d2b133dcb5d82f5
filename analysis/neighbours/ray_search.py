"""The exact search for nearest neighbours on a Ray cluster: `twigma analyze --engine ray`.

Each slot of the cluster holds the reference, and gets one block of queries after the other; a slot that is lost costs
its block. The neighbours are those of a local search.
"""

import contextlib
from collections.abc import Iterator

from twigma.analysis.convert import Array
from twigma.analysis.neighbours import search
from twigma.analysis.neighbours.blocks import (
    REFERENCES,
    Search,
    by_parts,
    joined,
    progress,
    query_block,
    query_starts,
)
from twigma.core.neighbours.pairs import Neighbours
from twigma.core.numeric.unit_vectors import require_unit_rows
from twigma.core.pools import ray_cluster, ray_pool
from twigma.core.pools.ray_actor import Actor
from twigma.core.pools.ray_slots import ModelSlots


@contextlib.contextmanager
def search_on(engine: ray_pool.Engine) -> Iterator[Search]:
    """The search as that engine does it: a function like `search.nearest`."""
    if engine == ray_pool.LOCAL:
        yield search.nearest
        return
    with ray_cluster.connect(engine.address):
        yield _nearest


def _nearest(query: Array, reference: Array, k: int = search.TOP_K) -> Neighbours:
    """`search.nearest` on the cluster this process is connected to."""
    import ray

    search.check(query, reference, k)
    if len(reference) > REFERENCES:
        return by_parts(_nearest, query, reference, k)
    stored = ray.put(require_unit_rows(reference, "reference"))
    blocks = list(query_starts(query))
    events = ray_pool.run_tasks(
        SearchActor,
        (stored, k, len(query)),
        blocks,
        lambda first: (first, query_block(query, first)),
        ModelSlots(),
    )
    results: dict[int, Neighbours] = {}
    with progress(query) as bar, contextlib.closing(events):
        for event in events:
            if event.kind == "failed":
                raise event.value
            if event.kind == "part":
                # A block whose slot was lost after it had answered comes twice.
                bar.update(0 if event.task in results else len(event.value[0]))
                results[event.task] = event.value
    return joined(results[first] for first in blocks)


class SearchActor(Actor):
    """Holds a reference, and searches it for one block of queries after the other."""

    def __init__(self, reference: Array, k: int, queries: int) -> None:
        super().__init__()
        self._arguments = reference, k, queries

    def ready(self) -> str:
        """Make the reference ready to be searched."""
        self._search = search.block_search(*self._arguments)
        return super().ready()

    def parts(self, payload: tuple[int, Array]) -> Iterator[Neighbours]:
        """The neighbours of one block of queries [n, d]: similarity float32 [n, k] and row int64 [n, k]."""
        first, query = payload
        yield self._search(query, first)
