"""Images by name, straight out of the tars: an index says where each stands, so that nothing is unpacked or copied.

`twigma.open_images(WORK)` gives them. The index, `WORK/shards/index.arrow`, is made from the finished shards and made
again for those whose manifest has changed. Every image is compared with its SHA-256 as it is read: a shard that was
written again meanwhile cannot give the wrong one.
"""

import bisect
import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core.files import file_sha256
from twigma.core.parts import part_is_current, read_part, read_provenance, write_part
from twigma.core.safety import untrusted_names
from twigma.rehydrate.images.shards import SIDECAR, Shard, list_shards, tar_places

if TYPE_CHECKING:
    from PIL.Image import Image

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
ORDER = [
    ("failed", "ascending"),
    ("image_name", "ascending"),
    ("shard", "descending"),
]  # the last attempt first


def index_file(work: Path) -> Path:
    """Where the index of a working folder is kept; it can be deleted at any time."""
    return work / "shards" / "index.arrow"


def read_index(work: Path) -> pa.Table:
    """Where every photo that was asked for stands (PLACES): the stored ones by name, then those that failed by name.

    Raises FileNotFoundError when there is no finished shard, ValueError when a shard is damaged.
    """
    path, shards = index_file(work), list_shards(work)
    marks = _marks(shards)
    made_from = {"columns": PLACES.names, "shards": marks}
    if part_is_current(path, made_from):
        return read_part(path)
    table = _in_order(_places(shards, *_known(path, marks)))
    with contextlib.suppress(
        OSError
    ):  # a folder that is not ours to write in: the index is made anew each time
        write_part(path, table, made_from)
        if (
            _marks(list_shards(work)) != marks
        ):  # a removal meanwhile: what it took out must not stand here
            path.unlink()
    return table


def _marks(shards: list[Shard]) -> dict[str, str]:
    return {shard.name: file_sha256(shard.manifest) for shard in shards}


def _known(path: Path, marks: Mapping[str, str]) -> tuple[pa.Table, set[str]]:
    """The rows of an older index that still hold, and their shards."""
    try:
        table, made_from = read_part(path), read_provenance(path)
    except (ValueError, OSError):  # none, or damaged
        return PLACES.empty_table(), set()
    if made_from["columns"] != PLACES.names:
        return PLACES.empty_table(), set()
    same = {
        name for name, mark in made_from["shards"].items() if marks.get(name) == mark
    }
    kept = table.filter(
        pc.is_in(table["shard"], value_set=pa.array(sorted(same), pa.string()))
    )
    return kept.replace_schema_metadata(), same


def _places(shards: list[Shard], known: pa.Table, same: set[str]) -> pa.Table:
    from twigma.core.progress import progress_bar

    new = [shard for shard in shards if shard.name not in same]
    return pa.concat_tables(
        [known, *map(_places_in, progress_bar(new, desc="index", unit="shard"))]
    )


def _places_in(shard: Shard) -> pa.Table:
    """The rows of one shard, from its sidecar and the headers of its tar."""
    table = pq.read_table(shard.sidecar, schema=SIDECAR)
    untrusted_names.refuse_names(
        table.select(["image_name"]), str(shard.sidecar), untrusted_names.LONG_NAMES
    )
    failed = pc.fill_null(pc.not_equal(table["status"], "success"), True)
    members: dict[Any, Any] = {None: (None, None)} | tar_places(shard.tar)
    wanted = [
        None if bad else name
        for bad, name in zip(
            failed.to_pylist(), table["member"].to_pylist(), strict=True
        )
    ]
    if lost := [name for name in wanted if name not in members]:
        raise ValueError(
            f"shard {shard.name}: {shard.tar} lacks {lost[0]!r}, which its sidecar names; restore it, or delete "
            f"{shard.manifest} and run the command that made it again"
        )
    at, size = (
        zip(*(members[name] for name in wanted), strict=True) if wanted else ((), ())
    )
    values = {
        "failed": failed,
        "shard": [shard.name] * len(table),
        "at": at,
        "size": size,
    }
    made = {
        name: values.get(name) if name in values else table[name]
        for name in PLACES.names
    }
    return pa.table(made, schema=PLACES)


def _in_order(table: pa.Table) -> pa.Table:
    """Sorted, each image once among the stored and once among the failed."""
    table = table.sort_by(ORDER).combine_chunks()
    names, failed = table["image_name"], table["failed"]
    if len(table) < 2:
        return table
    new = pc.or_(
        pc.not_equal(names[1:], names[:-1]), pc.not_equal(failed[1:], failed[:-1])
    )
    return table.filter(
        pa.concat_arrays([pa.array([True]), new.combine_chunks()])
    ).combine_chunks()


class Images(Mapping[str, "Image"]):
    """The stored images by `image_name`: `images[name]` is a picture, `images.read(name)` its bytes.

    It holds no open file, so it can be given to threads and to processes, forked or spawned: another process opens the
    index again. A name that is not stored raises KeyError with the reason.
    """

    def __init__(self, work: str | os.PathLike[str]) -> None:
        self.work = Path(work).expanduser().absolute()
        self._tars = {shard.name: shard.tar for shard in list_shards(self.work)}
        table = read_index(self.work)
        self._columns = {
            name: table[name].combine_chunks() for name in table.column_names
        }
        self._stored = len(table) - (pc.sum(table["failed"]).as_py() or 0)

    def __reduce__(self) -> tuple[Any, ...]:
        return Images, (self.work,)

    def __repr__(self) -> str:
        return f"<{len(self):,} images of {self.work}>"

    def __len__(self) -> int:
        return int(self._stored)

    def __iter__(self) -> Iterator[str]:
        return (
            name.as_py() for name in self._columns["image_name"].slice(0, self._stored)
        )

    def __contains__(self, name: object) -> bool:
        return self._row(name, 0, self._stored) is not None

    def __getitem__(self, name: str) -> "Image":
        """The picture, upright and 8-bit RGB, decoded as every stage does (with the packages of `[rehydrate]`)."""
        from twigma.rehydrate.images.decode import open_image

        return open_image(self.read(name))

    def read(self, name: str) -> bytes:
        """The stored bytes, compared with their SHA-256; ValueError when they are not those of the index."""
        row = self._row(name, 0, self._stored)
        if row is None:
            raise KeyError(self._why_not(name))
        shard, at, size, sha256 = (
            self._columns[each][row].as_py()
            for each in ("shard", "at", "size", "sha256")
        )
        with self._tars[shard].open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), size, at)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError(
                f"shard {shard}: {self._tars[shard]} does not hold {name} where it did: if the shard was written again "
                "since, open the images again; if not, the tar is damaged: restore it"
            )
        return data

    def _row(self, name: object, first: int, last: int) -> int | None:
        """The row of a name between two rows."""
        names = self._columns["image_name"]
        if not isinstance(name, str):
            return None
        row = bisect.bisect_left(names, name, first, last, key=pa.StringScalar.as_py)
        return row if row < last and names[row].as_py() == name else None

    def _why_not(self, name: object) -> str:
        if not isinstance(name, str):
            return f"image names are text, as in '1495…': found the {type(name).__name__} {name!r}"
        row = self._row(name, self._stored, len(self._columns["image_name"]))
        if row is None:
            return f"no image {name!r} in the shards of {self.work}"
        return f"image {name!r} was asked for and not stored: {self._columns['status'][row].as_py()}"
