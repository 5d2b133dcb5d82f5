"""Finished shards of a working folder: a WebDataset tar, its sidecar table, and the manifest written last.

Reading is strict: a shard whose bytes, members or count differ from its manifest is refused by name. Written by
`twigma rehydrate` and `twigma add`; read by every stage with pixels.
"""

import contextlib
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from mmap import mmap

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.files import file_sha256, read_parquet
from twigma.core.storage import mirrors
from twigma.core.tables import compact, number
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.images.shard_manifest import (
    Manifest,
    Shard,
    publish,
    read_manifest,
    require_tar,
    verify,
    write_manifest,
)
from twigma.rehydrate.images.tar_places import (
    Span,
    mapped,
    places_in,
    tar_members,
    tar_places,
)

__all__ = [
    "SIDECAR",
    "Manifest",
    "Shard",
    "is_finished",
    "list_shards",
    "manifests",
    "mapped",
    "next_number",
    "publish",
    "read_images",
    "read_manifest",
    "read_sidecars",
    "require_tar",
    "require_unchanged",
    "shard_at",
    "tar_members",
    "tar_places",
    "verify",
    "write_manifest",
]

_FIELDS = ("image_name", "url", "status", "error", "width", "height", "sha256", "group")
# What stood beside images that are on no post, and where these were.
_OF_OWN_FILES = ("path", "text", "author_id", "like_count", "created_at")
SIDECAR = pa.schema(
    [
        ("key", pa.string()),
        *columns.schema(_FIELDS).remove_metadata(),
        *columns.schema(_OF_OWN_FILES).remove_metadata(),
        ("member", pa.string()),  # the name of the image in the tar
        ("note", pa.string()),  # where the bytes are not simply the host's
        # Of the owner's bytes, where these were converted or could not be decoded.
        ("source_sha256", pa.string()),
    ]
)
BLOCK_BYTES = 256 << 20  # of encoded images held at once
MAX_OFFSET = 2**31 - 1  # what the int32 offsets of one binary array can reach


def shard_at(work: AnyWorkspace, name: str) -> Shard:
    """The shard of that name, finished or not, with its tar inside the working folder."""
    folder = Workspace(work).shards
    return Shard(
        name,
        tar=folder / f"{name}.tar",
        sidecar=folder / f"{name}.parquet",
        manifest=folder / f"{name}.json",
    )


def list_shards(work: AnyWorkspace) -> list[Shard]:
    """The finished shards by name; FileNotFoundError when there is none."""
    require_shards(work)
    shards = []
    for shard in manifests(work):
        tar = read_manifest(shard).tar_path(shard.manifest.parent)
        shards.append(Shard(shard.name, tar, shard.sidecar, shard.manifest))
    return shards


def require_shards(work: AnyWorkspace) -> None:
    """FileNotFoundError when there is no finished shard."""
    if not manifests(work):
        raise FileNotFoundError(
            f"no finished shards in {Workspace(work).shards}: run `twigma rehydrate` or `twigma add`"
        )


def manifests(work: AnyWorkspace) -> list[Shard]:
    """Every shard that has a manifest, sound or not, by name."""
    paths = sorted(Workspace(work).shards.glob("[0-9]*.json"))
    return [shard_at(work, path.stem) for path in paths]


def next_number(work: AnyWorkspace) -> int:
    """The number of the next new shard: above every shard, every list of one, and every numbered tar.

    A tar may be the user's, who put it there before it was added: a shard of its name would be written over it.
    """
    work = Workspace(work)
    names = [path.stem for path in work.shards.glob("*.tar")]
    names += [path.stem for path in work.shard_lists.glob("*.parquet")]
    names += [shard.name for shard in manifests(work)]
    numbers = [int(name) for name in names if name.isdecimal()]
    return 1 + max(numbers, default=-1)


def is_finished(shard: Shard) -> bool:
    """Whether there is a sound manifest, its sidecar, and a tar of the size it names."""
    try:
        manifest = read_manifest(shard)
        if file_sha256(shard.sidecar) != manifest.sidecar:
            return False
        if manifest.freed:
            return True
        tar = manifest.tar_path(shard.manifest.parent)
        return mirrors.size_of(tar) == manifest.bytes
    except (OSError, ValueError):
        return False


# ------------------------------------------------------------------ reading


def read_sidecars(work: AnyWorkspace, names: Sequence[str] = SIDECAR.names) -> pa.Table:
    """One row per requested photo over all finished shards; a failure that a later shard retried is left out.

    `names` are those of SIDECAR that are wanted: the others are not read. FileNotFoundError when there is no finished
    shard, ValueError when a sidecar is damaged.
    """
    read = {*names, "image_name", "status"}
    schema = pa.schema([field for field in SIDECAR if field.name in read])
    sidecars = [shard.sidecar for shard in list_shards(work)]
    tables = [read_parquet(path, schema=schema) for path in sidecars]
    table = pa.concat_tables(tables).combine_chunks()
    images = compact(table["image_name"]).combine_chunks()
    if len(number(images).distinct) < len(table):
        table = _last_tries(table)
    return table.select(list(names))


