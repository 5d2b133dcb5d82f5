"""A stream of images for training, `twigma.stream_images`, against webdataset and litData.

All give pixels and a name, in one process, in which ours decodes by threads, or by the two workers of a DataLoader.
Ours compares every image with its SHA-256; the peers compare nothing.
litData first writes all of it again, into chunks of its own, which is not timed. We do not pin it:
`pip install litdata` first, or its rows are left out.
Goal: at least 1.5 times webdataset, and at least as fast as litData. Run: `python -m benchmarks.dataset.streams`.
"""

import importlib
import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import webdataset
from torch.utils.data import DataLoader, IterableDataset
from torchvision.io import decode_jpeg

import twigma
from benchmarks.dataset.load import IMAGES
from benchmarks.harness.interleaved import versus
from benchmarks.harness.stored_images import synthetic, write_release, write_shards
from twigma.rehydrate.images.shards import list_shards, read_images

CHUNK = "64MB"  # as litData's documentation has it
SHUFFLED = 1000  # images that webdataset mixes
WORKERS = 2


def webdataset_stream(tars: list[str], shuffle: bool) -> Any:
    """Name and pixels of all images."""
    stream = webdataset.WebDataset(tars, shardshuffle=len(tars) if shuffle else 0)
    pixels = stream.shuffle(SHUFFLED if shuffle else 0).decode("rgb8")
    return pixels.rename(image="jpg", image_name="__key__")


def write_chunks(work: Path, folder: Path) -> str:
    """The images of a working folder as litData keeps them."""
    litdata = importlib.import_module("litdata")
    inputs = [shard.name for shard in list_shards(work)]
    litdata.optimize(
        fn=_Samples(work),
        inputs=inputs,
        output_dir=str(folder),
        chunk_bytes=CHUNK,
        num_workers=1,
    )
    return str(folder)


class _Samples:
    """The images of the shard of a name, for litData, which sends it to a process of its own."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def __call__(self, name: str) -> Any:
        shard = {one.name: one for one in list_shards(self.work)}[name]
        for block in read_images(shard):
            names = block["image_name"].to_pylist()
            for key, data in zip(names, block["image"].to_pylist(), strict=True):
                yield {"name": key, "image": data}


class LitDataStream(IterableDataset[Any]):
    """Name and pixels of all images; decoded by torchvision, which litData itself uses for JPEGs."""

    def __init__(self, folder: str, shuffle: bool) -> None:
        litdata = importlib.import_module("litdata")
        self.stored = litdata.StreamingDataset(folder, shuffle=shuffle)

    def __iter__(self) -> Iterator[Any]:
        for row in self.stored:
            encoded = torch.from_numpy(np.frombuffer(bytearray(row["image"]), np.uint8))
            yield {"image": decode_jpeg(encoded), "image_name": row["name"]}


def bytes_of(stream: Any) -> int:
    """Bytes of pixels of all images, each held until the next is there."""
    return sum(row["image"].nbytes for row in stream)


def with_workers(stream: Any) -> Any:
    """The same by processes that send pixels through shared memory; forked, as litData has them spawned."""
    return DataLoader(
        stream,
        batch_size=None,
        num_workers=WORKERS,
        multiprocessing_context="fork",
    )


def main() -> None:
    """Write the images to a temporary folder, then print the rows."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = synthetic(IMAGES)
        write_release(folder / "twigma", table)
        work = folder / "work"
        tars = write_shards(work, table["image_name"].to_pylist())

        def ours(shuffle: bool) -> Any:
            release = str(folder / "twigma")
            return twigma.stream_images(work, data_dir=release, shuffle=shuffle)

        peers: dict[str, Callable[[bool], Any]] = {
            "webdataset": lambda shuffle: webdataset_stream(tars, shuffle)
        }
        if importlib.util.find_spec("litdata"):
            chunks = write_chunks(work, folder / "chunks")
            peers["litData"] = lambda shuffle: LitDataStream(chunks, shuffle)
        for peer, theirs in peers.items():
            compare_with(peer, ours, theirs)


def compare_with(
    peer: str, ours: Callable[[bool], Any], theirs: Callable[[bool], Any]
) -> None:
    """In order and shuffled in one process, then shuffled by workers; both make a stream, shuffled or not."""
    compare("in order", peer, lambda: ours(False), lambda: theirs(False))
    compare("shuffled", peer, lambda: ours(True), lambda: theirs(True))
    compare(
        f"shuffled, {WORKERS} workers",
        peer,
        lambda: with_workers(ours(True)),
        lambda: with_workers(theirs(True)),
    )


def compare(
    order: str, peer: str, ours: Callable[[], Any], theirs: Callable[[], Any]
) -> None:
    """Print the row of two streams, each opened anew for every round."""
    versus(
        f"{IMAGES:,} pictures {order} | {peer}",
        lambda: bytes_of(ours()),
        lambda: bytes_of(theirs()),
        quality=lambda mine, other: f"{mine:,} and {other:,} bytes",
    )


if __name__ == "__main__":
    main()
