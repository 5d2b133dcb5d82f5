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

from twigma.rehydrate.fetch.http_client import (
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

BEAT_SECONDS = 0.2  # between two signs of life


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
            parts = [
                *_member(meta["member"], img_str),
                *_member(f"{meta['image_name']}.json", described),
            ]
            self.tar_fd.write(b"".join(parts))
        self.buffered_parquet_writer.write(meta)


def _member(name: str, data: bytes) -> tuple[bytes, bytes, bytes]:
    """Header, bytes and padding of a tar member: what tarfile writes, in a tenth of its time."""
    named, size = name.encode("ascii"), b"%011o" % len(data)
    if len(named) > NAME_BYTES:
        raise ValueError(
            f"expected a name of at most {NAME_BYTES} bytes, found {name!r}"
        )
    header = bytearray(_HEADER)
    header[: len(named)], header[124:135] = named, size
    header[148:154] = b"%06o" % (_SUM + sum(named) + sum(size))
    return bytes(header), data, bytes(-len(data) % tarfile.BLOCKSIZE)


def _empty_header() -> bytes:
    member = tarfile.TarInfo()
    member.mode = 0o444
    return member.tobuf(tarfile.USTAR_FORMAT)


NAME_BYTES = 100
_HEADER = _empty_header()
_SUM = sum(_HEADER) - sum(_HEADER[148:156]) + 8 * ord(" ") - sum(_HEADER[124:135])


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
        buffer: int = MOST_BUFFER,
    ) -> None:
        super().__init__(
            sample_writer_class=Writer,
            resizer=None,  # its own decodes everything twice as slowly, ignores EXIF and clips 16 bits: see keep.py
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
        self.size, self.image_size, self.image_base_url, self.limits = (
            size,
            image_size,
            image_base_url,
            limits,
        )
        self.allow, self.gate, self.buffer = tuple(allow), gate, buffer
        self.on_rows: Callable[[int], None] = _nothing
        self.condemned: set[str] = set()

    def keep(self, data: bytes) -> StoredImage:
        """What is stored of an image; BadImage if it is refused."""
        return normalize_image(data, self.image_size)

    def download_shard(self, row: tuple[int, str]) -> None:
        """Fetch a shard (number, Arrow file of image_name and url) into a tar and a sidecar; OSError on a full disk."""
        number, path = row
        with pa.memory_map(path) as source:
            rows = (
                pa.ipc.open_file(source).read_all().select(self.column_list).to_pylist()
            )
        for at, each in enumerate(rows):
            each["key"] = img2dataset.downloader.compute_key(
                at, number, 6, self.oom_shard_count
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

        folder, places = Path(self.output_folder), self._places()
        finishing = OrderedWriter(
            rows,
            folder,
            self.keep,
            write,
            self.condemned,
            held=self.buffer,
            places=places,
        )
        with finishing as finisher:
            asyncio.run(self._fetch(rows, finisher))
        writer.close()
        Path(path).unlink()

    def _places(self) -> Places | None:
        """Places for large images, shared with the other workers of this machine."""
        return (
            None
            if self.gate is None
            else Places(places(), self.gate.with_name("places"))
        )

    async def _fetch(self, rows: list[Row], finisher: OrderedWriter) -> None:
        client = Client(
            connections=self.thread_count,
            limits=self.limits,
            allow=self.allow,
            gate=self.gate,
            backlog=finisher.backlog,
            unread=self.buffer,
        )

        async def one(at: int, url: str | None) -> None:
            finisher.put(
                at, await client.get(request_urls(url, self.size, self.image_base_url))
            )

        with ThreadPoolExecutor(1) as thread:
            async with client:
                finishing = asyncio.get_running_loop().run_in_executor(
                    thread, finisher.run
                )
                tasks = [
                    asyncio.create_task(one(at, row["url"]))
                    for at, row in enumerate(rows)
                ]
                beat = asyncio.create_task(self._beat(finisher))
                try:
                    await asyncio.gather(finishing, *tasks)
                finally:
                    finisher.stop()
                    for task in (beat, *tasks):
                        task.cancel()
        self.on_rows(finisher.news())

    async def _beat(self, finisher: OrderedWriter) -> None:
        """Say again and again how many more rows are done, if only to show that the loop still turns."""
        while True:
            self.on_rows(finisher.news())
            await asyncio.sleep(BEAT_SECONDS)


def _nothing(rows: int) -> None:
    return None
