"""What a working folder has before images are added: names in use, and the hashes of what was stored or failed."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow.compute as pc

from twigma.core.files import read_parquet
from twigma.core.workspace import Workspace
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import Shard, is_finished

# Characters of a name, as a release takes no more than 180 with what is put before it.
LONGEST_KEY = 140
LONGEST_STEM = 30


@dataclass
class Known:
    """Names in use; how often each picture was stored, by the hash of its bytes; and the names of those that failed.

    A picture that is stored twice was there twice, on two posts perhaps: adding both again finds both known.
    """

    names: set[str] = field(default_factory=set)
    stored: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)

    def take(self, sha256: str) -> bool:
        """Whether a picture was stored before this run; each time it was counts once."""
        if self.stored[sha256] == 0:
            return False
        self.stored[sha256] -= 1
        return True


def read_known(work: Workspace) -> Known:
    """What is in the shards and the images table of a folder."""
    known = Known()
    names = ["image_name", "status", "sha256", "source_sha256"]
    for shard in finished_shards(work):
        rows = read_parquet(shard.sidecar, columns=names)
        known.names.update(rows["image_name"].to_pylist())
        source = pc.coalesce(rows["source_sha256"], rows["sha256"]).to_pylist()
        statuses = rows["status"].to_pylist()
        for sha256, status, name in zip(
            source, statuses, rows["image_name"].to_pylist(), strict=True
        ):
            if status == "success":
                known.stored[sha256] += 1
            elif sha256 is not None:
                known.failed[sha256] = name
    if work.images_file.exists():
        table = read_parquet(work.images_file, columns=["image_name"])
        known.names.update(table["image_name"].to_pylist())
    return known


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


def unique_name(key: str, stem: str, used: set[str]) -> str:
    """A name for an image that no other has; it is added to `used`.

    Its key, else its key after the stem of its tar, else that with a number.
    """
    key = re.sub(r"[^A-Za-z0-9_-]+", "_", key).strip("_")[:LONGEST_KEY] or "image"
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", stem)[:LONGEST_STEM]
    name = key
    if name in used:
        name = f"{stem}.{key}"
    number = 2
    while name in used:
        name = f"{stem}.{number}.{key}"
        number += 1
    used.add(name)
    return name