def _last_tries(table: pa.Table) -> pa.Table:
    """The last try of each photo, and every one that was a success."""
    order = pa.array(range(len(table)))
    numbered = table.select(["image_name"]).append_column("at", order)
    last = numbered.group_by("image_name").aggregate([("at", "max")])
    is_last = pc.is_in(order, value_set=last["at_max"].combine_chunks())
    return table.filter(pc.or_(is_last, pc.equal(table["status"], "success")))


def read_images(
    shard: Shard, rows: int = 256, *, was_checked: bool = False
) -> Iterator[pa.Table]:
    """Blocks of (image_name: string, image: binary), successes only, in sidecar order.

    A block has `rows` rows, or fewer where these would take more than BLOCK_BYTES. The whole tar is hashed first, so a
    flipped byte or a cut anywhere raises ValueError naming the shard, unless it `was_checked` before;
    FileNotFoundError when the tar is missing.
    """
    with _opened(shard) as (manifest, data):
        if not was_checked:
            _require_hash(shard, manifest, data)
        yield from _read_blocks(shard, manifest, data, rows)


def require_unchanged(shard: Shard) -> None:
    """ValueError unless the tar of a shard is as its manifest says; FileNotFoundError where it is missing."""
    with _opened(shard) as (manifest, data):
        _require_hash(shard, manifest, data)


@contextlib.contextmanager
def _opened(shard: Shard) -> Iterator[tuple[Manifest, mmap | bytes]]:
    """The manifest of a shard, and its tar as memory; FileNotFoundError when the tar is missing."""
    manifest = read_manifest(shard)
    with mirrors.reading(shard.tar):
        require_tar(shard, manifest)
        with mapped(shard.tar) as data:
            yield manifest, data


def _require_hash(shard: Shard, manifest: Manifest, data: mmap | bytes) -> None:
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != manifest.sha256:
        raise ValueError(
            f"shard {shard.name}: {shard.tar} is damaged or was changed: expected sha256 {manifest.sha256}, "
            f"found {sha256}; restore it, or delete {shard.manifest} and run again the command that wrote the "
            "shard"
        )


def _read_blocks(
    shard: Shard, manifest: Manifest, data: mmap | bytes, rows: int
) -> Iterator[pa.Table]:
    with memoryview(data) as view:
        stored = _stored(shard, manifest)
        places = places_in(shard.tar, data, sound=True) if len(stored) else {}
        spans = [places[member] for member in stored["member"].to_pylist()]
        for start, end in _blocks([size for _, size in spans], rows):
            names = stored["image_name"].slice(start, end - start)
            images = _images(view, spans[start:end])
            yield pa.table({"image_name": names.combine_chunks(), "image": images})


def _stored(shard: Shard, manifest: Manifest) -> pa.Table:
    """Name and member of every image in the tar."""
    if file_sha256(shard.sidecar) != manifest.sidecar:
        raise ValueError(
            f"shard {shard.name}: {shard.sidecar} is damaged or was changed: delete {shard.manifest} and run again "
            "the command that wrote the shard"
        )
    table = pq.read_table(shard.sidecar, columns=["image_name", "member", "status"])
    return table.filter(pc.equal(table["status"], "success"))


def _blocks(sizes: list[int], rows: int) -> Iterator[tuple[int, int]]:
    """First row and end of blocks of so many rows, fewer where they would take more than BLOCK_BYTES."""
    start = held = 0
    for at, size in enumerate(sizes):
        if at > start and (at - start == rows or held + size > BLOCK_BYTES):
            yield start, at
            start = at
            held = 0
        held += size
    if sizes:
        yield start, len(sizes)


def _images(view: memoryview, spans: list[Span]) -> pa.Array:
    """binary[n]: the bytes at these places of a mapped tar, copied once."""
    type_ = columns.COLUMNS["image"].type
    ends = [0, *itertools.accumulate(size for _, size in spans)]
    if ends[-1] > MAX_OFFSET:
        images = [bytes(view[at : at + size]) for at, size in spans]
        return pa.array(images, type_)
    # The buffers of a binary array by hand: `pa.array` would take a copy of each image first.
    offsets = pa.array(ends, pa.int32()).buffers()[1]
    values = b"".join([view[at : at + size] for at, size in spans])
    return pa.Array.from_buffers(
        type_, len(spans), [None, offsets, pa.py_buffer(values)]
    )
