"""Stages on a bucket against the same on a local folder, on a loopback S3 (moto, in a process of its own).

Goal: what the network brings, and each tar once. The store answers from Python, at some 100 MB/s: a lower bound. The
last lines are of a mirror that has nothing to do, which every command pays when it begins.
Run: `python -m benchmarks.core.object_store`.
"""

import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
from pyarrow import fs

from benchmarks.harness.interleaved import versus
from benchmarks.harness.photos import write_tars
from twigma.builder.stages.embed import embed_shards
from twigma.core.progress import Verbosity, verbosity
from twigma.core.storage.mirrors import mirrored
from twigma.demo.demo import CLIP
from twigma.rehydrate.sources.own_files.add_images import add_tars

IMAGES, PER_TAR, SIDE = 2000, 250, 512
FILES = 3000  # of the mirror that has nothing to do
WORK = "s3://lab/work"


def main() -> None:
    """Print a row for the stage, and the seconds to open a mirror."""
    place = Path(tempfile.mkdtemp())
    os.environ["TWIGMA_MIRRORS"] = str(place / "mirrors")
    server = _serve()
    try:
        with verbosity(Verbosity.QUIET):
            _embed(place)
            _open()
    finally:
        server.terminate()
        shutil.rmtree(place)


def _serve() -> subprocess.Popen[bytes]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    os.environ["AWS_ACCESS_KEY_ID"] = os.environ["AWS_SECRET_ACCESS_KEY"] = "loopback"
    while True:
        try:
            socket.create_connection(("127.0.0.1", int(port)), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            break
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="lab")
    return server


def _embed(place: Path) -> None:
    (place / "tars").mkdir()
    tars = write_tars(place / "tars", IMAGES, PER_TAR, SIDE)
    size = sum(tar.stat().st_size for tar in tars)
    add_tars(place / "work", tars)
    with mirrored(WORK) as work:
        add_tars(work, tars)
    names = itertools.count()  # each run makes its columns from nothing

    def local() -> int:
        return embed_shards(place / "work", str(CLIP), name=f"r{next(names)}")

    def bucket() -> int:
        with mirrored(WORK) as work:
            return embed_shards(work, str(CLIP), name=f"r{next(names)}")

    bucket()  # the start-up of the model and of the client
    ours, peer = versus(
        f"embed {IMAGES:,} images from a bucket | a folder",
        bucket,
        local,
        quality=lambda *_: f"{size / 1e6:,.0f} MB of tars",
    )
    rates = f"{IMAGES / peer.wall:,.0f} images/s from a folder, {IMAGES / ours.wall:,.0f} from a bucket"
    print(f"{rates} ({size / 1e6 / ours.wall:,.0f} MB/s)")
    store, root = fs.FileSystem.from_uri(f"{WORK}/shards/00000.tar")
    start = time.perf_counter()
    with store.open_input_stream(root) as source:
        data = source.read()
    print(
        f"one tar, read alone: {len(data) / 1e6 / (time.perf_counter() - start):,.0f} MB/s"
    )


def _open() -> None:
    with mirrored("s3://lab/many") as work:
        folder = work / "columns" / "embed"
        folder.mkdir(parents=True)
        for number in range(FILES):
            (folder / f"{number:05}.arrow").write_bytes(b"part")
        start = time.perf_counter()
    print(f"{FILES:,} small files sent in {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    with mirrored("s3://lab/many"):
        pass
    print(
        f"a mirror of {FILES:,} files, nothing to do: {time.perf_counter() - start:.2f} s"
    )


if __name__ == "__main__":
    main()
