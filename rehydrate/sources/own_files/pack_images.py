"""Pictures packed into tars of the working folder, a thousand each, so that they go the way of all other images.

What is stored before is skipped; a picture that cannot be decoded is a row with the reason. A tar is written in a
private folder, verified, and its manifest written last: a stopped run resumes with the pictures of the next one.
"""

import datetime
import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from twigma.core.files import name_in_errors, write_parquet
from twigma.core.workspace import Workspace
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.image_headers import BadImage
from twigma.rehydrate.images.shards import SIDECAR
from twigma.rehydrate.images.tar_places import append_member
from twigma.rehydrate.sources.facts.unread import UnreadValues
from twigma.rehydrate.sources.own_files.known import Holdings
from twigma.rehydrate.sources.own_files.new_metadata import Stated
from twigma.rehydrate.sources.own_files.restore import Given
from twigma.rehydrate.sources.pictures.beside import (
    columns_beside,
    group_of,
    notes_on,
)
from twigma.rehydrate.sources.pictures.contents import MAX_IMAGE, Picture
from twigma.rehydrate.sources.pictures.convert import stored_form
from twigma.rehydrate.sources.pictures.trees import LeftOut

PER_SHARD = 1000  # images, as of a fetched shard
BLOCK_BYTES = 64 << 20  # of pictures that are decoded at once
BLOCK = 64  # pictures
REMOVED = "removed on request"

Row = dict[str, Any]


@dataclass
class Packed:
    """One shard that was added, or the rest of a run without one: how many images, failures, and pictures known.

    `restored` are pictures of shards that had lost their tar and have one again. `unread` are values beside the
    pictures, `stated` is what stands beside those that are known.
    """

    shard: str | None = None
    images: int = 0
    failed: int = 0
    known: int = 0
    restored: int = 0
    left_out: LeftOut = field(default_factory=dict)
    unread: UnreadValues = field(default_factory=UnreadValues)
    stated: list[Stated] = field(default_factory=list)

    def take_unread(self, earlier: "Packed") -> None:
        """Take over the values that could not be read of an earlier shard, so that they are told of once."""
        earlier.unread.merge(self.unread)
        self.unread = earlier.unread
        earlier.unread = UnreadValues()


@dataclass(frozen=True)
class _Prepared:
    """A picture as it will be stored: bytes, or none where it failed; its row; the hash of its owner's bytes."""

    picture: Picture
    data: bytes | None
    row: Row
    sha256: str


def pack_images(
    work: Workspace,
    pictures: Iterable[Picture],
    held: Holdings,
    group_key: str | None,
    *,
    per_shard: int | None = None,
) -> Iterator[Packed]:
    """Pack pictures into shards of `work`, `per_shard` (PER_SHARD) in each but the last.

    Returns one result per shard that was published.
    `held` learns the names of new pictures, and takes those whose shard has lost its tar.
    """
    per_shard = per_shard or PER_SHARD
    shard = _OpenShard(work)
    with ThreadPoolExecutor() as threads:
        for block in _blocks(pictures):
            for prepared in threads.map(_prepare, block):
                _add(shard, prepared, held, group_key)
                if len(shard.rows) == per_shard:
                    yield shard.publish()
                    shard = _OpenShard(work)
    yield shard.publish()


def _blocks(pictures: Iterable[Picture]) -> Iterator[list[Picture]]:
    """Pictures that are held and decoded at once."""
    block: list[Picture] = []
    held = 0
    for picture in pictures:
        block.append(picture)
        held += len(picture.data)
        if len(block) == BLOCK or held >= BLOCK_BYTES:
            yield block
            block = []
            held = 0
    if block:
        yield block


def _prepare(picture: Picture) -> _Prepared:
    """Hash and decode a picture; whatever it is, there is a row."""
    sha256 = hashlib.sha256(picture.data).hexdigest()
    try:
        data, row = stored_row(picture.data)
    except BadImage as error:
        row = {"status": error.status, "error": str(error), "source_sha256": sha256}
        return _Prepared(picture, None, row, sha256)
    if row["sha256"] != sha256:
        row["source_sha256"] = sha256
    return _Prepared(picture, data, row, sha256)


def stored_row(image: bytes) -> tuple[bytes, Row]:
    """The bytes to store of an encoded image, and what a sidecar says of them; BadImage where it is refused."""
    if len(image) > MAX_IMAGE:
        raise BadImage("too_large", f"over {MAX_IMAGE:,} bytes, which are not read")
    data, header, note = stored_form(image)
    row: Row = {
        "status": "success",
        "width": header.width,
        "height": header.height,
        "sha256": hashlib.sha256(data).hexdigest(),
        "note": note,
        "format": header.format,
    }
    return data, row


