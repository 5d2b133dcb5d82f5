"""The exact search for nearest neighbours on a Ray cluster: `twigma analyze --engine ray`.

Each slot of the cluster holds the reference, and gets one block of queries after the other; a slot that is lost costs
its block. The neighbours are those found here; the last digit of a similarity can differ with the threads.
"""

import contextlib
from collections.abc import Iterator

from twigma.analysis.neighbours import search
from twigma.analysis.neighbours.search import Array, Found, Search
from twigma.core.pools import ray_cluster, ray_pool


@contextlib.contextmanager
def search_on(engine: ray_pool.Engine) -> Iterator[Search]:
    """The search as that engine does it: a function like `neighbours.nearest`."""
    if engine == ray_pool.LOCAL:
        yield search.nearest
        return
    with ray_cluster.connect(engine.address):
        yield _nearest


def _nearest(query: Array, reference: Array, k: int = search.TOP_K) -> Found:
    """`neighbours.nearest` on the cluster this process is connected to."""
    import ray

    search.check(query, reference, k)
    held, blocks = (
        ray.put(search.unit_rows(reference, "reference")),
        dict(search.blocks(query)),
    )
    slots, needs = ray_cluster.actor_resources(None)
    actor = ray.remote(SearchActor).options(**needs)
    results = ray_pool.run_tasks(
        lambda: actor.remote(held, k, len(query)),
        list(blocks),
        lambda first: (first, blocks[first]),
        slots,
    )
    found: dict[int, Found] = {}
    with search.progress(query) as bar, contextlib.closing(results):
        for event in results:
            if event.kind == "failed":
                raise event.value
            if event.kind == "part":
                rows = 0 if event.task in found else len(event.value[0])
                bar.update(rows)
                found[event.task] = event.value
    return search.joined(found[first] for first in blocks)


class SearchActor(ray_pool.Actor):
    """Holds a reference, and searches it for one block of queries after the other."""

    def __init__(self, reference: Array, k: int, queries: int) -> None:
        self._of = reference, k, queries

    def ready(self) -> str:
        """Make the reference ready to be searched."""
        self._search = search.searcher(*self._of)
        return super().ready()

    def parts(self, task: tuple[int, Array]) -> Iterator[Found]:
        """What is found for one block."""
        first, query = task
        yield self._search(query, first)
