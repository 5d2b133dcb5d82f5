"""A folder of this machine that mirrors one of an object store: what is new there comes, what is finished here goes.

The store keeps the rule of the folder, that a file which exists is finished: a file appears there whole, a tar before
its manifest, and of a release MANIFEST.json last. A run that was stopped has sent some files and not others; the next
one compares both sides and goes on.
"""

import contextlib
import filecmp
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TypeVar

from twigma.core.files import name_in_errors
from twigma.core.locks import partial_of
from twigma.core.names import join_names
from twigma.core.storage import file_kinds, page_owner
from twigma.core.storage.address import Address, mirror_folder
from twigma.core.storage.catalogue import Catalogue, stamp_of
from twigma.core.storage.file_kinds import (
    RANKS,
    RELEASE,
    is_derived,
    is_manifest,
    is_tar,
    rank,
    shared,
)
from twigma.core.storage.object_store import GoneError, ObjectStore
from twigma.core.storage.removed import Removals

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 8  # files that are copied at a time
NAMED = 20  # files in a message
SHARD = (".tar", ".parquet", ".json")  # in the order in which they are sent


class Mirror:
    """The mirror of one address; whoever uses it holds its lock.

    `opened` gives the removals of all mirrors that the process has open: a release is made of images of another one.
    """

    def __init__(
        self, address: Address, opened: Callable[[], Iterable[Removals]] | None = None
    ) -> None:
        self.address = address
        self.folder = mirror_folder(address)
        self.store = ObjectStore(address)
        self.catalogue = Catalogue(self.folder.parent, address.uri)
        self.removals = Removals(address, self.folder, self.store, self.catalogue)
        self.opened = opened or self._only_this
        self._lost: set[str] = set()  # groups of files that another machine sent first

    def _only_this(self) -> list[Removals]:
        return [self.removals]

    def name_of(self, path: Path) -> str:
        """What a file of the mirror is called in the store."""
        return path.relative_to(self.folder).as_posix()

    # ------------------------------------------------------------------ what is here

    def files(self) -> Iterator[str]:
        """The names of all files here that belong into the store."""
        for place, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for file in names:
                name = self.name_of(Path(place, file))
                if shared(name):
                    yield name

    def group_of(self, name: str) -> str | None:
        """The files of one run that this is one of; None for a file that is of use by itself."""
        return file_kinds.group_of(name, is_release=(self.folder / RELEASE).exists())

    def is_made(self, name: str) -> bool:
        """Whether this was made of images, and is made again by a command."""
        return is_derived(name) or self.group_of(name) is not None

    def is_unsent(self, name: str) -> bool:
        """Whether the store does not have a file like this, as far as is noted here."""
        entry = self.catalogue.find(name)
        return entry is None or entry.stamp != stamp_of(self.folder / name)

    def discard_made(self, before: float) -> None:
        """Delete what was made before a moment (ns) and is not in the store, as it may hold images removed since."""
        for name in [name for name in self.files() if self.is_made(name)]:
            stamp = stamp_of(self.folder / name)
            if stamp is not None and stamp.changed < before and self.is_unsent(name):
                (self.folder / name).unlink(missing_ok=True)
        for checkpoint in self.folder.glob("columns/*/.*.checkpoint"):
            if checkpoint.stat().st_mtime_ns < before:
                shutil.rmtree(checkpoint, ignore_errors=True)

    # ------------------------------------------------------------------ from the store

    @contextlib.contextmanager
    def fetched(self, name: str, size: int) -> Iterator[Path]:
        """Yield a copy of a file of the store, beside its place here, to compare or rename; GoneError without it."""
        path = self.folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with partial_of(path) as partial:
            with name_in_errors(path):
                self.store.read(name, size, partial)
            yield partial

    # ------------------------------------------------------------------ to the store

    def push(self) -> None:
        """Send every file that is not in the store like this, and delete there what was deleted here.

        RuntimeError where another machine changed the same, or removed images.
        """
        try:
            self._require_known()
        except RuntimeError:
            self.discard_made(math.inf)
            raise
        page_owner.claim(self.folder, self.catalogue.mirror_id())
        known = self.catalogue.entries()
        if known and not self.folder.exists() and RELEASE not in known:
            raise RuntimeError(
                f"the mirror below {self.folder.parent} was deleted while this command ran: nothing was deleted in "
                f"{self.address}; run again"
            )
        files = list(self.files())
        changed = list(filter(self.is_unsent, files))
        # Of the files of one run none is sent where another machine has sent one.
        in_order(self._is_lost, filter(self.group_of, changed), str)
        self._refuse_lost(filter(None, in_order(self.send, changed, str)))
        for name in known.keys() - set(files):
            # Tars come and go, and are deleted with a word of their manifest only.
            if known[name].stamp is not None and not is_tar(name):
                self.store.delete(name)
                self.catalogue.forget(name)
        self._drop_tars()

    def _require_known(self) -> None:
        """RuntimeError where another machine has removed images that this process may have open."""
        for removals in self.opened():
            removals.require_known()

    def send(self, name: str) -> str | None:
        """Send one file; its name where another machine has changed it meanwhile, so that it stays here."""
        path = self.folder / name
        stamp = stamp_of(path)
        entry = self.catalogue.find(name)
        if stamp is None or (entry is not None and entry.stamp == stamp):
            return None
        group = self.group_of(name)
        if group in self._lost:
            return name
        if group or not is_derived(name):
            if self._is_lost(name):
                return name
            if not self.is_unsent(name):
                return None  # another machine has sent the same
        if self.is_made(name):
            self._require_known()
        try:
            mark = self.store.write(path, name)
        except FileNotFoundError:
            return None  # deleted meanwhile
        self.catalogue.put(name, mark, stamp)
        if self.is_made(name):
            self._take_back_removed(name)
        if is_manifest(name):
            self._delete_freed(path)
        return None

    def _take_back_removed(self, name: str) -> None:
        """Delete what was sent just now where another machine removed images meanwhile; then RuntimeError."""
        try:
            self._require_known()
        except RuntimeError:
            self.store.delete(name)
            self.catalogue.forget(name)
            raise

    def _is_lost(self, name: str) -> bool:
        """Whether another machine has sent a file that is not the same as here; the same is noted."""
        there = self.store.mark(name)
        entry = self.catalogue.find(name)
        if there is None or there == (entry and entry.mark):
            return False
        path = self.folder / name
        try:
            with self.fetched(name, there.size) as partial:
                is_same = filecmp.cmp(partial, path, shallow=False)
        except GoneError:
            return False
        if is_same:
            self.catalogue.put(name, there, stamp_of(path))
            return False
        group = self.group_of(name)
        if group is not None:
            self._lost.add(group)
        return True

    def _refuse_lost(self, lost: Iterable[str]) -> None:
        names = sorted(lost)
        if names:
            were = "was" if len(names) == 1 else "were"
            raise RuntimeError(
                f"{join_names(names, NAMED)} in {self.address} {were} changed by another machine while this command "
                "ran: run it again"
            )

    def send_finished(self, path: Path) -> None:
        """Send a file that was finished just now; a manifest after its tar and sidecar, which were moved into place."""
        name = self.name_of(path)
        if not is_manifest(name):
            self._refuse_lost(filter(None, [self.send(name)]))
            return
        names = [str(PurePosixPath(name).with_suffix(kind)) for kind in SHARD]
        self._refuse_lost(filter(None, map(self.send, names)))
        self.drop(path.with_suffix(".tar"))

    def _delete_freed(self, manifest: Path) -> None:
        """Delete the tar in the store where `twigma free` has deleted it."""
        name = self.name_of(manifest.with_suffix(".tar"))
        if json.loads(manifest.read_bytes()).get("freed"):
            self.store.delete(name)
            self.catalogue.forget(name)

    def _drop_tars(self) -> None:
        for tar in self.folder.glob("shards/*.tar"):
            self.drop(tar)

    def drop(self, tar: Path) -> None:
        """Delete a tar here, if the store has it."""
        name = self.name_of(tar)
        entry = self.catalogue.find(name)
        if entry is not None and entry.stamp == stamp_of(tar):
            tar.unlink(missing_ok=True)
            self.catalogue.put(name, entry.mark, None)


def in_order(
    copy: Callable[[T], R], items: Iterable[T], name: Callable[[T], str]
) -> list[R]:
    """Copy files, several at a time, by their rank: a manifest says that the others are there."""
    results: list[R] = []
    items = sorted(items, key=name)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for turn in range(RANKS):
            group = [item for item in items if rank(name(item)) == turn]
            results += pool.map(copy, group)
    return results
