"""The second half of a fetch, in a thread beside the requests: images are checked, then written in the order of rows.

A row that waits for an earlier one waits in memory, then in a file. Used by the Downloader of `twigma rehydrate`.
"""

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Any

from twigma.rehydrate.fetch.http.response import Outcome
from twigma.rehydrate.images import decode_memory
from twigma.rehydrate.images.decode_memory import MOST_BUFFER, Places
from twigma.rehydrate.images.decoding_note import DecodingNote
from twigma.rehydrate.images.image_headers import BadImage
from twigma.rehydrate.images.normalize import StoredImage
from twigma.rehydrate.images.shards import SIDECAR

Row = dict[str, Any]  # of the sidecar: `key`, `image_name` and `url` are there already
Write = Callable[[bytes | None, Row], None]


def _ignore(row: Row) -> None:
    return None


class OrderedWriter:
    """Takes the outcome of each row, in any order; `run` checks and writes them. A context manager: its files."""

    def __init__(
        self,
        rows: list[Row],
        folder: Path,
        normalize: Callable[[bytes], StoredImage],
        write: Write,
        crashing: Collection[str] = (),
        *,
        held: int = MOST_BUFFER,
        places: Places | None = None,
        observe: Callable[[Row], None] = _ignore,
    ) -> None:
        """Prepare to write `rows`.

        `normalize` returns what is stored of an image, or raises BadImage. Images named in `crashing` are not decoded.
        `held` bytes of checked images wait in memory for an earlier one; more go to a temporary file in `folder`.
        `observe` sees each row as soon as it is checked; what it raises ends `run`.
        """
        self._rows = rows
        self._folder = folder
        self._normalize = normalize
        self._write = write
        self._crashing = crashing
        self._held = held
        self._observe = observe
        self._room = decode_memory.room if places is None else places.room
        self._queue: SimpleQueue[tuple[int, Outcome] | None] = SimpleQueue()
        self._done = 0  # rows
        self._reported = 0
        # Bytes; one counter a thread, so that neither needs a lock.
        self._put = 0
        self._taken = 0

    def __enter__(self) -> "OrderedWriter":
        self._files = contextlib.ExitStack()
        self._spool = self._files.enter_context(
            tempfile.TemporaryFile(dir=self._folder)
        )
        self._note = self._files.enter_context(DecodingNote(self._folder))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()

    def put(self, at: int, outcome: Outcome) -> None:
        """Hand over row number `at`."""
        self._put += len(outcome.data)
        self._queue.put((at, outcome))

    def backlog(self) -> int:
        """Bytes handed over and not yet checked."""
        return self._put - self._taken

    def new_rows(self) -> int:
        """Rows finished since this was last asked."""
        done = self._done
        new = done - self._reported
        self._reported = done
        return new

    def stop(self) -> None:
        """Have `run` end before its last row."""
        self._queue.put(None)

    def run(self) -> None:
        """Finish rows until all are done; OSError when the disk is full."""
        ordered = _InOrder(self._write, self._spool, self._held)
        while self._done < len(self._rows):
            item = self._queue.get()
            if item is None:
                return
            at, outcome = item
            # Room first, the note inside: a worker that dies while it waits has no culprit.
            with self._room(outcome.data):
                row, data = self._checked(self._rows[at], outcome)
            self._observe(row)
            ordered.put(at, row, data)
            self._taken += len(outcome.data)
            self._done += 1

    def _checked(self, row: Row, outcome: Outcome) -> tuple[Row, bytes | None]:
        """The row of the sidecar, and the bytes to store."""
        row = dict.fromkeys(SIDECAR.names) | row
        row["status"] = outcome.status
        row["error"] = outcome.error
        if outcome.status != "success":
            return row, None
        name = row["image_name"]
        if name in self._crashing:
            row["status"] = "decode"
            row["error"] = "the decoder crashed on it"
            return row, None
        try:
            with self._note.of(name):
                stored = self._normalize(outcome.data)
        except BadImage as error:
            row["status"] = error.status
            row["error"] = str(error)
            return row, None
        row["width"] = stored.header.width
        row["height"] = stored.header.height
        row["member"] = f"{name}.{stored.header.format}"
        row["note"] = stored.note
        row["sha256"] = hashlib.sha256(stored.data).hexdigest()
        return row, stored.data


class _InOrder:
    """Hands rows on in order of their number, however they arrive."""

    def __init__(self, write: Write, spool: IO[bytes], most: int) -> None:
        self._write = write
        self._spool = spool
        self._most = most
        # Of a row that waits: its bytes, or where they are in the file (first byte and size), or None.
        self._waiting: dict[int, tuple[Row, bytes | tuple[int, int] | None]] = {}
        self._next = 0
        self._held = 0  # bytes in memory

    def put(self, at: int, row: Row, data: bytes | None) -> None:
        """Take row number `at`; write it and all that follow it when it is the next."""
        waits = at != self._next
        if data is None:
            self._waiting[at] = (row, None)
        elif waits and self._held + len(data) > self._most:
            start = self._spool.seek(0, 2)
            self._spool.write(data)
            self._waiting[at] = (row, (start, len(data)))
        else:
            self._held += len(data)
            self._waiting[at] = (row, data)
        while self._next in self._waiting:
            self._pass_on(*self._waiting.pop(self._next))
            self._next += 1

    def _pass_on(self, row: Row, data: bytes | tuple[int, int] | None) -> None:
        if isinstance(data, tuple):
            start, size = data
            self._spool.seek(start)
            self._write(self._spool.read(size), row)
            return
        if data is not None:
            self._held -= len(data)
        self._write(data, row)
