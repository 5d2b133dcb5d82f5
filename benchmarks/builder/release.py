"""`twigma release` of a working folder the size of the paper's, and what one removed row costs to upload again.

Goals: 805,650 rows without embeddings in at most 90 s and 3 GB; a removed row changes less than 10 % of what the Hub
stores of the embeddings. The Hub's store cuts files into chunks by content and keeps equal chunks once; so does this
file: a gear hash over 64 bytes, a cut where its top 16 bits are 0, chunks of 8 to 128 KB. There is no peer.
Run: `python -m benchmarks.builder.release`.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

import twigma
from benchmarks.dataset.load import ROWS
from benchmarks.harness.stored_images import synthetic
from twigma.builder.release.release import release
from twigma.core import columns
from twigma.core.files import file_sha256, write_parquet
from twigma.core.parts import write_part
from twigma.rehydrate.images import shards
from twigma.rehydrate.posts.removed_ids import add_removed

PER_SHARD, FAILED, REPEATED = (
    1000,
    0.05,
    0.03,
)  # rows in a shard; shares of photos not fetched and of duplicates
VECTORS, DIM = 200_000, 768  # two files
FIRST, LAST = 8 << 10, 128 << 10  # the shortest and the longest chunk
WINDOW_BITS, CUT = 6, np.uint64(0xFFFF << 48)
BLOCK = 8 << 20
COMMAND = "from twigma.cli import main; main()"


def write_work(work: Path, rows: int, *, embeddings: bool) -> None:
    """What `release` reads of a working folder: the images table, sidecars and manifests, and the stages' columns."""
    rng = np.random.default_rng(0)
    table = synthetic(rows)
    private = {
        "author_id": (10**9 + np.arange(rows) % 90_000).astype(str),
        "follower_count": rng.integers(0, 10_000, rows),
        "text": [f"words of post {i} #aiart #midjourney" for i in range(rows)],
        "url": [f"https://pbs.twimg.com/media/{i}.jpg" for i in range(rows)],
    }
    shown = [
        "id",
        "image_name",
        "created_at",
        "like_count",
        "quote_count",
        "reply_count",
        "retweet_count",
    ]
    write_parquet(
        work / "images.parquet",
        columns.add(table.select([*shown, "possibly_sensitive", "source"]), **private),
    )
    failed = rng.random(rows) < FAILED
    for number, at in enumerate(range(0, rows, PER_SHARD)):
        part = slice(at, at + PER_SHARD)
        write_shard(
            work,
            f"{number:05d}",
            table["image_name"][at : at + PER_SHARD],
            failed[part],
        )
        stored = table.slice(at, PER_SHARD).filter(pa.array(~failed[part]))
        made = (
            {"caption": ["all_captions"], "nsfw": ["nsfw_score"]}
            if not embeddings
            else {}
        )
        for stage, names in made.items():
            _write_part(
                work, stage, f"{number:05d}", stored.select(["image_name", *names])
            )
        if embeddings:
            _write_part(
                work, "embed", f"{number:05d}", _vectors(stored["image_name"], rng)
            )
    stored = table.filter(pa.array(~failed))
    if not embeddings:
        _write_part(
            work,
            "cluster",
            "part",
            stored.select(
                ["image_name", columns.label_column(10), "UMAP_dim_1", "UMAP_dim_2"]
            ),
        )
    _write_part(work, "dedupe", "part", _duplicates(table, rng))


def write_shard(
    work: Path, name: str, images: pa.ChunkedArray, failed: npt.NDArray[np.bool_]
) -> None:
    """Sidecar and manifest; `release` opens no tar."""
    shard = shards.shard_at(work, name)
    shard.sidecar.parent.mkdir(parents=True, exist_ok=True)
    status = np.where(failed, "not_found", "success")
    values = {
        "key": images,
        "image_name": images,
        "status": status,
        "width": [512] * len(images),
    }
    values["height"] = values["width"]
    made = [
        pa.array(values[f.name], f.type)
        if f.name in values
        else pa.nulls(len(images), f.type)
        for f in shards.SIDECAR
    ]
    pq.write_table(pa.table(made, schema=shards.SIDECAR), shard.sidecar)
    manifest = shards.Manifest(
        tar=shard.tar.name,
        sha256=name,
        bytes=0,
        sidecar=file_sha256(shard.sidecar),
        rows=len(images),
        samples=int((~failed).sum()),
    )
    shards.write_manifest(shard, manifest)


def _write_part(work: Path, stage: str, name: str, table: pa.Table) -> None:
    write_part(
        work / "columns" / stage / f"{name}.arrow",
        table,
        {"model": "a model", "part": name},
    )


