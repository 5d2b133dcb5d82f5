"""Mark rows that repeat an earlier one, with the reason; nothing is dropped here. Run by `twigma dedupe`.

The paper's two steps, then two more, each its own reason, the first that applies:

- `media_id`: the same media id on a later post;
- `embedding`: another media id, byte-identical embedding;
- `pixels`: identical decoded pixels (or, undecoded, identical stored bytes);
- `near`: cosine of the embeddings at least `near`; it is stored as `duplicate_cosine`.

Each repeat is compared with the row that stays, which is the one with the smallest (created_at, id, image_name).
`twigma release` drops the repeats; it can keep those of reason `near`, and the paper's own numbers are those of the
first two reasons (`PAPER`).
"""

import hashlib
import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.duplicates import near_duplicates
from twigma.builder.duplicates.identical_rows import earliest, identical
from twigma.builder.engine.row_blocks import RowBlocks, row_blocks
from twigma.builder.engine.vectors import Indices, Vectors, read_vectors
from twigma.core import columns
from twigma.core.model_identity import identity
from twigma.core.names import DEFAULT, with_name
from twigma.core.parts import (
    Provenance,
    announce_recreated,
    part_is_current,
    read_part,
    write_part,
)
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.stage import stage
from twigma.core.tables import whole
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.images.shards import read_sidecars

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

REVISION = 2  # raise it when the same images and embeddings get other marks
PAPER = ("media_id", "embedding")  # what the paper removes
REASONS = (*PAPER, "pixels", "near")
# Re-encoded and resized copies have a larger cosine, other images of the same prompt mostly a smaller one.
NEAR = 0.995
ADDS = ("duplicate_of", "duplicate_reason", "duplicate_cosine")

Flags = npt.NDArray[np.bool_]


def dedupe(
    work: AnyWorkspace,
    near: float | None = NEAR,
    *,
    embedding: str = DEFAULT,
    engine: Engine = LOCAL,
) -> dict[str, int]:
    """Write `columns/dedupe` (the key and ADDS); rows per reason, and those without one (see `counts`).

    `near=None` leaves near duplicates unsearched. `embedding` is the name of the embeddings that are compared. Done
    again only when images, embeddings, shards, `near` or the revision of the code changed. On Ray, its nodes search for
    the pairs that can be near, and this process does the rest; same input, same bytes, on either engine.
    FileNotFoundError before there are images and embeddings, RuntimeError while another process does the same or where
    the cluster fails.
    """
    work = Workspace(work)
    with work.lock_stage("dedupe"):
        return _dedupe(work, near, embedding, engine)


def _dedupe(
    work: Workspace, near: float | None, embedding: str, engine: Engine
) -> dict[str, int]:
    embed = with_name("embed", embedding)
    images = work.image_rows(*columns.ORDER)
    vectors, embed_marks = read_vectors(work, embed)
    stored = _stored(work, embed)
    provenance = Provenance(
        code_revision=REVISION,
        near=near,
        embed=embed_marks,
        embedding=identity(work.embedding_model(embedding)),
        images=_digest(images),
        stored=_digest(stored),
    )
    if embedding:
        provenance["embedding_name"] = embedding
    if near is not None:
        provenance["near_revision"] = near_duplicates.REVISION
    path = work.part("dedupe")
    if not part_is_current(path, provenance):
        announce_recreated("dedupe", [(path, provenance)])
        if near is None:
            engine = LOCAL  # nothing for a cluster to do
        with row_blocks(vectors, engine) as blocks:
            marked = mark(images, vectors, stored, near, blocks=blocks)
        added = marked.select([*columns.KEY, *ADDS])
        write_part(path, added, provenance)
    return counts(read_part(path), vectors.names)


def counts(table: pa.Table, embedded: pa.Array) -> dict[str, int]:
    """Rows of a part by reason, in order, then those without a reason.

    Of these, rows of the images in `embedded`, string[n], are `distinct`, and the others `not_compared`: without an
    embedding, nothing of them but media id and stored pixels was.
    """
    counted = pc.value_counts(table["duplicate_reason"]).to_pylist()
    rows = {pair["values"]: pair["counts"] for pair in counted}
    by_reason = {reason: rows.get(reason, 0) for reason in REASONS}
    stays = table["image_name"].filter(table["duplicate_reason"].is_null())
    distinct = pc.sum(pc.is_in(stays, value_set=embedded)).as_py() or 0
    return {
        **by_reason,
        "distinct": distinct,
        "not_compared": len(stays) - distinct,
    }


