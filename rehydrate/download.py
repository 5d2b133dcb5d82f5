"""img2dataset's downloader and writer, replaced where it hangs, loses rows, fetches internal hosts or re-encodes.

`Downloader` and `Writer` are subclasses, importable, so that they pickle to the workers of any of img2dataset's
distributors. Importing this module imports img2dataset, which takes seconds: only workers do. Used by
`twigma rehydrate`.
"""

import asyncio
import hashlib
import os
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import img2dataset.downloader
import img2dataset.resizer
import img2dataset.writer
import pyarrow as pa

from twigma.rehydrate.decode import BadImage, Header, check, open_image
from twigma.rehydrate.pool import NOTES
from twigma.rehydrate.request import LIMITS, OPT_OUT, ROBOT, Client, Limits, Outcome, request_urls
from twigma.rehydrate.shards import SIDECAR

HELD_BYTES = 256 << 20  # finished images that may wait in memory for an earlier one; more go to a temporary file
DECODE_THREADS = 2


class Writer(img2dataset.writer.WebDatasetSampleWriter):  # type: ignore[misc]
    """img2dataset's WebDataset writer with names, formats and times that make equal inputs equal bytes."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.tarwriter.mtime = 0
        # Its own stream copies what is left of a member for every 10 KB written: seconds for a large image.
        self.tarwriter.tarstream = tarfile.TarFile(
            fileobj=self.tar_fd, mode="w", format=tarfile.USTAR_FORMAT, copybufsize=1 << 20
        )

    def write(self, img_str: bytes | None, key: str, caption: str | None, meta: dict[str, Any]) -> None:
        """Write one row; an image goes to the tar as `image_name`.`format` with the row as JSON beside it."""
        if img_str is not None:
            self.encode_format = meta["member"].rpartition(".")[2]
        super().write(img_str, meta["image_name"], caption, meta)


class Downloader(img2dataset.downloader.Downloader):  # type: ignore[misc]
    """Fetches one shard: asynchronous, every image checked to its last byte, rows written in the order given."""

    def __init__(
        self,
        output_folder: str,
        *,
        rows_per_shard: int = 1000,
        size: str = "small",
        image_size: int | None = None,
        image_base_url: str | None = None,
        connections: int = 32,
        limits: Limits = LIMITS,
        allow: Sequence[str] = (),
        gate: Path | None = None,
    ) -> None:
        super().__init__(
            sample_writer_class=Writer,
            resizer=None if image_size is None else _resizer(image_size),
            thread_count=connections,
            save_caption=False,
            extract_exif=False,
            output_folder=output_folder,
            column_list=["image_name", "url"],
            timeout=limits.deadline,
            number_sample_per_shard=rows_per_shard,
            oom_shard_count=5,
            compute_hash="sha256",
            verify_hash_type=None,
            encode_format="jpg",
            retries=limits.retries,
            user_agent_token=ROBOT,
            disallowed_header_directives=list(OPT_OUT),
        )
        self.size, self.image_base_url, self.limits = size, image_base_url, limits
        self.allow, self.gate = tuple(allow), gate
        self.on_rows: Callable[[int], None] = _nothing
        self.condemned: set[str] = set()

    def download_shard(self, row: tuple[int, str]) -> None:
        """Fetch a shard (number, Arrow file of image_name and url) into a tar and a sidecar; OSError on a full disk."""
        number, path = row
        with pa.memory_map(path) as source:
            rows = pa.ipc.open_file(source).read_all().select(self.column_list).to_pylist()
        writer = self.sample_writer_class(
            number, self.output_folder, self.save_caption, self.oom_shard_count, SIDECAR, self.encode_format
        )
        self._notes = os.open(Path(self.output_folder, NOTES), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        try:
            asyncio.run(self._fetch(number, rows, writer))
        finally:
            os.close(self._notes)
        writer.close()
        Path(path).unlink()

    async def _fetch(self, number: int, rows: list[dict[str, str]], writer: Writer) -> None:
        client = Client(connections=self.thread_count, limits=self.limits, allow=self.allow, gate=self.gate)
        threads = ThreadPoolExecutor(DECODE_THREADS)
        with _InOrder(writer.write, Path(self.output_folder)) as ordered:
            async with client:

                async def one(at: int, row: dict[str, str]) -> None:
                    meta, data = await self._one(client, threads, row)
                    key = img2dataset.downloader.compute_key(at, number, 6, self.oom_shard_count)
                    ordered.put(at, {"key": key, **meta}, data)
                    self.on_rows(1)

                tasks = [asyncio.create_task(one(at, row)) for at, row in enumerate(rows)]
                beat = asyncio.create_task(self._beat())
                try:
                    await asyncio.gather(*tasks)
                finally:
                    for task in (beat, *tasks):
                        task.cancel()
                    threads.shutdown(wait=False, cancel_futures=True)

    async def _beat(self) -> None:
        """Say every second that the loop still turns."""
        while True:
            self.on_rows(0)
            await asyncio.sleep(1)

    async def _one(
        self, client: Client, threads: ThreadPoolExecutor, row: dict[str, str]
    ) -> tuple[dict[str, Any], bytes | None]:
        outcome = await client.get(request_urls(row["url"], self.size, self.image_base_url))
        meta = dict.fromkeys(SIDECAR.names[1:]) | row | {"status": outcome.status, "error": outcome.error}
        if outcome.status != "success":
            return meta, None
        client.unread += len(outcome.data)
        try:
            loop = asyncio.get_running_loop()
            facts, data = await loop.run_in_executor(threads, self._accept, row["image_name"], outcome)
        finally:
            client.unread -= len(outcome.data)
        return meta | facts, data

    def _accept(self, image_name: str, outcome: Outcome) -> tuple[dict[str, Any], bytes | None]:
        """Check the image, shrink it if that was asked for, and describe it."""
        if image_name in self.condemned:
            return {"status": "decode", "error": "the decoder crashed on it"}, None
        self._note(f"+{image_name}\n")
        try:
            header, data = self._checked(outcome.data)
        except BadImage as error:
            return {"status": error.status, "error": str(error)}, None
        finally:
            self._note(f"-{image_name}\n")
        facts = {
            "member": f"{image_name}.{header.format}",
            "width": header.width,
            "height": header.height,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        return facts, data

    def _note(self, line: str) -> None:
        """Leave word of what is being decoded, for the case that this process does not survive it."""
        os.write(self._notes, line.encode("ascii"))

    def _checked(self, data: bytes) -> tuple[Header, bytes]:
        header = check(data)
        if self.resizer is not None and max(header.width, header.height) > self.resizer.image_size:
            data = self._shrink(data)
            header = check(data)
        return header, data

    def _shrink(self, data: bytes) -> bytes:
        """Resize with img2dataset's Resizer, from pixels we decoded: its own decoder turns and clips some images."""
        buffer = BytesIO()
        open_image(data).save(buffer, "BMP")
        small, *_, error = self.resizer(buffer)
        if error is not None:
            raise BadImage("decode", f"cannot be resized: {error}")
        return cast(bytes, small)


