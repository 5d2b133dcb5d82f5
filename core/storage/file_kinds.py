"""What the files of a working folder and of a release are to a mirror, by their names in the store."""

from pathlib import PurePosixPath

LOCAL = ("pages", "ledger.sqlite")
# What is made again where it is lost or out of date: of two versions either will do.
DERIVED = ("columns/*/*.arrow", "shards/index.arrow", "shards/sprites.arrow")
REMOVED = "removed.json"  # what was removed on request
RELEASE = "MANIFEST.json"  # the last file of a release
RANKS = 4  # see `rank`


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


def group_of(name: str, *, is_release: bool) -> str | None:
    """Files that are of one run or useless: the fit of a stage with its labels, a release; None for any other file.

    >>> group_of("models/cluster/map.arrow", is_release=False)
    'cluster'
    >>> group_of("columns/cluster/all.arrow", is_release=False)
    'cluster'
    >>> group_of("columns/embed/00000.arrow", is_release=False)
    """
    if is_release:
        return "release"
    path = PurePosixPath(name)
    is_fit = path.match("models/*/*") or path.match("columns/*/all.arrow")
    return path.parent.name if is_fit else None


def rank(name: str) -> int:
    """What was removed comes first, manifests of shards after tables and tars, that of a release after everything."""
    if name == REMOVED:
        return 0
    if name == RELEASE:
        return RANKS - 1
    return 2 if name.endswith(".json") else 1
