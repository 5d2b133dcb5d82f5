"""Failures of single items of a batch: the others are done first, then one error names every item that failed.

failures = Failures()
for file in files:
    with failures.collect():
        add(file)
failures.raise_any()
"""

import errno
import os
from types import TracebackType

# With these every item after would fail too.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
FULL_DISK = (*NO_ROOM, errno.EROFS)


def system_error_sentence(error: OSError) -> str:
    """An error of the system in words, its file first.

    >>> system_error_sentence(FileNotFoundError(2, "No such file or directory", "work/ids.csv"))
    'work/ids.csv: no such file or directory'
    """
    if not error.strerror:
        return str(error) or type(error).__name__
    # Python's own words are "[Errno 28] No space left on device: 'work/images.parquet'".
    reason = error.strerror[0].lower() + error.strerror[1:]
    if isinstance(error.filename, str | bytes):
        return f"{os.fsdecode(error.filename)}: {reason}"
    return reason


class DataError(ValueError):
    """Data that an estimate cannot be made of: too little of it, nothing that varies, values that are none.

    What reads it gives the reason in place of the estimate; any other ValueError is a fault of the program.
    """


class Failures:
    """What failed so far, in order; empty, it is false."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def __len__(self) -> int:
        return len(self.errors)

    def collect(self) -> "_Item":
        """A block that does one item: its ValueError or OSError is remembered. A full disk ends the batch instead."""
        return _Item(self.errors)

    def raise_any(self) -> None:
        """Raise the failure of one item, or of several in one: an OSError if any was one, else a ValueError."""
        if not self.errors:
            return
        if len(self.errors) == 1:
            raise self.errors[0]
        from_system = any(isinstance(error, OSError) for error in self.errors)
        kind = OSError if from_system else ValueError
        raise kind(f"{len(self.errors)} failed: " + "; ".join(map(str, self.errors)))


class _Item:
    def __init__(self, errors: list[Exception]) -> None:
        self._errors = errors

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, ValueError | OSError):
            return False
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            return False
        self._errors.append(error)
        return True
