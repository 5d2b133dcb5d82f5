"""The lines of a text, which come in blocks: taken one by one, or many at once, after a look at them."""

from collections import deque
from collections.abc import Iterator

LONGEST_LINE = 1 << 20  # characters of a line, and of all lines that are joined


class LineBuffer(Iterator[str]):
    """Lines that come in blocks; those that were looked at stay to be taken.

    `number` is that of the last line that was taken, from 1.
    """

    def __init__(self, blocks: Iterator[list[str]]) -> None:
        self._blocks = blocks
        self._lines: deque[str] = deque()  # read, and not taken yet
        self.number = 0

    def __next__(self) -> str:
        """Take the next line."""
        if not self._lines:
            self._lines.extend(next(self._blocks))
        self.number += 1
        return self._lines.popleft()

    def ready(self) -> list[str]:
        """Look at the lines that were read and not taken, or else at the next block; empty at the end."""
        if not self._lines:
            self._lines.extend(next(self._blocks, []))
        return list(self._lines)

    def ahead(self, distance: int) -> str | None:
        """Look at the line so many after the next one; None beyond the end."""
        while len(self._lines) <= distance:
            block = next(self._blocks, None)
            if block is None:
                return None
            self._lines.extend(block)
        return self._lines[distance]

    def next_filled(self) -> str:
        """Take empty lines, and look at the one after them; empty at the end."""
        while (line := self.ahead(0)) is not None:
            if line.strip():
                return line
            next(self)
        return ""

    def drop(self, count: int) -> None:
        """Take so many of the lines that were looked at."""
        self.number += count
        if count == len(self._lines):
            self._lines.clear()
            return
        for _ in range(count):
            self._lines.popleft()
