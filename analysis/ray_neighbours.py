"""The exact search for nearest neighbours on a Ray cluster: `twigma analyze --engine ray`.

Each slot of the cluster holds the reference, and gets one block of queries after the other; a slot that is lost costs
its block. The neighbours are those found here; the last digit of a similarity can differ with the threads.
"""

import contextlib
from collections.abc import Iterator

from twigma import ray_slots
from twigma.analysis import neighbours
from twigma.analysis.neighbours import Array, Found, Search


@contextlib.contextmanager
def search_on(engine: ray_slots.Engine) -> Iterator[Search]:
    """The search as that engine does it: a function like `neighbours.nearest`."""
    if engine == ray_slots.LOCAL:
        yield neighbours.nearest
        return
    with ray_slots.connect(engine.address):
        yield _nearest


def _nearest(query: Array, reference: Array, k: int = neighbours.TOP_K) -> Found:
    """`neighbours.nearest` on the cluster this process is connected to."""
    import ray

    neighbours.check(query, reference, k)
    held, blocks = ray.put(neighbours.unit_rows(reference, "reference")), dict(neighbours.blocks(query))
    slots, needs = ray_slots.shares(None)
    actor = ray.remote(SearchSlot).options(**needs)
    results = ray_slots.run(
        lambda: actor.remote(held, k, len(query)), list(blocks), lambda first: (first, blocks[first]), slots
    )
    found: dict[int, Found] = {}
    with neighbours.progress(query) as bar, contextlib.closing(results):
        for first, kind, value in results:
            if kind == "failed":
                raise value
            if kind == "piece":
                bar.update(0 if first in found else len(value[0]))
                found[first] = value
    return neighbours.joined(found[first] for first in blocks)


class SearchSlot(ray_slots.Slot):
    """Holds a reference, and searches it for one block of queries after the other."""

    def __init__(self, reference: Array, k: int, queries: int) -> None:
        self._of = reference, k, queries

    def ready(self) -> str:
        """Make the reference ready to be searched."""
        self._search = neighbours.searcher(*self._of)
        return super().ready()

    def pieces(self, task: tuple[int, Array]) -> Iterator[Found]:
        """What is found for one block."""
        first, query = task
        yield self._search(query, first)
