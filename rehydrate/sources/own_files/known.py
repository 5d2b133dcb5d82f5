"""What a working folder has before images are added: names in use, and the hashes of what was stored or failed."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core.files import read_parquet
from twigma.core.workspace import Workspace
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import Shard, is_finished
from twigma.rehydrate.posts.removed_ids import Removed, read_removed
from twigma.rehydrate.sources.own_files.restore import Restore

# Characters of a name, as a release takes no more than 180 with what is put before it.
LONGEST_KEY = 140
LONGEST_STEM = 30
_READ = ("image_name", "status", "sha256", "source_sha256", "path")


@dataclass
class Known:
    """Names in use; how often each picture was stored, by the hash of its bytes; and the names of those that failed.

    A picture that is stored twice was there twice, on two posts perhaps: adding both again finds both known. `places`
    has the hash and the path of what is stored where images were removed on request: others of their bytes may be left.
    """

    names: set[str] = field(default_factory=set)
    stored: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    places: set[tuple[str, str]] = field(default_factory=set)

    def is_at(self, sha256: str, path: str) -> bool:
        """Whether a picture of this path is stored; told only where images were removed on request."""
        return (sha256, path) in self.places

    def free_name(self, key: str, stem: str) -> str:
        """A name for an image that no other has; it is free until it is added to `names`.

        Its key, else its key after the stem of its tar, else that with a number.
        """
        key = re.sub(r"[^A-Za-z0-9_-]+", "_", key).strip("_")[:LONGEST_KEY] or "image"
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", stem)[:LONGEST_STEM]
        name = key
        if name in self.names:
            name = f"{stem}.{key}"
        number = 2
        while name in self.names:
            name = f"{stem}.{number}.{key}"
            number += 1
        return name

    def take(self, sha256: str) -> bool:
        """Whether a picture was stored before this run; each time it was counts once."""
        if self.stored[sha256] == 0:
            return False
        self.stored[sha256] -= 1
        return True


class Holdings(NamedTuple):
    """What a folder holds: its images, what was removed on request, and the shards that wait for their pictures."""

    known: Known
    removed: Removed
    restore: Restore


def read_holdings(work: Workspace) -> Holdings:
    """What a folder holds before images are added."""
    removed = read_removed(work)
    restore = Restore(work, removed)
    known = read_known(work, restore.lost, with_places=bool(removed.hashes))
    return Holdings(known, removed, restore)


def read_known(
    work: Workspace, lost: Sequence[pa.Table] = (), *, with_places: bool = False
) -> Known:
    """What is in the shards and the images table of a folder, and in `lost`, sidecars of shards without their tar."""
    known = Known()
    sidecars = [shard.sidecar for shard in finished_shards(work)]
    tables = (read_parquet(path, columns=list(_READ)) for path in sidecars)
    for rows in itertools.chain(tables, lost):
        _count(known, rows, with_places)
    if work.images_file.exists():
        table = read_parquet(work.images_file, columns=["image_name"])
        known.names.update(table["image_name"].to_pylist())
    return known


def _count(known: Known, rows: pa.Table, with_places: bool) -> None:
    names = rows["image_name"].to_pylist()
    known.names.update(names)
    source = pc.coalesce(rows["source_sha256"], rows["sha256"]).to_pylist()
    paths = rows["path"].to_pylist()
    for row, status in enumerate(rows["status"].to_pylist()):
        sha256 = source[row]
        if status == "success":
            known.stored[sha256] += 1
            if with_places:
                known.places.add((sha256, paths[row]))
        elif sha256 is not None:
            known.failed[sha256] = names[row]


def finished_shards(work: Workspace) -> list[Shard]:
    """The finished shards by name."""
    return [shard for shard in shards.manifests(work.path) if is_finished(shard)]


def hashes_of(shard: Shard) -> Iterable[str]:
    """The hashes of the pictures that one shard stores."""
    rows = read_parquet(shard.sidecar, columns=["status", "sha256", "source_sha256"])
    stored = rows.filter(pc.equal(rows["status"], "success"))
    hashes: list[str] = pc.coalesce(
        stored["source_sha256"], stored["sha256"]
    ).to_pylist()
    return hashes
