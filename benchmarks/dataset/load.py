"""`load_dataset("twigma")` against the loaders of `datasets` itself, and images by name against unpacked files.

Goals: the metadata, cold, in at most 1.5 times `load_dataset("parquet")` (ours also compares the files with
MANIFEST.json), that is a ratio of at least 0.67; images joined to their metadata at least 1.5 times as fast as
`load_dataset("webdataset")`. That joins nothing: for a stream of equal columns the metadata lie beside each image as
JSON, as img2dataset writes them. Run: `python -m benchmarks.dataset.load`.
"""

import itertools
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

import twigma
from benchmarks.harness.interleaved import versus
from benchmarks.harness.stored_images import (
    synthetic,
    write_metadata_beside,
    write_release,
    write_shards,
)
from twigma.core.workspace import Workspace
from twigma.rehydrate.images.image_index import Images

ROWS, METADATA_ROWS, IMAGES, BY_NAME = 805_650, 50_000, 5_000, 2_000


def compare_metadata(folder: Path) -> None:
    """The whole table, cold."""
    paths = write_release(folder / "twigma", synthetic(ROWS))

    def quality(ours: pa.Table, theirs: pa.Table) -> str:
        size = sum(Path(path).stat().st_size for path in paths) / 1e6
        return f"rows equal: {ours.equals(theirs)} ({len(ours):,}, {size:.0f} MB of Parquet)"

    versus(
        f'load_dataset, {ROWS:,} rows, cold | "parquet"',
        lambda: _load(folder, "twigma", data_dir=str(folder / "twigma")).data.table,
        lambda: _load(folder, "parquet", data_files=paths).data.table,
        quality=quality,
    )


def compare_images(folder: Path) -> None:
    """Images joined to their metadata, against images alone: all of them into a cache, streamed, and by name."""
    table = synthetic(METADATA_ROWS)
    write_release(folder / "twigma", table)
    names = (
        np.random.default_rng(1)
        .permutation(table["image_name"].to_pylist())[:IMAGES]
        .tolist()
    )
    tars = write_shards(folder / "work", names)
    ours = {
        "name": "images",
        "data_dir": str(folder / "twigma"),
        "shards": str(folder / "work"),
    }

    def quality(joined: Any, alone: Any) -> str:
        found = {row["image_name"]: row["image"]["bytes"] for row in joined}
        equal = found == {row["__key__"]: row["jpg"]["bytes"] for row in alone}
        return f"{len(found):,} images, bytes equal: {equal}"

    versus(
        f'images with metadata, {IMAGES:,}, cold | "webdataset"',
        lambda: _raw(_load(folder, "twigma", **ours), "image"),
        lambda: _raw(_load(folder, "webdataset", data_files=tars), "jpg"),
        quality=quality,
    )
    for chosen in (["image_name", "like_count"], table.column_names):
        beside = write_metadata_beside(tars, table.select(chosen), folder)
        compare_streams(folder, ours | {"columns": chosen}, beside)
    compare_by_name(folder, names, tars)


def compare_streams(folder: Path, ours: dict[str, Any], tars: list[str]) -> None:
    """The first epoch, in which each of our tars is hashed, and later ones; the peer's metadata are in its tars."""

    def by_us() -> Any:
        return _raw(_load(folder, "twigma", streaming=True, **ours), "image")

    def by_peer() -> Any:
        rows = _load(folder, "webdataset", streaming=True, data_files=tars)
        return _raw(rows, "jpg")

    def quality(mine: int, other: int) -> str:
        return f"{mine:,} and {other:,} bytes"

    name = f"images, {IMAGES:,}, stream, {1 + len(ours['columns'])} columns"
    versus(
        f'{name} | "webdataset"',
        lambda: _bytes_of(by_us(), "image"),
        lambda: _bytes_of(by_peer(), "jpg"),
        quality=quality,
    )
    mine, theirs = by_us(), by_peer()
    _bytes_of(mine, "image")
    versus(
        f'{name}, later epochs | "webdataset"',
        lambda: _bytes_of(mine, "image"),
        lambda: _bytes_of(theirs, "jpg"),
        quality=quality,
    )


def _raw(rows: Any, column: str) -> Any:
    """The same with encoded images."""
    import datasets

    return rows.cast_column(column, datasets.Image(decode=False))


def _bytes_of(rows: Any, column: str) -> int:
    """Bytes of all images, each dropped at once, as by someone who trains."""
    return sum(len(row[column]["bytes"]) for row in rows)


def compare_by_name(folder: Path, names: list[str], tars: list[str]) -> None:
    """Images in any order: an index of the tars, against the tars unpacked."""
    number = itertools.count()

    def unpack() -> Path:
        files = folder / f"files{next(number)}"
        for path in tars:
            with tarfile.open(path) as tar:
                tar.extractall(files, filter="data")
        return files

    def index() -> Images:
        Workspace(folder / "work").image_index.unlink(missing_ok=True)
        return twigma.open_images(folder / "work")

    versus(
        f"index of {IMAGES:,} images | unpacking",
        index,
        unpack,
        quality=lambda images, _: f"{len(images):,} of them",
    )
    images, files = index(), unpack()
    picked = np.random.default_rng(2).permutation(names)[:BY_NAME].tolist()

    def by_pillow(name: str) -> Any:
        return np.asarray(Image.open(files / f"{name}.jpg").convert("RGB"))

    def quality(ours: int, theirs: int) -> str:
        largest = max(_difference(images.pixels(n), by_pillow(n)) for n in picked[:99])
        return f"{ours:,} and {theirs:,} bytes; largest difference {largest} of 255"

    # Each picture is dropped at once, as by someone who trains: the memory of 2,000 would cost more than decoding them.
    versus(
        f"{BY_NAME:,} images by name, pixels | files, Pillow",
        lambda: sum(images.pixels(name).nbytes for name in picked),
        lambda: sum(by_pillow(name).nbytes for name in picked),
        quality=quality,
    )
    versus(
        f"{BY_NAME:,} images by name, Pillow images | files, Pillow",
        lambda: sum(np.asarray(images[name]).nbytes for name in picked),
        lambda: sum(by_pillow(name).nbytes for name in picked),
        quality=quality,
    )


def _difference(ours: Any, theirs: Any) -> int:
    return int(np.abs(ours - theirs.astype(int)).max())


def _load(folder: Path, builder: str, **where: Any) -> Any:
    import datasets

    cache = tempfile.mkdtemp(dir=folder)  # new, so that the load is cold
    return datasets.load_dataset(builder, split="train", cache_dir=cache, **where)


def main() -> None:
    """Write what is loaded to temporary folders, then print the rows."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "HF_HOME": f"{folder}/hf",
            "HF_HUB_OFFLINE": "1",
        }  # before `datasets` is imported
        import datasets

        datasets.disable_progress_bars()
        compare_metadata(Path(folder, "metadata"))
        compare_images(Path(folder, "images"))


if __name__ == "__main__":
    main()
