"""Invented metadata as a release has them, and pictures as `twigma rehydrate` leaves them, for who loads both.

Used by `benchmarks/dataset/load.py` and `benchmarks/dataset/streams.py`, and its metadata by
`benchmarks/builder/release.py`; alone it does nothing.
"""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from twigma.core import columns
from twigma.core.files import file_sha256, write_json
from twigma.dataset.tables.table_files import table_name
from twigma.rehydrate.images import shards

FILE_ROWS, ROW_GROUP = 500_000, 50_000
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
