"""A stream of images for training, `twigma.stream_images`, against webdataset and litData.

All give pixels and a name, in one process. Ours compares every image with its SHA-256; the peers compare nothing.
litData first writes all of it again, into chunks of its own, which is not timed. It asks for other versions of what
we pin: `pip install litdata` into an environment of its own, or leave its rows out.
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
import webdataset

import twigma
from benchmarks.dataset.load import IMAGES, synthetic, write_release, write_shards
from benchmarks.harness.interleaved import versus
from twigma.rehydrate.images.shards import list_shards, read_images

CHUNK = "64MB"  # as litData's documentation has it


def by_webdataset(tars: list[str], shuffle: int) -> int:
    """Bytes of pixels of all images."""
    stream = webdataset.WebDataset(tars, shardshuffle=len(tars) if shuffle else 0)
    pixels = stream.shuffle(shuffle).decode("rgb8").to_tuple("jpg", "__key__")
    return sum(image.nbytes for image, _ in pixels)


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


def rows_of_litdata(folder: str, shuffle: bool) -> Iterator[dict[str, Any]]:
    """Name and pixels of all images; decoded by torchvision, which litData itself uses for JPEGs."""
    import torch
    from torchvision.io import decode_jpeg

    litdata = importlib.import_module("litdata")
    for row in litdata.StreamingDataset(folder, shuffle=shuffle):
        encoded = torch.from_numpy(np.frombuffer(bytearray(row["image"]), np.uint8))
        yield {"image": decode_jpeg(encoded), "image_name": row["name"]}


def by_litdata(folder: str, shuffle: bool) -> int:
    """Bytes of pixels of all images, each held until the next is there, as ours are."""
    return sum(row["image"].nbytes for row in rows_of_litdata(folder, shuffle))


def main() -> None:
    """Write the images to a temporary folder, then print the rows."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = synthetic(IMAGES)
        write_release(folder / "twigma", table)
        work = folder / "work"
        tars = write_shards(work, table["image_name"].to_pylist())

        def ours(shuffle: bool) -> int:
            release = str(folder / "twigma")
            stream = twigma.stream_images(work, data_dir=release, shuffle=shuffle)
            return sum(row["image"].nbytes for row in stream)

        peers: dict[str, Callable[[bool], int]] = {
            "webdataset": lambda shuffle: by_webdataset(tars, 1000 if shuffle else 0)
        }
        if importlib.util.find_spec("litdata"):
            chunks = write_chunks(work, folder / "chunks")
            peers["litData"] = lambda shuffle: by_litdata(chunks, shuffle)
        for peer, stream in peers.items():
            for shuffle in (False, True):
                order = "shuffled" if shuffle else "in order"
                versus(
                    f"{IMAGES:,} pictures {order} | {peer}",
                    lambda: ours(shuffle),  # noqa: B023 - called before the next round
                    lambda: stream(shuffle),  # noqa: B023
                    quality=lambda mine, other: f"{mine:,} and {other:,} bytes",
                )


if __name__ == "__main__":
    main()
