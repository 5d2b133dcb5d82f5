"""`load_dataset("twigma")` against the loaders of `datasets` itself, and images by name against unpacked files.

Goals: the metadata, cold, in at most 1.5 times `load_dataset("parquet")` (ours also compares the files with
MANIFEST.json), that is a ratio of at least 0.67; images joined to their metadata at least 1.5 times as fast as
`load_dataset("webdataset")`. That joins nothing: for a stream of equal columns the metadata lie beside each image as
JSON, as img2dataset writes them. Run: `python -m benchmarks.dataset.load`.
"""

import hashlib
import io
import itertools
import json
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import twigma
from benchmarks.harness.interleaved import versus
from twigma.core import columns
from twigma.core.files import file_sha256, write_json
from twigma.core.workspace import Workspace
from twigma.dataset.table_files import table_name
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.image_index import Images

ROWS, FILE_ROWS, ROW_GROUP = 805_650, 500_000, 50_000
METADATA_ROWS, IMAGES, BY_NAME = 50_000, 5_000, 2_000
SIDE = 512  # pixels, what most generators drew; about 60 KB each
FIRST_ID = 1_350_000_000_000_000_000
WORDS = (
    "a",
    "the",
    "of",
    "with",
    "in",
    "painting",
    "woman",
    "man",
    "hair",
    "robot",
    "castle",
    "cat",
    "forest",
)


def synthetic(rows: int) -> pa.Table:
    """Metadata of so many images: ids and counts like the published ones, captions of eight words, a tenth null."""
    rng = np.random.default_rng(0)
    ids = FIRST_ID + np.cumsum(rng.integers(1, 2**38, rows))
    captions = [
        " ".join(words)
        for words in np.array(WORDS)[rng.integers(len(WORDS), size=(rows, 8))]
    ]
    values: dict[str, Any] = {
        "id": ids.astype(str),
        "image_name": (ids - rng.integers(1, 2**30, rows)).astype(str),
        "created_at": (ids >> 22) + 1_288_834_974_657,
        "all_captions": captions,
        columns.label_column(10): rng.integers(1, 11, rows),
        "possibly_sensitive": rng.random(rows) < 0.1,
        "source": np.full(rows, "x"),
    }
    made = {
        name: values.get(name, rng.lognormal(1, 1.5, rows)) for name in columns.METADATA
    }
    unknown = rng.random(rows) < 0.1
    arrays = [_column(name, column, unknown) for name, column in made.items()]
    return pa.table(arrays, schema=columns.schema(columns.METADATA))


def _column(name: str, values: Any, unknown: Any) -> pa.Array:
    mask = None if name in ("id", "image_name", "created_at", "source") else unknown
    return pa.array(values, mask=mask).cast(columns.COLUMNS[name].type, safe=False)


def write_release(folder: Path, table: pa.Table) -> list[str]:
    """The files of a release that the loader reads: metadata and MANIFEST.json."""
    paths = []
    for number, at in enumerate(range(0, len(table), FILE_ROWS)):
        paths.append(folder / table_name("metadata", number, 2))
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            table.slice(at, FILE_ROWS),
            paths[-1],
            compression="zstd",
            row_group_size=ROW_GROUP,
        )
    files = {
        p.name: {"bytes": p.stat().st_size, "sha256": file_sha256(p)} for p in paths
    }
    write_json(
        folder / "MANIFEST.json",
        {"dataset": "twigma", "version": "1.0.0", "files": files},
    )
    return [str(path) for path in paths]


def write_shards(work: Path, names: list[str]) -> list[str]:
    """Five shards of JPEGs of 512 pixels, all different, as `twigma rehydrate` leaves them; their tars."""
    picture, tars = _picture(), []
    for number in range(5):
        shard, attempt = shards.shard_at(work, f"{number:05d}"), work / "attempt"
        attempt.mkdir(parents=True)
        shard.tar.parent.mkdir(exist_ok=True)
        rows = []
        with tarfile.open(
            attempt / shard.tar.name, "w", format=tarfile.USTAR_FORMAT
        ) as tar:
            for name in names[number::5]:
                data, member = picture + name.encode(), tarfile.TarInfo(f"{name}.jpg")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
                rows.append(
                    {
                        "key": name,
                        "image_name": name,
                        "status": "success",
                        "member": member.name,
                    }
                )
                rows[-1] |= {"sha256": hashlib.sha256(data).hexdigest()}
        pq.write_table(
            pa.Table.from_pylist(rows, schema=shards.SIDECAR),
            attempt / shard.sidecar.name,
        )
        shards.publish(attempt, shard, {})
        attempt.rmdir()
        tars.append(str(shard.tar))
    return tars


def _picture() -> bytes:
    coarse, buffer = (
        np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8),
        io.BytesIO(),
    )
    Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(
        buffer, "JPEG", quality=80
    )
    return buffer.getvalue()


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

    def raw(rows: Any, column: str) -> Any:
        return rows.cast_column(column, datasets.Image(decode=False))

    import datasets

    versus(
        f'images with metadata, {IMAGES:,}, cold | "webdataset"',
        lambda: raw(_load(folder, "twigma", **ours), "image"),
        lambda: raw(_load(folder, "webdataset", data_files=tars), "jpg"),
        quality=quality,
    )
    for chosen in (["image_name", "like_count"], table.column_names):
        beside = write_metadata_beside(tars, table.select(chosen), folder)

        def ours_streamed(chosen: Any = chosen) -> Any:
            rows = _load(folder, "twigma", streaming=True, columns=chosen, **ours)
            return raw(rows, "image")

        def peer_streamed(files: Any = beside) -> Any:
            rows = _load(folder, "webdataset", streaming=True, data_files=files)
            return raw(rows, "jpg")

        name = f"images, {IMAGES:,}, stream, {1 + len(chosen)} columns"
        versus(
            f'{name} | "webdataset"',
            lambda: _bytes_of(ours_streamed(), "image"),
            lambda: _bytes_of(peer_streamed(), "jpg"),
            quality=lambda mine, other: f"{mine:,} and {other:,} bytes",
        )
        mine, theirs = ours_streamed(), peer_streamed()
        # The first epoch, in which each tar is hashed.
        _bytes_of(mine, "image")
        versus(
            f'{name}, later epochs | "webdataset"',
            lambda: _bytes_of(mine, "image"),  # noqa: B023
            lambda: _bytes_of(theirs, "jpg"),  # noqa: B023
            quality=lambda mine, other: f"{mine:,} and {other:,} bytes",
        )
    compare_by_name(folder, names, tars)


def write_metadata_beside(tars: list[str], table: pa.Table, folder: Path) -> list[str]:
    """The same tars with the row of each image as JSON beside it."""
    rows = {row["image_name"]: row for row in table.to_pylist()}
    target = folder / f"json{len(table.column_names)}"
    target.mkdir()
    written = []
    for path in tars:
        written.append(str(target / Path(path).name))
        with (
            tarfile.open(path) as images,
            tarfile.open(written[-1], "w", format=tarfile.USTAR_FORMAT) as both,
        ):
            for member in images:
                both.addfile(member, images.extractfile(member))
                key = Path(member.name).stem
                data = json.dumps(rows[key], default=str).encode()
                beside = tarfile.TarInfo(f"{key}.json")
                beside.size = len(data)
                both.addfile(beside, io.BytesIO(data))
    return written


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
