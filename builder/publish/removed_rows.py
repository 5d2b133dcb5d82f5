"""Which rows of an earlier version were removed on request: `twigma publish hub` looks for them in what is published.

The working folder knows at once. Without it the release's own `removals.txt` is asked, slowly, and only about ids that
the release no longer holds.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import twigma
from twigma.core import columns
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.posts.removed_ids import (
    PublicRemovals,
    parse_public_list,
    read_removed,
)

LIST = "removals.txt"
ON_ZENODO = (
    "rows were removed on request since an earlier version: what that version holds on Zenodo cannot be changed by its "
    "authors; write to its support (https://zenodo.org/support), name the record and the version, and ask to have it "
    "restricted or deleted"
)


def has_removals(release: Path) -> bool:
    """Whether anything was removed on request from the dataset of a release."""
    text = (release / LIST).read_text("utf-8")
    return bool(parse_public_list(text).hashes)


class RemovedRows:
    """What was removed, of the dataset that a release is made from.

    `work` is its working folder; where there is none, `release` alone decides.
    """

    def __init__(self, release: Path, work: AnyWorkspace) -> None:
        self._private = read_removed(work)
        self._public = PublicRemovals()
        text = (release / LIST).read_text("utf-8")
        public = parse_public_list(text)
        if public.salt != self._private.salt:
            self._public = public  # of another working folder than this one
        self._released = set(_names(release))
        self._known: dict[str, bool] = {}
        self._refuse_removed(release, Workspace(work))

    def __bool__(self) -> bool:
        return bool(self._private.hashes or self._public.hashes)

    def count(self, rows: pa.Table) -> int:
        """How many rows were removed, by any id in them (string columns `id`, `image_name` or one of the two)."""
        gone = pa.repeat(pa.scalar(False), len(rows))
        for name in rows.column_names:
            values = rows[name].unique().to_pylist()
            removed = pa.array(sorted(self._among(values)), pa.string())
            gone = pc.or_(gone, pc.is_in(rows[name], value_set=removed))
        return int(pc.sum(gone).as_py() or 0)

    def _among(self, names: Collection[str]) -> set[str]:
        """Which of these ids were removed."""
        absent = set(names) - self._released
        new = absent - set(self._known)
        listed = {name for name in new if self._private.holds(name)}
        listed |= self._public.among(sorted(new - listed))
        self._known.update({name: name in listed for name in new})
        return {name for name in absent if self._known[name]}

    def _refuse_removed(self, release: Path, work: Workspace) -> None:
        """ValueError where the release was made before a removal: publishing it would undo that."""
        held = sum(map(self._private.holds, self._released))
        if held:
            raise ValueError(
                f"{release} still holds {held:,} ids that {work.removed_file} lists as removed on request: make it "
                "again with `twigma release` under a new --version"
            )


def _names(release: Path) -> Iterator[str]:
    """The ids of every row of a release, of posts and of images."""
    for path in twigma.read_manifest(release)["files"]:
        if not path.endswith(".parquet"):
            continue
        present = pq.read_schema(release / path).names
        keys = [name for name in columns.KEY if name in present]
        table = pq.read_table(release / path, columns=keys)
        for name in keys:
            yield from table[name].to_pylist()
