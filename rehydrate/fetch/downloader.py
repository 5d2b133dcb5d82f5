"""img2dataset's downloader and writer, replaced where it hangs, loses rows, fetches internal hosts or re-encodes.

`Downloader` and `Writer` are subclasses, importable, so that they pickle to the workers of any of img2dataset's
distributors. Importing this module imports img2dataset, which takes seconds: only workers do. Used by
`twigma rehydrate`.
"""

import asyncio
import json
import tarfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import img2dataset.downloader
import img2dataset.writer
import pyarrow as pa

from twigma.rehydrate.fetch.failure_streak import FailureStreak
from twigma.rehydrate.fetch.http.client import (
    LIMITS,
    OPT_OUT,
    ROBOT,
    Client,
    Limits,
    request_urls,
)
from twigma.rehydrate.fetch.ordered_writer import OrderedWriter, Row
from twigma.rehydrate.images.decode_memory import MOST_BUFFER, Places, places
from twigma.rehydrate.images.normalize import StoredImage, normalize_image
from twigma.rehydrate.images.shards import SIDECAR

HEARTBEAT_SECONDS = 0.2  # between two signs of life
KEY_DIGITS = 6  # of a row's number in its key, as img2dataset writes it


class Writer(img2dataset.writer.WebDatasetSampleWriter):  # type: ignore[misc]
    """img2dataset's WebDataset writer with names, formats and times that make equal inputs equal bytes."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.buffered_parquet_writer.buffer_size = 1000

    def write(
        self, img_str: bytes | None, key: str, caption: str | None, meta: dict[str, Any]
    ) -> None:
        """Write one row; an image goes to the tar as its `member`, with the row as JSON beside it."""
        if img_str is not None:
            described = json.dumps(meta).encode()
            image = _member(meta["member"], img_str)
            row = _member(f"{meta['image_name']}.json", described)
            self.tar_fd.write(b"".join([*image, *row]))
        self.buffered_parquet_writer.write(meta)


def _member(name: str, data: bytes) -> tuple[bytes, bytes, bytes]:
    """Header, bytes and padding of a tar member: what tarfile writes, in a tenth of its time."""
    encoded = name.encode("ascii")
    if len(encoded) > NAME_BYTES:
        raise ValueError(
            f"expected a name of at most {NAME_BYTES} bytes, found {name!r}"
        )
    size = b"%011o" % len(data)
    header = bytearray(_HEADER)
    header[: len(encoded)] = encoded
    header[_SIZE] = size
    header[_CHECKSUM] = b"%06o" % (_CHECKSUM_BEFORE + sum(encoded) + sum(size))
    padding = bytes(-len(data) % tarfile.BLOCKSIZE)
    return bytes(header), data, padding


def _empty_header() -> bytes:
    member = tarfile.TarInfo()
    member.mode = 0o444
    return member.tobuf(tarfile.USTAR_FORMAT)


def _checksum_before(header: bytes) -> int:
    """The sum of a header's bytes without name and size, those of the checksum itself counted as spaces."""
    spaces = 8 * ord(" ")
    return sum(header) - sum(header[148:156]) - sum(header[_SIZE]) + spaces


# Fields of a header of POSIX 1003.1 (ustar): digits, without the byte that ends them.
NAME_BYTES = 100
_SIZE = slice(124, 135)
_CHECKSUM = slice(148, 154)
_HEADER = _empty_header()
_CHECKSUM_BEFORE = _checksum_before(_HEADER)


class Downloader(img2dataset.downloader.Downloader):  # type: ignore[misc]
    """Fetches one shard: asynchronous, every image checked to its last byte, rows written in the order of the list."""

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
        buffer: int = MOST_BUFFER,
        hosts: int = 1,
    ) -> None:
        super().__init__(
            sample_writer_class=Writer,
            # Its own decodes at half the speed, ignores EXIF and clips 16 bits: see `images/normalize.py`.
            resizer=None,
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
        self.size = size
        self.image_size = image_size
        self.image_base_url = image_base_url
        self.limits = limits
        self.allow = tuple(allow)
        self.gate = gate
        self.buffer = buffer
        self.on_rows: Callable[[int], None] = _ignore
        self.crashing: set[str] = set()  # images that have crashed the decoder
        self.streak = FailureStreak(hosts, limits.pause)
        self.may_stop = True  # when all photos fail alike

    def normalize(self, data: bytes) -> StoredImage:
        """What is stored of an image; BadImage if it is refused."""
        return normalize_image(data, self.image_size)

    def download_shard(self, row: tuple[int, str]) -> None:
        """Fetch a shard (number, Arrow file of image_name and url) into a tar and a sidecar; OSError on a full disk."""
        number, path = row
        with pa.memory_map(path) as source:
            table = pa.ipc.open_file(source).read_all()
            rows = table.select(self.column_list).to_pylist()
        for at, each in enumerate(rows):
            each["key"] = img2dataset.downloader.compute_key(
                at, number, KEY_DIGITS, self.oom_shard_count
            )
        writer = self.sample_writer_class(
            number,
            self.output_folder,
            self.save_caption,
            self.oom_shard_count,
            SIDECAR,
            self.encode_format,
        )

        def write(data: bytes | None, meta: Row) -> None:
            writer.write(data, meta["key"], None, meta)

        ordered = OrderedWriter(
            rows,
            Path(self.output_folder),
            self.normalize,
            write,
            self.crashing,
            held=self.buffer,
            places=self._places(),
            observe=self._observe,
        )
        with ordered:
            asyncio.run(self._fetch(rows, ordered))
        writer.close()
        Path(path).unlink()

    def _observe(self, row: Row) -> None:
        if self.may_stop:
            self.streak.record(row)

    def _places(self) -> Places | None:
        """Places for large images, shared with the other workers of this machine."""
        if self.gate is None:
            return None
        return Places(places(), self.gate.with_name("places"))

    async def _fetch(self, rows: list[Row], ordered: OrderedWriter) -> None:
        """Ask for every row at once, within the client's limits, while a thread checks and writes what has come."""
        client = Client(
            connections=self.thread_count,
            limits=self.limits,
            allow=self.allow,
            gate=self.gate,
            backlog=ordered.backlog,
            unread=self.buffer,
            is_paused=self.streak.is_paused,
        )

        async def fetch_row(at: int, url: str | None) -> None:
            urls = request_urls(url, self.size, self.image_base_url)
            ordered.put(at, await client.get(urls))

        with ThreadPoolExecutor(1) as thread:
            async with client:
                loop = asyncio.get_running_loop()
                writing = loop.run_in_executor(thread, ordered.run)
                tasks = []
                for at, row in enumerate(rows):
                    tasks.append(asyncio.create_task(fetch_row(at, row["url"])))
                heartbeat = asyncio.create_task(self._report_rows(ordered))
                try:
                    await asyncio.gather(writing, *tasks)
                finally:
                    ordered.stop()
                    for task in (heartbeat, *tasks):
                        task.cancel()
        self.on_rows(ordered.new_rows())

    async def _report_rows(self, ordered: OrderedWriter) -> None:
        """Report how many more rows are done, also none: it shows that the loop still turns."""
        while True:
            self.on_rows(ordered.new_rows())
            await asyncio.sleep(HEARTBEAT_SECONDS)


def _ignore(rows: int) -> None:
    return None
