"""Pictures that are given again after their shard lost its tar: `twigma free` deleted it, or files are missing.

The sidecar is there, so each picture goes back to its place, under its name. Equal pictures make an equal tar: columns
that were made of it stay.
"""

import contextlib
import functools
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core.files import name_in_errors, read_parquet, write_parquet
from twigma.core.names import embeddings_first
from twigma.core.parts import follow_inputs
from twigma.core.progress import notice
from twigma.core.storage import mirrors
from twigma.core.workspace import Workspace
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import SIDECAR, Manifest, Shard
from twigma.rehydrate.images.tar_places import append_member
from twigma.rehydrate.posts.removed_ids import Removed


class Given(NamedTuple):
    """A picture that is given: the hash of its owner's bytes, its path, what is stored of it, and the JSON beside it.

    `stored_sha256` is that of `data`.
    """

    sha256: str
    path: str
    data: bytes
    stored_sha256: str
    json: bytes | None


class _Place(NamedTuple):
    """The row of a sidecar that waits for its picture."""

    shard: "_Waiting"
    row: int

    @property
    def path(self) -> str:
        """Where the picture was when it was added."""
        path: str = self.shard.rows["path"][self.row].as_py()
        return path


@dataclass(eq=False)
class _Waiting:
    """A shard without its tar. What is given of its `images` pictures is kept in `spool` until all of them are there.

    `spans` has the place of each in the spool and the size of the JSON behind it, `hashes` what was stored.
    """

    shard: Shard
    manifest: Manifest | None
    removed: Removed
    spool: Path
    images: int
    spans: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    hashes: dict[int, str] = field(default_factory=dict)

    @functools.cached_property
    def rows(self) -> pa.Table:
        """Its sidecar, read when a picture of it is given."""
        return _rows(self.shard, self.removed)

    def keep(self, row: int, given: Given) -> None:
        """Put a picture into the spool."""
        beside = given.json or b""
        self.spool.parent.mkdir(parents=True, exist_ok=True)
        with name_in_errors(self.spool), self.spool.open("ab") as file:
            start = file.tell()
            file.write(given.data)
            file.write(beside)
        self.spans[row] = (start, len(given.data), len(beside))
        self.hashes[row] = given.stored_sha256

    def write(self) -> None:
        """Write the shard with the pictures that were given, and the rows of those that had failed."""
        attempt = self.spool.with_suffix("")
        attempt.mkdir(parents=True)
        self._write_tar(attempt / self.shard.tar.name)
        statuses = self.rows["status"].to_pylist()
        hashes = self.rows["sha256"].to_pylist()
        kept = []
        for row, status in enumerate(statuses):
            if status != "success" or row in self.spans:
                kept.append(row)
                hashes[row] = self.hashes.get(row, hashes[row])
        place = self.rows.schema.get_field_index("sha256")
        rows = self.rows.set_column(place, "sha256", pa.array(hashes, pa.string()))
        sidecar = attempt / self.shard.sidecar.name
        write_parquet(sidecar, rows.take(kept), private=True)
        made_from = self.manifest.made_from if self.manifest else {"kind": "add"}
        written = shards.publish(attempt, self.shard, made_from)
        self.spool.unlink()
        is_same = hashes == self.rows["sha256"].to_pylist()
        if self.manifest is not None and is_same:
            self._keep_columns({self.manifest.sha256: written.sha256})

    def _keep_columns(self, renamed: dict[str, str]) -> None:
        """What models made of these pictures stays, though other texts stand beside them, and some were removed."""
        folder = Workspace(self.shard.manifest.parent.parent).columns
        parts = folder.glob(f"*/{self.shard.name}.arrow")
        for path in embeddings_first(parts):
            follow_inputs(path, renamed)

    def _write_tar(self, path: Path) -> None:
        members = self.rows["member"].to_pylist()
        with (
            name_in_errors(path),
            tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar,
            self.spool.open("rb") as spool,
        ):
            for row in sorted(self.spans):
                start, size, beside = self.spans[row]
                spool.seek(start)
                append_member(tar, members[row], spool.read(size))
                if beside:
                    key = members[row].rpartition(".")[0]
                    append_member(tar, f"{key}.json", spool.read(beside))