@stage(reads=columns.ORDER, adds=ADDS)
def mark(
    images: pa.Table,
    vectors: Vectors,
    stored: pa.Table,
    near: float | None = NEAR,
    *,
    blocks: RowBlocks | None = None,
) -> pa.Table:
    """`images` with the columns ADDS, rows in order.

    Parameters
    ----------
    images : a row per photo on a post.
    vectors : the embedded images.
    stored : image_name and a `digest` that images of equal pixels share.
    near : cosine from which two images are near duplicates; None leaves them unsearched.
    blocks : of `vectors`, where near duplicates are searched for: in this process by default.

    Returns
    -------
    `duplicate_of` names the image that stays at the step of the reason: it may itself repeat another one for a later
    reason. Both columns are null where the row stays. `duplicate_cosine` is that of the two embeddings, null for
    all reasons but `near`.
    """
    rank = _rank(images)
    codes = images["image_name"].combine_chunks().dictionary_encode()
    names = codes.dictionary
    image_of_row = codes.indices.to_numpy().astype(np.int64)
    first = earliest(image_of_row, rank)
    is_repost = first != np.arange(len(images))
    image_rank = np.empty(len(names), np.int64)
    image_rank[image_of_row] = rank[first]
    images_repeated = _Images(names, image_rank)
    images_repeated.mark(blocks or RowBlocks(vectors), stored, near)
    target, reason = images_repeated.target, images_repeated.reason
    # A later post of the same image repeats the image itself, whatever that one repeats.
    target = np.where(is_repost, image_of_row, target[image_of_row])
    reason = np.where(is_repost, REASONS.index("media_id"), reason[image_of_row])
    stays = reason < 0
    cosine = images_repeated.cosine[image_of_row]
    is_near = reason == REASONS.index("near")
    return columns.add(
        images,
        duplicate_of=names.take(pa.array(target, mask=stays)),
        duplicate_reason=pa.array(REASONS).take(pa.array(reason, mask=stays)),
        duplicate_cosine=pa.array(cosine, mask=~is_near),
    )


class _Images:
    """Which different images repeat another.

    `target` int64[n] is the image that each one repeats, `reason` int64[n] the place of its reason in REASONS; itself
    and -1 where it stays; `cosine` float32[n] that of their embeddings where the reason is `near`.
    """

    def __init__(self, names: pa.Array, rank: Indices) -> None:
        self.names = names
        self.rank = rank
        self.target = np.arange(len(names))
        self.reason = np.full(len(names), -1)
        self.cosine = np.full(len(names), np.nan, np.float32)

    def mark(self, blocks: RowBlocks, stored: pa.Table, near: float | None) -> None:
        """Take the reasons one after the other: an image that has one is not compared any more."""
        vectors = blocks.vectors
        embedded, vector = _places(self.names, vectors.names)
        rows = self._unmarked(embedded)
        self._mark_groups("embedding", rows, identical(vectors)[vector[rows]])

        decoded, place = _places(self.names, stored["image_name"].combine_chunks())
        rows = self._unmarked(decoded)
        digests = whole(stored["digest"]).dictionary_encode()
        groups = digests.indices.to_numpy()[place[rows]].astype(np.int64)
        self._mark_groups("pixels", rows, groups)

        rows = self._unmarked(embedded)
        if near is not None and len(rows):
            original, cosine = near_duplicates.near_repeats(
                vectors, vector[rows], self.rank[rows], near, blocks=blocks
            )
            self.cosine[rows] = cosine
            self._mark_repeats("near", rows, rows[original])

    def _unmarked(self, among: Flags) -> Indices:
        return np.flatnonzero(among & (self.reason < 0))

    def _mark_groups(self, reason: str, rows: Indices, groups: Indices) -> None:
        """Of each group of these rows mark all but the earliest."""
        original = rows[earliest(groups, self.rank[rows])]
        self._mark_repeats(reason, rows, original)

    def _mark_repeats(self, reason: str, rows: Indices, original: Indices) -> None:
        """Mark those of these rows whose original is another."""
        repeats = original != rows
        self.target[rows[repeats]] = original[repeats]
        self.reason[rows[repeats]] = REASONS.index(reason)


def _places(names: pa.Array, among: pa.Array) -> tuple[Flags, Indices]:
    """Which names are `among` these, bool[n], and their place there, int64[n]; 0 for the others."""
    place = pc.index_in(names, value_set=among)
    is_known = np.asarray(place.is_valid())
    return is_known, place.fill_null(0).to_numpy().astype(np.int64)


def _rank(images: pa.Table) -> Indices:
    """Place of each row in the order of (created_at, id, image_name); rows without a date come last."""
    order = pc.sort_indices(images, sort_keys=columns.sort_keys()).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


# ------------------------------------------------------------------ inputs


def _stored(work: Workspace, embed: str) -> pa.Table:
    """image_name and `digest`: the pixel hash where an image was decoded, else the hash of its stored bytes."""
    table = read_sidecars(work.path, ["image_name", "sha256"])
    table = table.filter(table["sha256"].is_valid())
    digests = table["sha256"]
    pixels = work.read(embed)
    if "pixel_hash" in pixels.column_names:
        table = columns.join(table, pixels.select(["image_name", "pixel_hash"]))
        digests = pc.coalesce(table["pixel_hash"], digests)
    return pa.table({"image_name": table["image_name"], "digest": digests})


def _digest(table: pa.Table) -> str:
    """SHA-256 of a table's values, whatever the chunks it is stored in."""
    table = table.replace_schema_metadata().combine_chunks()
    hashed = _Hashed()
    with (
        pa.PythonFile(hashed, "w") as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    return hashed.digest.hexdigest()


class _Hashed(io.RawIOBase):
    """A file whose bytes are hashed as they are written, and not kept."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: "Buffer") -> int:
        with memoryview(data) as view:
            self.digest.update(view)
            return view.nbytes
