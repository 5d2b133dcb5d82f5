"""Images by name, straight out of the tars: an index says where each is, so that nothing is unpacked or copied.

`twigma.open_images(WORK)` returns them. The index, `WORK/shards/index.arrow`, is built from the finished shards, and
updated for those whose manifest has changed. Every image is compared with its SHA-256 as it is read: a shard that was
rewritten meanwhile cannot return the wrong one.
"""

import bisect
import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core.files import file_sha256
from twigma.core.parts import part_is_current, read_part, read_provenance, write_part
from twigma.core.safety import untrusted_names
from twigma.core.storage import mirrors
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.images.shards import (
    SIDECAR,
    Shard,
    list_shards,
    read_manifest,
    require_tar,
)
from twigma.rehydrate.images.tar_places import Span, tar_places

if TYPE_CHECKING:
    from PIL.Image import Image

    from twigma.rehydrate.images.jpeg import Pixels

PLACES = pa.schema(
    [
        ("failed", pa.bool_()),
        ("image_name", pa.string()),
        ("shard", pa.string()),
        ("status", pa.string()),
        ("at", pa.int64()),  # byte of the tar
        ("size", pa.int64()),
        ("sha256", pa.string()),
    ]
)
# The last attempt at an image comes first.
ORDER = [
    ("failed", "ascending"),
    ("image_name", "ascending"),
    ("shard", "descending"),
]


class Place(NamedTuple):
    """Where a stored image is: its shard, first byte and size there, and the hash of these bytes."""

    shard: str
    at: int
    size: int
    sha256: str


def read_index(work: AnyWorkspace) -> pa.Table:
    """Where every photo that was asked for is (PLACES): the stored ones by name, then those that failed by name.

    Raises FileNotFoundError when there is no finished shard, ValueError when a shard is damaged.
    """
    work = Workspace(work)
    path = work.image_index
    shards = list_shards(work)
    hashes = _manifest_hashes(shards)
    provenance = {"columns": PLACES.names, "shards": hashes}
    if part_is_current(path, provenance):
        return read_part(path)
    table = _in_order(_all_places(shards, *_reusable(path, hashes)))
    # OSError: the folder is not ours to write in, so the index is made each time.
    with contextlib.suppress(OSError):
        write_part(path, table, provenance)
        # A removal may have run meanwhile: what it took out must not be listed here.
        if _manifest_hashes(list_shards(work)) != hashes:
            path.unlink()
    return table


def read_stored(shard: Shard, name: str, place: Place) -> bytes:
    """The bytes at a place of a tar, compared with their SHA-256; ValueError where others are there."""
    try:
        data = mirrors.read_at(shard.tar, place.at, place.size)
    except FileNotFoundError:
        require_tar(shard, read_manifest(shard))
        raise
    if hashlib.sha256(data).hexdigest() != place.sha256:
        raise ValueError(
            f"shard {place.shard}: {shard.tar} does not hold {name} where it did: if the shard was written again "
            "since, open the images again; if not, the tar is damaged: restore it"
        )
    return data


def _manifest_hashes(shards: list[Shard]) -> dict[str, str]:
    return {shard.name: file_sha256(shard.manifest) for shard in shards}


def _reusable(path: Path, hashes: Mapping[str, str]) -> tuple[pa.Table, set[str]]:
    """The rows of an older index whose shards have not changed, and the names of these shards."""
    try:
        table = read_part(path)
        provenance = read_provenance(path)
    except (ValueError, OSError):  # none, or damaged
        return PLACES.empty_table(), set()
    if provenance["columns"] != PLACES.names:
        return PLACES.empty_table(), set()
    same = set()
    for name, sha256 in provenance["shards"].items():
        if hashes.get(name) == sha256:
            same.add(name)
    names = pa.array(sorted(same), pa.string())
    rows = table.filter(pc.is_in(table["shard"], value_set=names))
    return rows.replace_schema_metadata(), same


def _all_places(shards: list[Shard], reusable: pa.Table, same: set[str]) -> pa.Table:
    from twigma.core.progress import progress_bar

    tables = [reusable]
    changed = [shard for shard in shards if shard.name not in same]
    for shard in progress_bar(changed, desc="index", unit="shard"):
        tables.append(_places_in(shard))
    return pa.concat_tables(tables)