class Restore:
    """The shards of a folder that wait for their pictures, while pictures are added.

    `lost` has the rows of shards that are not finished: the caller counts their images as known.
    """

    def __init__(self, work: Workspace, removed: Removed) -> None:
        self.lost: list[pa.Table] = []
        self._waiting: list[_Waiting] = []
        self._places: dict[str, list[_Place]] = {}
        for shard, manifest in _without_tar(work):
            with contextlib.suppress(OSError, ValueError):  # its sidecar is damaged too
                self._wait_for(work, shard, manifest, removed)

    def _wait_for(
        self, work: Workspace, shard: Shard, manifest: Manifest | None, removed: Removed
    ) -> None:
        rows = _rows(shard, removed)
        source = pc.coalesce(rows["source_sha256"], rows["sha256"]).to_pylist()
        stored = pc.indices_nonzero(pc.equal(rows["status"], "success")).to_pylist()
        if not stored:
            return
        if not shards.is_finished(shard):
            self.lost.append(rows)
        spool = work.shard_attempts / f"{shard.name}.spool"
        waiting = _Waiting(shard, manifest, removed, spool, len(stored))
        self._waiting.append(waiting)
        for row in stored:
            self._places.setdefault(source[row], []).append(_Place(waiting, row))

    def waits_for(self, sha256: str) -> bool:
        """Whether a shard waits for a picture of these bytes."""
        return bool(self._places.get(sha256))

    def take(self, given: Given) -> int:
        """Keep a picture that a shard waits for; with the last one the shard is written: how many are stored now."""
        places = self._places[given.sha256]
        place = places[0]
        if len(places) > 1:
            at_its_path = [one for one in places if one.path == given.path]
            place = (at_its_path or places)[0]
        places.remove(place)
        waiting = place.shard
        waiting.keep(place.row, given)
        if len(waiting.spans) < waiting.images:
            return 0
        waiting.write()
        self._waiting.remove(waiting)
        return waiting.images

    def adopt(self, tar: Path, sha256: str) -> Shard | None:
        """The shard that a tar was registered as before it was moved, or before its manifest was lost, if there is one.

        It waits no more: the caller writes its manifest.
        """
        for waiting in self._waiting:
            if _is_tar_of(waiting, tar, sha256):
                self._waiting.remove(waiting)
                for places in self._places.values():
                    places[:] = [one for one in places if one.shard is not waiting]
                return waiting.shard
        return None

    def finish(self) -> int:
        """Write what was given of shards without a manifest, and tell of all that miss pictures: how many are stored.

        A shard that was freed stays as it is until all of it is given.
        """
        stored = 0
        for waiting in self._waiting:
            count = len(waiting.spans)
            if not count:
                continue
            what = "they are stored again when one command adds all of them"
            if waiting.manifest is None:
                waiting.write()
                stored += count
                what = "they are stored again, the others are not"
            notice(
                f"shard {waiting.shard.name}: {count:,} of its {waiting.images:,} pictures were given; {what}"
            )
        return stored


def _without_tar(work: Workspace) -> Iterator[tuple[Shard, Manifest | None]]:
    """The added shards whose tar is not there, each with its manifest, or None where that is missing or damaged."""
    for sidecar in sorted(work.shards.glob("[0-9]*.parquet")):
        if (work.shard_lists / sidecar.name).exists():
            continue  # it is fetched again
        shard = shards.shard_at(work, sidecar.stem)
        manifest = None
        with contextlib.suppress(OSError, ValueError):
            manifest = shards.read_manifest(shard)
        if manifest is None or not _has_tar(shard, manifest):
            yield shard, manifest


def _has_tar(shard: Shard, manifest: Manifest) -> bool:
    tar = manifest.tar_path(shard.manifest.parent)
    try:
        return not manifest.freed and mirrors.size_of(tar) == manifest.bytes
    except OSError:
        return False


def _rows(shard: Shard, removed: Removed) -> pa.Table:
    """The sidecar of a shard without what was removed on request; OSError or ValueError where it is damaged."""
    rows = read_parquet(shard.sidecar, schema=SIDECAR)
    return rows.filter(pc.invert(removed.mask(rows["image_name"]))).combine_chunks()


def _is_tar_of(waiting: _Waiting, tar: Path, sha256: str) -> bool:
    if waiting.manifest is not None:
        return waiting.manifest.sha256 == sha256
    try:
        shards.verify(tar, waiting.shard.sidecar, {})
    except ValueError:
        return False
    return True
