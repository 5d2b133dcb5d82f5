"""The second half of a fetch, in a thread beside the requests: each image is checked, then written in the order given.

A row that waits for an earlier one waits in memory, then in a file. Used by the Downloader of `twigma rehydrate`.
"""

import hashlib
import mmap
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any

from twigma.rehydrate.fetch.http_client import Outcome
from twigma.rehydrate.fetch.worker_pool import NOTE, NOTE_BYTES
from twigma.rehydrate.images import decode_memory
from twigma.rehydrate.images.decode import BadImage
from twigma.rehydrate.images.decode_memory import MOST_BUFFER, Places
from twigma.rehydrate.images.normalize import StoredImage
from twigma.rehydrate.images.shards import SIDECAR

Row = dict[str, Any]


class OrderedWriter:
    """Takes the outcome of each row, in any order; `run` checks and writes them. A context manager: its files."""

    def __init__(
        self,
        rows: list[Row],
        folder: Path,
        keep: Callable[[bytes], StoredImage],
        write: Callable[[bytes | None, Row], None],
        condemned: Collection[str] = (),
        *,
        held: int = MOST_BUFFER,
        places: Places | None = None,
    ) -> None:
        """`held` bytes of finished images wait in memory for an earlier one; more go to a temporary file."""
        self._held, self._room = (
            held,
            decode_memory.room if places is None else places.room,
        )
        self._done = self._said = 0  # rows
        self._rows, self._folder, self._keep, self._condemned = (
            rows,
            folder,
            keep,
            condemned,
        )
        self._write = write
        self._queue: SimpleQueue[tuple[int, Outcome] | None] = SimpleQueue()
        self._put = self._taken = (
            0  # bytes; one counter a thread, so that none needs a lock
        )

    def __enter__(self) -> "OrderedWriter":
        self._spool = tempfile.TemporaryFile(dir=self._folder)
        note = self._folder / NOTE
        note.write_bytes(
            bytes(NOTE_BYTES)
        )  # a full disk says so here and not at the first use of the memory
        with note.open("r+b") as file:
            self._note = mmap.mmap(file.fileno(), NOTE_BYTES)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._note.close()
        self._spool.close()

    def put(self, at: int, outcome: Outcome) -> None:
        """Hand over row number `at`."""
        self._put += len(outcome.data)
        self._queue.put((at, outcome))

    def backlog(self) -> int:
        """Bytes handed over and not yet looked at."""
        return self._put - self._taken

    def news(self) -> int:
        """Rows finished since this was last asked."""
        before, self._said = self._said, self._done
        return self._said - before

    def stop(self) -> None:
        """Have `run` end before its last row."""
        self._queue.put(None)

    def run(self) -> None:
        """Finish rows until all are done; OSError when the disk is full."""
        ordered = _InOrder(self._write, self._spool, self._held)
        while self._done < len(self._rows) and (item := self._queue.get()) is not None:
            at, outcome = item
            with self._room(
                outcome.data
            ):  # before the note, so that waiting is not held against the image
                finished = self._finished(self._rows[at], outcome)
            ordered.put(at, *finished)
            self._taken += len(outcome.data)
            self._done += 1

    def _finished(self, row: Row, outcome: Outcome) -> tuple[Row, bytes | None]:
        """The row of the sidecar, and the bytes to store."""
        row = (
            dict.fromkeys(SIDECAR.names)
            | row
            | {"status": outcome.status, "error": outcome.error}
        )
        if outcome.status != "success":
            return row, None
        name = row["image_name"]
        if name in self._condemned:
            return row | {
                "status": "decode",
                "error": "the decoder crashed on it",
            }, None
        self._note[:] = name.encode("ascii", "replace")[:NOTE_BYTES].ljust(
            NOTE_BYTES, b"\0"
        )
        try:
            kept = self._keep(outcome.data)
        except BadImage as error:
            return row | {"status": error.status, "error": str(error)}, None
        finally:
            self._note[:] = bytes(NOTE_BYTES)
        header = kept.header
        row |= {
            "width": header.width,
            "height": header.height,
            "member": f"{name}.{header.format}",
            "note": kept.note,
        }
        return row | {"sha256": hashlib.sha256(kept.data).hexdigest()}, kept.data


class _InOrder:
    """Hands rows on in order of their number, however they arrive."""

    def __init__(
        self, write: Callable[[bytes | None, Row], None], spool: Any, most: int
    ) -> None:
        self._write, self._spool, self._most = write, spool, most
        self._waiting: dict[int, tuple[Row, bytes | tuple[int, int] | None]] = {}
        self._next = self._held = 0

    def put(self, at: int, row: Row, data: bytes | None) -> None:
        """Take row number `at`; write it and all that follow it when it is the next."""
        held: bytes | tuple[int, int] | None = data
        if (
            data is not None
            and at != self._next
            and self._held + len(data) > self._most
        ):
            held = (self._spool.seek(0, 2), len(data))
            self._spool.write(data)
        elif data is not None:
            self._held += len(data)
        self._waiting[at] = (row, held)
        while self._next in self._waiting:
            self._pass_on(*self._waiting.pop(self._next))
            self._next += 1

    def _pass_on(self, row: Row, held: bytes | tuple[int, int] | None) -> None:
        if isinstance(held, tuple):
            self._spool.seek(held[0])
            self._write(self._spool.read(held[1]), row)
            return
        self._held -= len(held or b"")
        self._write(held, row)