def _resizer(image_size: int) -> Any:
    return img2dataset.resizer.Resizer(image_size, "keep_ratio_largest", resize_only_if_bigger=True)


def _nothing(rows: int) -> None:
    return None


class _InOrder:
    """Hands rows on in order of their number, however they arrive; images wait in memory, then in a file."""

    def __init__(self, write: Callable[[bytes | None, str, None, dict[str, Any]], None], folder: Path) -> None:
        self._write, self._folder = write, folder
        self._waiting: dict[int, tuple[dict[str, Any], bytes | tuple[int, int] | None]] = {}
        self._next = self._held = 0

    def __enter__(self) -> "_InOrder":
        self._spool = tempfile.TemporaryFile(dir=self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def put(self, at: int, meta: dict[str, Any], data: bytes | None) -> None:
        """Take row number `at`; write it and all that follow it when it is the next."""
        held: bytes | tuple[int, int] | None = data
        if data is not None and at != self._next and self._held + len(data) > HELD_BYTES:
            held = (self._spool.seek(0, 2), len(data))
            self._spool.write(data)
        elif data is not None:
            self._held += len(data)
        self._waiting[at] = (meta, held)
        while self._next in self._waiting:
            self._pass_on(*self._waiting.pop(self._next))
            self._next += 1

    def _pass_on(self, meta: dict[str, Any], held: bytes | tuple[int, int] | None) -> None:
        if isinstance(held, tuple):
            self._spool.seek(held[0])
            held = self._spool.read(held[1])
        elif held is not None:
            self._held -= len(held)
        self._write(held, meta["key"], None, meta)