def _places_in(shard: Shard) -> pa.Table:
    """The rows of one shard, from its sidecar and the headers of its tar."""
    table = pq.read_table(shard.sidecar, schema=SIDECAR)
    untrusted_names.refuse_names(
        table.select(["image_name"]), str(shard.sidecar), untrusted_names.LONG_NAMES
    )
    failed = pc.fill_null(pc.not_equal(table["status"], "success"), True)
    with mirrors.reading(shard.tar):
        require_tar(shard, read_manifest(shard))
        places = tar_places(shard.tar)
    spans: list[Span | tuple[None, None]] = []
    members = table["member"].to_pylist()
    for is_failed, member in zip(failed.to_pylist(), members, strict=True):
        if is_failed:
            spans.append((None, None))
        elif member in places:
            spans.append(places[member])
        else:
            raise ValueError(
                f"shard {shard.name}: {member!r}, which its sidecar names, is missing in {shard.tar}; restore it, or "
                f"delete {shard.manifest} and run again the command that wrote the shard"
            )
    columns = {name: table[name] for name in ("image_name", "status", "sha256")}
    columns["failed"] = failed
    columns["shard"] = [shard.name] * len(table)
    columns["at"] = [at for at, _ in spans]
    columns["size"] = [size for _, size in spans]
    return pa.table({name: columns[name] for name in PLACES.names}, schema=PLACES)


def _in_order(table: pa.Table) -> pa.Table:
    """Sorted, each image once among the stored and once among the failed."""
    table = table.sort_by(ORDER).combine_chunks()
    if len(table) < 2:
        return table
    names = table["image_name"]
    failed = table["failed"]
    other_name = pc.not_equal(names[1:], names[:-1])
    other_half = pc.not_equal(failed[1:], failed[:-1])
    differs = pc.or_(other_name, other_half).combine_chunks()
    is_first = pa.concat_arrays([pa.array([True]), differs])
    return table.filter(is_first).combine_chunks()


class Images(Mapping[str, "Image"]):
    """The stored images by `image_name`: `images[name]` is a picture, `pixels(name)` its array, `read(name)` its bytes.

    It holds no open file, so it can be passed to threads and to processes, forked or spawned: another process opens the
    index again. A name that is not stored raises KeyError with the reason.
    """

    def __init__(self, work: AnyWorkspace) -> None:
        self.work = Workspace(Path(work).expanduser().absolute())
        self._shards = {shard.name: shard for shard in list_shards(self.work)}
        table = read_index(self.work)
        self._columns = {
            name: table[name].combine_chunks() for name in table.column_names
        }
        self._stored = len(table) - (pc.sum(table["failed"]).as_py() or 0)

    def __reduce__(self) -> tuple[Any, ...]:
        return Images, (self.work.path,)

    def __repr__(self) -> str:
        return f"<{len(self):,} images of {self.work}>"

    def __len__(self) -> int:
        return int(self._stored)

    def __iter__(self) -> Iterator[str]:
        for name in self.names():
            yield name.as_py()

    def __contains__(self, name: object) -> bool:
        return self._row(name, 0, self._stored) is not None

    def __getitem__(self, name: str) -> "Image":
        """The picture, upright and 8-bit RGB, decoded as every stage does (with the packages of `[rehydrate]`).

        Pillow copies it when it is drawn on; for writing through `load()`, take its `copy()`.
        """
        from twigma.rehydrate.images.decode import open_image

        return open_image(self.read(name))

    def pixels(self, name: str) -> "Pixels":
        """The same picture as uint8[height, width, 3], which takes less time than a Pillow image of it."""
        from twigma.rehydrate.images.decode import read_pixels

        return read_pixels(self.read(name))[1]

    def read(self, name: str) -> bytes:
        """The stored bytes, compared with their SHA-256; ValueError when they are not those of the index."""
        row = self._row(name, 0, self._stored)
        if row is None:
            raise KeyError(self._why_missing(name))
        place = Place(*(self._value(column, row) for column in Place._fields))
        return read_stored(self._shards[place.shard], name, place)

    def names(self) -> pa.Array:
        """The names of the stored images, string[n], sorted."""
        return self._columns["image_name"].slice(0, self._stored)

    def failure(self, name: str) -> str | None:
        """The status of the last attempt at an image that is not stored; None where it was never asked for."""
        row = self._row(name, self._stored, len(self._columns["image_name"]))
        return None if row is None else str(self._value("status", row))

    def _value(self, column: str, row: int) -> Any:
        return self._columns[column][row].as_py()

    def _row(self, name: object, first: int, last: int) -> int | None:
        """The row of a name between two rows, of which the names are sorted."""
        names = self._columns["image_name"]
        if not isinstance(name, str):
            return None
        row = bisect.bisect_left(names, name, first, last, key=pa.StringScalar.as_py)
        if row < last and names[row].as_py() == name:
            return row
        return None

    def _why_missing(self, name: object) -> str:
        if not isinstance(name, str):
            return f"image names are text, as in '1495…': found the {type(name).__name__} {name!r}"
        status = self.failure(name)
        if status is None:
            return f"no image {name!r} in the shards of {self.work}"
        return f"image {name!r} was asked for and not stored: {status}"
