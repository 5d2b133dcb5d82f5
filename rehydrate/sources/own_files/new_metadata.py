"""Metadata that was written beside pictures after they were added: adding them again fills it in.

A value that the images table lacks is filled in from wherever the same bytes are added. One that it has is replaced
only where it is of the same path: a copy of the picture elsewhere may have another caption.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow.compute as pc

from twigma.core import columns
from twigma.core.files import read_parquet, write_parquet
from twigma.core.workspace import Workspace
from twigma.rehydrate.sources.own_files.images_rows import (
    added_shards,
    sorted_rows,
)

Values = dict[str, Any]  # of one image, by column


class Stated(NamedTuple):
    """What stands beside a picture that is stored: the hash of its owner's bytes, its path, and values by column."""

    sha256: str
    path: str
    values: Values

    @classmethod
    def of(cls, sha256: str, path: str, values: Values, group: str | None) -> "Stated":
        """With the group as one of the values, where there is one."""
        if group is not None:
            values = {**values, "group": group}
        return cls(sha256, path, values)


class _Stored(NamedTuple):
    """An image of the added shards: its name, and the path that it was added from."""

    image_name: str
    path: str


def fill_metadata(work: Workspace, stated: Sequence[Sequence[Stated]]) -> list[int]:
    """Fill what is stated into the images table: how many images have new values, for each sequence.

    The table has the rows of all added shards.
    """
    everything = [one for each in stated for one in each]
    if not everything:
        return [0] * len(stated)
    stored = _stored_images(work, {one.sha256 for one in everything})
    if not stored or not work.images_file.exists():
        return [0] * len(stated)
    filler = _Filler(work, stored)
    counts = [sum(map(filler.fill, each)) for each in stated]
    filler.write()
    return counts


def _stored_images(work: Workspace, hashes: set[str]) -> dict[str, list[_Stored]]:
    """The images of the added shards that have these hashes, by hash."""
    found: dict[str, list[_Stored]] = {}
    names = ["image_name", "path", "status", "sha256", "source_sha256"]
    for shard in added_shards(work):
        rows = read_parquet(shard.sidecar, columns=names)
        rows = rows.filter(pc.equal(rows["status"], "success"))
        source = pc.coalesce(rows["source_sha256"], rows["sha256"]).to_pylist()
        images = zip(
            source,
            rows["image_name"].to_pylist(),
            rows["path"].to_pylist(),
            strict=True,
        )
        for sha256, name, path in images:
            if sha256 in hashes:
                found.setdefault(sha256, []).append(_Stored(name, path))
    return found


class _Filler:
    """The images table while values are filled in."""

    def __init__(self, work: Workspace, stored: dict[str, list[_Stored]]) -> None:
        self._work = work
        self._stored = stored
        self._table = read_parquet(work.images_file)
        names = {one.image_name for images in stored.values() for one in images}
        self._places: dict[str, int] = {}
        for place, name in enumerate(self._table["image_name"].to_pylist()):
            if name in names:
                self._places[name] = place
        self._changed: dict[str, list[Any]] = {}

    def fill(self, stated: Stated) -> bool:
        """Whether an image has a value that it had not."""
        image = self._take(stated)
        if image is None or image.image_name not in self._places:
            return False  # as one that was removed since
        place = self._places[image.image_name]
        is_changed = False
        for name, value in stated.values.items():
            current = self._value(name, place)
            is_new = current is None or image.path == stated.path
            if is_new and current != value:
                self._column(name)[place] = value
                is_changed = True
        return is_changed

    def _take(self, stated: Stated) -> _Stored | None:
        """The image that the picture is: that of its path, or else one of the same bytes; each is taken once."""
        images = self._stored.get(stated.sha256, [])
        for image in images:
            if image.path == stated.path:
                images.remove(image)
                return image
        return images.pop(0) if images else None

    def _value(self, name: str, place: int) -> Any:
        if name in self._changed:
            return self._changed[name][place]
        if name not in self._table.column_names:
            return None
        return self._table[name][place].as_py()

    def _column(self, name: str) -> list[Any]:
        """The values of a column that is to change."""
        if name not in self._changed:
            values: list[Any] = [None] * len(self._table)
            if name in self._table.column_names:
                values = self._table[name].to_pylist()
            self._changed[name] = values
        return self._changed[name]

    def write(self) -> None:
        """Write the table, if anything changed."""
        if not self._changed:
            return
        table = columns.add(self._table, **self._changed)
        write_parquet(self._work.images_file, sorted_rows(table), private=True)
