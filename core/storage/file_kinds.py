"""What the files of a working folder and of a release are to a mirror, by their names in the store."""

import os
from pathlib import Path, PurePosixPath

LOCAL = ("pages", "ledger.sqlite")
# What is made again where it is lost or out of date: of two versions either will do.
DERIVED = ("columns/*/*.arrow", "shards/index.arrow", "shards/sprites.arrow")


def shared(name: str) -> bool:
    """Whether a file belongs into the store: no pages, no ledger; locks and what is not finished are hidden."""
    parts = PurePosixPath(name).parts
    is_local = parts[0] == LOCAL[0] or parts[0].startswith(LOCAL[1])
    return not is_local and not any(part.startswith(".") for part in parts)


def is_tar(name: str) -> bool:
    """Whether this is the tar of a shard."""
    return PurePosixPath(name).match("shards/*.tar")


def is_manifest(name: str) -> bool:
    """Whether this is the manifest of a shard."""
    return PurePosixPath(name).match("shards/[0-9]*.json")


def is_derived(name: str) -> bool:
    """Whether this is made again where it is lost or out of date."""
    return any(PurePosixPath(name).match(pattern) for pattern in DERIVED)


def partial_of(path: Path) -> Path:
    """The name under which this process fetches a file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.fetching")


def rank(name: str) -> int:
    """Manifests of shards come after tables and tars, that of a release after everything."""
    if name == "MANIFEST.json":
        return 2
    return int(name.endswith(".json"))
