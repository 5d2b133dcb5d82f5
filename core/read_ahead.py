"""Work begun before its turn, in order: while one item is used, threads or machines make the next ones."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")


def begin_ahead(
    items: Iterable[K], begin: Callable[[K], T], ahead: Callable[[], int]
) -> Iterator[tuple[K, T]]:
    """Each item and what `begin(item)` returns, in order; `ahead()` more are begun before the first is given."""
    waiting: deque[tuple[K, T]] = deque()
    for item in items:
        waiting.append((item, begin(item)))
        if len(waiting) > ahead():
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


def make_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, none of them None, the next one made in a thread while the last is used."""
    with ThreadPoolExecutor(1) as thread:
        item = thread.submit(next, items, None).result()
        while item is not None:
            coming = thread.submit(next, items, None)
            yield item
            item = coming.result()
