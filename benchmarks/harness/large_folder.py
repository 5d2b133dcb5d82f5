"""A working folder of millions of images, written a shard at a time: what `benchmarks/growth.py` measures stages on.

Ids grow with time as the platform's do, authors post unequally often, likes have a long tail, texts are as long as real
ones. There are no tars: their pictures were freed (`twigma free`). Alone it does nothing.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.harness.embeddings import mixture
from twigma.builder.engine.vectors import as_column
from twigma.core import columns
from twigma.core.files import atomic, file_sha256, write_parquet
from twigma.core.parts import write_part
from twigma.core.workspace import Workspace
from twigma.rehydrate.images import shards

SHARD = 10_000  # photos, of which some were not fetched
FAILED, REPEATED = 0.05, 0.03
COPIED = 0.02  # embeddings that are those of the image before them
FIRST_ID = 1_350_000_000_000_000_000
SPAN = 27 * 30 * 86_400_000 << 22  # of the ids: 27 months
AUTHORS_A_PHOTO = 0.11
WORDS = (
    *("a", "the", "of", "with", "in", "on", "and", "painting", "woman", "man", "hair"),
    *("robot", "castle", "cat", "forest", "sea", "dusk", "portrait", "city", "light"),
    *("dragon", "oil", "canvas", "neon", "river", "garden", "mask", "crown", "storm"),
    *("detailed", "digital", "surreal", "golden", "winter", "ancient"),
)
# The rows are drawn; the NSFW detector reads those of this model only.
MODEL = {"model": "ViT-L-14/openai"}
SETS = {"photographs": 1, "paintings": 2, "prompts": 3}  # which Gaussians each is of


def write_folder(work: Path, rows: int, *, embeddings: bool) -> None:
    """The images table, sidecars and manifests, and the columns of every stage."""
    path = Workspace(work).images_file
    writer: pq.ParquetWriter | None = None
    duplicates: list[pa.Table] = []
    clusters: list[pa.Table] = []
    with atomic(path, private=True) as partial:
        for number, first in enumerate(range(0, rows, SHARD)):
            rng = np.random.default_rng(number)
            photos = min(SHARD, rows - first)
            table = _posts(first, photos, rows, rng)
            if writer is None:
                writer = pq.ParquetWriter(partial, table.schema, compression="zstd")
            writer.write_table(table)
            stored = _write_shard(work, number, table["image_name"], rng)
            if embeddings:
                _write_embeddings(work, number, stored)
            _write_part(
                work,
                "caption",
                number,
                stored,
                all_captions=_texts(len(stored), 9, rng),
            )
            scores = rng.beta(1, 8, len(stored)).astype(np.float32)
            _write_part(work, "nsfw", number, stored, nsfw_score=scores)
            duplicates.append(_repeats(table, rng))
            clusters.append(_clustered(stored, rng))
        assert writer is not None
        writer.close()
    # Of all images, as these stages write theirs.
    _write_whole(work, "dedupe", duplicates)
    _write_whole(work, "cluster", clusters)


def write_reference(work: Path, name: str, rows: int) -> None:
    """A working folder of a reference set, in groups of twenty."""
    names = [f"{name}{number}" for number in range(rows)]
    groups = [
        f"{name} of {number // 20} {'word ' * (number // 20 % 9)}"
        for number in range(rows)
    ]
    table = columns.add(
        pa.table({"id": names, "image_name": names}), group=groups, source=[name] * rows
    )
    write_parquet(work / "images.parquet", table)
    for number, first in enumerate(range(0, rows, SHARD)):
        stored = table["image_name"][first : first + SHARD]
        _write_embeddings(work, number, stored, home=SETS[name])


def _posts(first: int, photos: int, rows: int, rng: np.random.Generator) -> pa.Table:
    """A slice of the images table: one photo in four shares its post with the one before it."""
    numbers = np.arange(first, first + photos)
    own = FIRST_ID + numbers * (SPAN // rows)
    is_second = np.arange(photos) % 4 == 3
    ids = np.where(is_second, own - SPAN // rows, own)
    authors = 10**9 + np.floor(rows * AUTHORS_A_PHOTO * rng.random(photos) ** 2).astype(
        np.int64
    )
    counts = {}
    for name in ("like_count", "quote_count", "reply_count", "retweet_count"):
        counts[name] = rng.lognormal(1, 1.5, photos).astype(np.int32)
    made: dict[str, Any] = {
        "id": pa.array(ids).cast(pa.string()),
        "image_name": pa.array(own + 1).cast(pa.string()),
        "created_at": pa.array((ids >> 22) + 1_288_834_974_657, pa.timestamp("ms")),
        **counts,
        "possibly_sensitive": rng.random(photos) < 0.1,
        "source": ["x"] * photos,
        "author_id": pa.array(authors).cast(pa.string()),
        "follower_count": rng.lognormal(5, 2, photos).astype(np.int64),
        "text": _texts(photos, 24, rng),
    }
    key = pa.table({"id": made.pop("id"), "image_name": made.pop("image_name")})
    return columns.add(key, **made)


def _texts(rows: int, words: int, rng: np.random.Generator) -> pa.Array:
    """Texts of so many words."""
    parts = [
        pa.array(WORDS).take(pa.array(rng.integers(len(WORDS), size=rows)))
        for _ in range(words)
    ]
    return pc.binary_join_element_wise(*parts, " ")


def _write_shard(
    work: Path, number: int, names: pa.ChunkedArray, rng: np.random.Generator
) -> pa.ChunkedArray:
    """Sidecar and manifest of a shard whose pictures were freed; the names of the images that it had."""
    names = names.combine_chunks()
    failed = rng.random(len(names)) < FAILED
    shard = shards.shard_at(work, f"{number:05}")
    shard.sidecar.parent.mkdir(parents=True, exist_ok=True)
    values: dict[str, Any] = {
        "key": names,
        "image_name": names,
        "status": np.where(failed, "not_found", "success"),
        "sha256": pc.if_else(pa.array(failed), None, _hashes(len(names), rng)),
        "width": np.full(len(names), 512),
        "height": np.full(len(names), 512),
    }
    made = []
    for field in shards.SIDECAR:
        if field.name in values:
            made.append(pa.array(values[field.name], field.type))
        else:
            made.append(pa.nulls(len(names), field.type))
    pq.write_table(pa.table(made, schema=shards.SIDECAR), shard.sidecar)
    manifest = shards.Manifest(
        tar=shard.tar.name,
        sha256=shard.name,
        bytes=0,
        sidecar=file_sha256(shard.sidecar),
        rows=len(names),
        samples=int((~failed).sum()),
        freed="2026-01-01",
    )
    shards.write_manifest(shard, manifest)
    return pa.chunked_array([names.filter(pa.array(~failed))])


def _write_embeddings(
    work: Path, number: int, names: pa.ChunkedArray, home: int = 0
) -> None:
    rows = mixture(len(names), seed=number, home=home).astype(np.float16)
    rng = np.random.default_rng((number, home))
    copied = np.flatnonzero(rng.random(len(rows)) < COPIED)
    rows[copied] = rows[copied - 1]
    values = {"embedding": as_column(rows), "pixel_hash": _hashes(len(rows), rng)}
    _write_part(work, "embed", number, names, **values)


def _hashes(rows: int, rng: np.random.Generator) -> pa.Array:
    """Texts like SHA-256 in hexadecimal, all different."""
    digits = pa.py_buffer(rng.bytes(32 * rows).hex().encode())
    offsets = pa.py_buffer(np.arange(rows + 1, dtype=np.int32) * 64)
    return pa.StringArray.from_buffers(rows, offsets, digits)


def _write_part(
    work: Path, stage: str, number: int, names: pa.ChunkedArray, **values: Any
) -> None:
    """A part of a stage that was made from the shard."""
    table = columns.add(pa.table({"image_name": names.combine_chunks()}), **values)
    provenance = MODEL | {"shard": f"{number:05}"}
    write_part(Workspace(work).part(stage, f"{number:05}"), table, provenance)


def _repeats(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """What `dedupe` says of a shard: some images are near duplicates of its first."""
    repeats = rng.random(len(table)) < REPEATED
    first = table["image_name"][0].as_py()
    of = pc.if_else(pa.array(repeats), first, pa.scalar(None, pa.string()))
    reason = pc.if_else(pa.array(repeats), "near", pa.scalar(None, pa.string()))
    return columns.add(
        table.select(["id", "image_name"]), duplicate_of=of, duplicate_reason=reason
    )


def _clustered(names: pa.ChunkedArray, rng: np.random.Generator) -> pa.Table:
    """Labels of ten clusters, and places on the map about their centres."""
    label = rng.integers(1, 11, len(names)).astype(np.int32)
    place = rng.normal(size=(2, len(names))) + 3 * np.stack(
        [np.cos(label), np.sin(label)]
    )
    values = {
        columns.label_column(10): label,
        "UMAP_dim_1": place[0],
        "UMAP_dim_2": place[1],
    }
    return columns.add(pa.table({"image_name": names}), **values)


def _write_whole(work: Path, stage: str, tables: list[pa.Table]) -> None:
    """The one part of a stage over all images."""
    table = pa.concat_tables(tables)
    write_part(Workspace(work).part(stage), table, MODEL | {"rows": len(table)})
