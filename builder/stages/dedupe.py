"""Find rows that repeat an earlier one and say why; nothing is dropped here. Run by `twigma dedupe`.

The paper's two steps (section 2.2), then two more, each its own reason, the first that applies:

- `media_id`: the same media id on a later post;
- `embedding`: another media id, byte-identical embedding;
- `pixels`: identical decoded pixels (or, undecoded, identical stored bytes);
- `near`: cosine of the embeddings at least `near`, through any chain of such pairs.

Of each group the row with the smallest (created_at, id, image_name) stays. `twigma release` drops the repeats; it
can keep those of reason `near`, and the paper's own numbers are those of the first two reasons (`PAPER`).
"""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.engine.vectors import Indices, Vectors, read_vectors
from twigma.builder.stages.identical_rows import earliest, identical
from twigma.builder.stages.near_duplicates import near_groups
from twigma.core import columns
from twigma.core.parts import part_is_current, read_part, read_parts, write_part
from twigma.core.stage import stage
from twigma.core.workspace import Workspace
from twigma.rehydrate.images.shards import read_sidecars

PAPER = ("media_id", "embedding")  # what the paper removes
REASONS = (*PAPER, "pixels", "near")
NEAR = 0.995  # re-encoded and resized copies lie above, other images of the same prompt mostly below
ORDER = ("created_at", "id", "image_name")


def dedupe(work: Path, near: float | None = NEAR) -> dict[str, int]:
    """Write `columns/dedupe` (id, image_name, duplicate_of, duplicate_reason); rows per reason, and `kept`.

    `near=None` leaves near duplicates unsearched. Done again only when images, embeddings, shards or `near` changed.
    """
    images = Workspace(work).table().select(list(ORDER))
    vectors, marks = read_vectors(work)
    stored = _stored(work)
    made_from = {
        "near": near,
        "embed": marks,
        "images": _digest(images),
        "stored": _digest(stored),
    }
    path = work / "columns" / "dedupe" / "all.arrow"
    if not part_is_current(path, made_from):
        marked = mark(images, vectors, stored, near)
        write_part(
            path,
            marked.select([*columns.KEY, "duplicate_of", "duplicate_reason"]),
            made_from,
        )
    return counts(read_part(path))


def counts(table: pa.Table) -> dict[str, int]:
    """Rows per reason in order, then `kept`."""
    found = {
        pair["values"]: pair["counts"]
        for pair in pc.value_counts(table["duplicate_reason"]).to_pylist()
    }
    return {reason: found.get(reason, 0) for reason in REASONS} | {
        "kept": found.get(None, 0)
    }


@stage(reads=ORDER, adds=("duplicate_of", "duplicate_reason"))
def mark(
    images: pa.Table, vectors: Vectors, stored: pa.Table, near: float | None = NEAR
) -> pa.Table:
    """`images` with `duplicate_of` and `duplicate_reason`, rows in order.

    `stored` holds image_name and a `digest` that equal pixels share. `duplicate_of` names the image that stays at
    the step of the reason: it may itself repeat another one for a later reason.
    """
    rank = _rank(images)
    codes = images["image_name"].combine_chunks().dictionary_encode()
    names, image_of = codes.dictionary, codes.indices.to_numpy().astype(np.int64)
    first = earliest(image_of, rank)
    repeated = first != np.arange(len(images))
    image_rank = np.empty(len(names), np.int64)
    image_rank[image_of] = rank[first]
    target, reason = _images(names, image_rank, vectors, stored, near)
    of = np.where(repeated, image_of, target[image_of])
    why = np.where(repeated, 0, reason[image_of])
    kept = why < 0
    return columns.add(
        images,
        duplicate_of=names.take(pa.array(of, mask=kept)),
        duplicate_reason=pa.array(REASONS).take(pa.array(why, mask=kept)),
    )


def _images(
    names: pa.Array,
    rank: Indices,
    vectors: Vectors,
    stored: pa.Table,
    near: float | None,
) -> tuple[Indices, Indices]:
    """For each image the one it repeats and the place of the reason in REASONS; itself and -1 where it stays."""
    target, reason = np.arange(len(names)), np.full(len(names), -1)

    def step(place: int, rows: Indices, groups: Indices) -> None:
        stays = rows[earliest(groups, rank[rows])]
        gone = stays != rows
        target[rows[gone]], reason[rows[gone]] = stays[gone], place

    def open_rows(having: npt.NDArray[np.bool_]) -> Indices:
        return np.flatnonzero(having & (reason < 0))

    embedded, vector = _find(names, vectors.names)
    rows = open_rows(embedded)
    step(1, rows, identical(vectors)[vector[rows]])
    known, place = _find(names, stored["image_name"].combine_chunks())
    rows = open_rows(known)
    digests = stored["digest"].combine_chunks().dictionary_encode().indices.to_numpy()
    step(2, rows, digests[place[rows]].astype(np.int64))
    rows = open_rows(embedded)
    if near is not None and len(rows):
        step(3, rows, near_groups(vectors, vector[rows], near))
    return target, reason


def _find(names: pa.Array, among: pa.Array) -> tuple[npt.NDArray[np.bool_], Indices]:
    """Which names are `among` these, and where."""
    place = pc.index_in(names, value_set=among)
    return np.asarray(place.is_valid()), place.fill_null(0).to_numpy().astype(np.int64)


def _rank(images: pa.Table) -> Indices:
    """Place of each row in the order of (created_at, id, image_name); rows without a date come last."""
    order = pc.sort_indices(
        images, sort_keys=[(name, "ascending") for name in ORDER]
    ).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


# ------------------------------------------------------------------ inputs


def _stored(work: Path) -> pa.Table:
    """image_name and `digest`: the pixel hash where an image was decoded, else the hash of its stored bytes."""
    table = read_sidecars(work).select(["image_name", "sha256"])
    table = table.filter(table["sha256"].is_valid())
    pixels = read_parts(work / "columns" / "embed")
    if "pixel_hash" in pixels.column_names:
        table = columns.join(table, pixels.select(["image_name", "pixel_hash"]))
        table = table.set_column(
            1, "sha256", pc.coalesce(table["pixel_hash"], table["sha256"])
        )
    return table.select(["image_name", "sha256"]).rename_columns(
        ["image_name", "digest"]
    )


def _digest(table: pa.Table) -> str:
    """SHA-256 of a table's values, whatever the chunks it is stored in."""
    table = table.replace_schema_metadata().combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()