def _vectors(images: pa.ChunkedArray, rng: np.random.Generator) -> pa.Table:
    rows = rng.standard_normal((len(images), DIM), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    flat = pa.array(rows.astype(np.float16).ravel())
    return pa.table(
        {
            "image_name": images,
            "embedding": pa.FixedSizeListArray.from_arrays(flat, DIM),
        }
    )


def _duplicates(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    names = table["image_name"].to_pylist()
    repeats = rng.random(len(names)) < REPEATED
    of = pa.array([names[0] if each else None for each in repeats], pa.string())
    reason = pa.array(["pixels" if each else None for each in repeats], pa.string())
    return (
        table.select(["id", "image_name"])
        .append_column("duplicate_of", of)
        .append_column("duplicate_reason", reason)
    )


# ----------------------------------------------------------------- chunks


def chunks(path: Path) -> dict[bytes, int]:
    """The chunks of a file: size by SHA-256."""
    data = path.read_bytes()
    ends, start = [], 0
    for end in [*_candidates(data), len(data)]:
        while end - start > LAST:
            start += LAST
            ends.append(start)
        if end - start >= FIRST or end == len(data):
            ends.append(end)
            start = end
    starts = [0, *ends[:-1]]
    return {
        hashlib.sha256(data[a:b]).digest(): b - a
        for a, b in zip(starts, ends, strict=True)
    }


def _candidates(data: bytes) -> list[int]:
    """Where the gear hash of the 64 bytes before asks for a cut: sum of table[byte] << age, built up by doubling."""
    table = np.random.default_rng(0).integers(0, 2**64, 256, np.uint64)
    found = []
    for at in range(0, len(data), BLOCK):
        first = max(0, at - (1 << WINDOW_BITS))
        hashed = table[np.frombuffer(data, np.uint8)[first : at + BLOCK]]
        for bit in range(WINDOW_BITS):
            age = 1 << bit
            hashed[age:] += hashed[:-age] << np.uint64(age)
        cut = np.flatnonzero((hashed[at - first :] & CUT) == 0) + at + 1
        found += cut.tolist()
    return found


def changed(old: Path, new: Path) -> tuple[int, int]:
    """Bytes of the new embeddings that are in no chunk of the old ones, and all bytes."""
    before, after = (_all_chunks(folder) for folder in (old, new))
    return sum(size for chunk, size in after.items() if chunk not in before), sum(
        after.values()
    )


def _all_chunks(folder: Path) -> dict[bytes, int]:
    return {
        chunk: size
        for path in sorted(folder.glob("embeddings-*.parquet"))
        for chunk, size in chunks(path).items()
    }


# ------------------------------------------------------------------- rows


def measure_release(folder: Path) -> None:
    """Wall time and peak memory of the command, in a process of its own."""
    write_work(folder / "work", ROWS, embeddings=False)
    options = [
        "release",
        "--work",
        str(folder / "work"),
        "--out",
        str(folder / "twigma"),
        "--without",
        "embed",
    ]
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *options], stdout=subprocess.DEVNULL
    ) as process:
        _, code, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(code)
    wall, cpu = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    if process.returncode:
        raise RuntimeError(f"twigma release ended with {process.returncode}")
    size = sum(
        path.stat().st_size for path in (folder / "twigma").rglob("*") if path.is_file()
    )
    rows = sum(
        pq.read_metadata(path).num_rows
        for path in (folder / "twigma").glob("metadata-*.parquet")
    )
    print(
        f"release of {ROWS:,} photos, no embeddings: {wall:.1f} s ({cpu:.1f} s of CPU), "
        f"peak {usage.ru_maxrss / 1e6:.2f} GB; {rows:,} rows, {size / 1e6:.0f} MB",
        flush=True,
    )


def measure_removal(folder: Path) -> None:
    """What is new to the Hub after one row, and then two more, were taken out of the embeddings."""
    write_work(folder / "work", VECTORS, embeddings=True)
    without: Any = ("caption", "nsfw", "cluster")
    release(folder / "work", folder / "v0", without=without)
    released = twigma.open_release(folder / "v0").metadata
    kept = released["image_name"].to_pylist()
    removed = ([len(kept) // 3], [5, len(kept) // 2])
    for number, rows in enumerate(removed, 1):
        names = [kept[row] for row in rows]
        add_removed(folder / "work", names)
        release(folder / "work", folder / f"v{number}", without=without)
        new, total = changed(folder / f"v{number - 1}", folder / f"v{number}")
        print(
            f"{len(names)} of {len(kept):,} rows removed: {new / 1e6:.1f} of {total / 1e6:.0f} MB of embeddings are "
            f"new to the Hub ({new / total:.1%})",
            flush=True,
        )


def main() -> None:
    """Make the folders in a temporary one, then print the rows."""
    with tempfile.TemporaryDirectory() as folder:
        measure_release(Path(folder, "whole"))
        measure_removal(Path(folder, "vectors"))


if __name__ == "__main__":
    main()
