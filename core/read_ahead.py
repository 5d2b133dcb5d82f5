"""Items taken before their turn, in order: what an iterator begins, threads or machines do while others are used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Iterable[T], ahead: Callable[[], int]) -> Iterator[T]:
    """The same items; `ahead()` more are taken before the first is given."""
    waiting: deque[T] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > ahead():
            yield waiting.popleft()
    yield from waiting