def _add(
    shard: "_OpenShard",
    prepared: _Prepared,
    held: Holdings,
    group_key: str | None,
) -> None:
    known, removed, restore = held
    picture = prepared.picture
    sha256 = prepared.sha256
    # One that failed before and can be read now, as after an upgrade, is the same image.
    name = known.failed.get(sha256) or known.free_name(picture.key, picture.stem)
    if removed.holds(name) and not known.is_at(sha256, picture.path):
        # Without its name, which was to be forgotten.
        shard.result.left_out.setdefault(REMOVED, []).append("")
    elif known.take(sha256):
        shard.add_known(prepared, group_key)
        if prepared.data is not None and restore.waits_for(sha256):
            shard.result.restored += restore.take(_given(prepared, prepared.data))
    elif sha256 in known.failed and prepared.data is None:
        shard.result.known += 1  # it fails as it did before
    else:
        known.names.add(name)
        shard.add(name, prepared, group_key)


def _given(prepared: _Prepared, data: bytes) -> Given:
    picture = prepared.picture
    beside = _json_beside(picture)
    stored_sha256 = prepared.row["sha256"]
    return Given(prepared.sha256, picture.path, data, stored_sha256, beside)


def _json_beside(picture: Picture) -> bytes | None:
    if not picture.facts:
        return None
    return json.dumps(picture.facts, default=_json_value).encode()


class _OpenShard:
    """A shard while it is packed, in a private folder. It has its number when it is published."""

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self._tar: tarfile.TarFile | None = None
        self._attempt = Path()
        self.rows: list[Row] = []
        self.result = Packed()

    def add(self, name: str, prepared: _Prepared, group_key: str | None) -> None:
        """Write one image and what stands beside it; of one that failed, the row only."""
        picture = prepared.picture
        values, unread = columns_beside(picture.facts)
        self.result.unread.add(unread)
        row = {**values, **prepared.row}
        row["key"] = f"{len(self.rows):09}"
        row["image_name"] = name
        row["path"] = picture.path
        row["group"] = group_of(picture.facts, group_key)
        notes = [*picture.notes, *notes_on(unread)]
        if row.get("note"):
            notes.insert(0, row["note"])
        row["note"] = "; ".join(notes) or None
        ending = row.pop("format", None)
        if prepared.data is not None:
            # WebDataset takes a name up to its first dot as the key of a sample.
            key = name.replace(".", "~")
            row["member"] = f"{key}.{ending}"
            self._append(row["member"], prepared.data)
            beside = _json_beside(picture)
            if beside is not None:
                self._append(f"{key}.json", beside)
            self.result.images += 1
        else:
            self.result.failed += 1
        self.rows.append(row)

    def add_known(self, prepared: _Prepared, group_key: str | None) -> None:
        """Count an image that is stored already, and note what stands beside it now."""
        picture = prepared.picture
        values, unread = columns_beside(picture.facts)
        self.result.known += 1
        self.result.unread.add(unread)
        group = group_of(picture.facts, group_key)
        stated = Stated.of(prepared.sha256, picture.path, values, group)
        if stated.values:
            self.result.stated.append(stated)

    def _append(self, name: str, data: bytes) -> None:
        if self._tar is None:
            self._tar = self._open()
        with name_in_errors(self._work.shards):
            append_member(self._tar, name, data)

    def _open(self) -> tarfile.TarFile:
        self._attempt = self._work.shard_attempts / "add"
        shutil.rmtree(self._attempt, ignore_errors=True)
        self._attempt.mkdir(parents=True)
        # PAX: the names of some image sets are longer than the 100 bytes of USTAR.
        return tarfile.open(
            self._attempt / "images.tar", "w", format=tarfile.PAX_FORMAT
        )

    def publish(self) -> Packed:
        """Give the shard its number and move it into place; one without rows is none."""
        if not self.rows:
            return self.result
        if self._tar is None:
            self._tar = self._open()  # every picture failed
        self._tar.close()
        name = f"{shards.next_number(self._work.path):05}"
        shard = shards.shard_at(self._work.path, name)
        (self._attempt / "images.tar").rename(self._attempt / shard.tar.name)
        table = pa.Table.from_pylist(self.rows, SIDECAR)
        write_parquet(self._attempt / shard.sidecar.name, table, private=True)
        shards.publish(self._attempt, shard, {"kind": "add"})
        shutil.rmtree(self._attempt)
        self.result.shard = name
        return self.result


def _json_value(value: Any) -> str:
    """Of a table: times as ISO text, anything else as Python writes it."""
    if isinstance(value, datetime.date | datetime.datetime):
        return value.isoformat()
    return str(value)
