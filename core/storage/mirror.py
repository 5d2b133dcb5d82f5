"""A folder of this machine that mirrors one of an object store: what is new there comes, what is finished here goes.

The store keeps the rule of the folder, that a file which exists is finished: a file appears there whole, a tar before
its manifest, and of a release MANIFEST.json last. A run that was stopped has sent some files and not others; the next
one compares both sides and goes on.
"""

import filecmp
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TypeVar

from twigma.core.files import write_json
from twigma.core.names import join_names
from twigma.core.storage.address import Address, mirror_folder
from twigma.core.storage.catalogue import Catalogue, Entry, stamp_of
from twigma.core.storage.file_kinds import (
    LOCAL,
    is_derived,
    is_manifest,
    is_tar,
    partial_of,
    rank,
    shared,
)
from twigma.core.storage.object_store import Mark, ObjectStore

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 8  # files that are copied at a time
PAGES = "pages.json"  # says which machine has the pages and the ledger


class Mirror:
    """The mirror of one address; whoever uses it holds its lock."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.folder = mirror_folder(address)
        self.store = ObjectStore(address)
        self.catalogue = Catalogue(self.folder.parent, address.uri)

    def name_of(self, path: Path) -> str:
        """What a file of the mirror is called in the store."""
        return path.relative_to(self.folder).as_posix()

    # ------------------------------------------------------------------ from the store

    def pull(self) -> None:
        """Bring the mirror up to the store, but for tars; RuntimeError where both changed, or the store is empty."""
        known = self.catalogue.entries()
        there = {name: mark for name, mark in self.store.list().items() if shared(name)}
        if known and not there:
            raise RuntimeError(
                f"{self.address} is empty, and had {len(known):,} files: check the address and AWS_ENDPOINT_URL; if it "
                f"was emptied on purpose, delete {self.folder.parent}, which still has some of them"
            )
        self._discard_partial()
        conflicts: list[str] = []
        due = []
        for name, mark in there.items():
            entry = known.get(name)
            if is_tar(name):
                self._note_tar(name, mark, entry, conflicts)
            elif self._is_due(name, mark, entry):
                due.append((name, mark))
        conflicts += filter(None, _in_order(self._fetch, due, lambda item: item[0]))
        for name in known.keys() - there.keys():
            self._take_away(name, known[name], conflicts)
        if conflicts:
            raise RuntimeError(
                f"{join_names(sorted(conflicts), 3)} were changed both in {self.address} and in its mirror "
                f"{self.folder}: delete those in the mirror to take the others, and run again"
            )

    def _is_due(self, name: str, mark: Mark, entry: Entry | None) -> bool:
        """Whether the store has a version that is not here."""
        if entry is None or entry.mark != mark:
            return True
        return stamp_of(self.folder / name) is None

    def _fetch(self, item: tuple[str, Mark]) -> str | None:
        """Copy a file from the store; its name where that would lose one that was changed here."""
        name, mark = item
        path = self.folder / name
        entry = self.catalogue.find(name)
        before = stamp_of(path)
        is_ours = before is not None and (entry is None or before != entry.stamp)
        partial = partial_of(path)
        try:
            self.store.read(name, mark.size, partial)
            # A run that was stopped after it had sent the file could not note so.
            is_same = is_ours and filecmp.cmp(partial, path, shallow=False)
            if is_ours and not is_same and not is_derived(name):
                return name
            if not is_same:
                partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        self.catalogue.put(name, mark, stamp_of(path))
        return None

    def _note_tar(
        self, name: str, mark: Mark, entry: Entry | None, conflicts: list[str]
    ) -> None:
        """Note a tar of the store; an older one that was fetched from there is deleted here."""
        if entry is not None and entry.mark == mark:
            return
        path = self.folder / name
        stamp = stamp_of(path)
        if stamp is not None and entry is not None and stamp == entry.stamp:
            path.unlink()
            stamp = None
        # One of this size was sent by a run that could not note so; readers compare its hash.
        if stamp is not None and stamp.size != mark.size:
            conflicts.append(name)
            return
        self.catalogue.put(name, mark, stamp)

    def _take_away(self, name: str, entry: Entry, conflicts: list[str]) -> None:
        """Delete here what another machine deleted in the store."""
        path = self.folder / name
        stamp = stamp_of(path)
        if stamp not in (None, entry.stamp) and not is_derived(name):
            conflicts.append(name)
            return
        path.unlink(missing_ok=True)
        self.catalogue.forget(name)

    def _discard_partial(self) -> None:
        """Delete what processes that were killed left half fetched."""
        for partial in self.folder.rglob(".*.fetching"):
            process = partial.suffixes[-2][1:]
            if not Path("/proc", process).exists():
                partial.unlink(missing_ok=True)

    # ------------------------------------------------------------------ to the store

    def push(self) -> None:
        """Send every file that is not in the store like this, and delete there what was deleted here."""
        self._claim_pages()
        known = self.catalogue.entries()
        if known and not self.folder.exists() and "MANIFEST.json" not in known:
            raise RuntimeError(
                f"{self.folder} was deleted while this command ran: nothing was deleted in {self.address}; run again"
            )
        files = list(self._files())
        changed = []
        for name in files:
            entry = known.get(name)
            if entry is None or entry.stamp != stamp_of(self.folder / name):
                changed.append(name)
        _in_order(self.send, changed, str)
        for name in known.keys() - set(files):
            # Tars come and go, and are deleted with a word of their manifest only.
            if known[name].stamp is not None and not is_tar(name):
                self.store.delete(name)
                self.catalogue.forget(name)
        self._drop_tars()

    def send(self, name: str) -> None:
        """Send one file; RuntimeError where another machine has changed it meanwhile."""
        path = self.folder / name
        stamp = stamp_of(path)
        entry = self.catalogue.find(name)
        if stamp is None or (entry is not None and entry.stamp == stamp):
            return
        if not is_derived(name):
            there = self.store.mark(name)
            if there is not None and there != (entry and entry.mark):
                self._accept_equal(name, there)
                return
        try:
            mark = self.store.write(path, name)
        except FileNotFoundError:
            return  # deleted meanwhile
        self.catalogue.put(name, mark, stamp)
        if is_manifest(name):
            self._delete_freed(path)

    def _accept_equal(self, name: str, mark: Mark) -> None:
        """Note a file that another machine has sent meanwhile; RuntimeError unless it is the same as here."""
        path = self.folder / name
        partial = partial_of(path)
        try:
            self.store.read(name, mark.size, partial)
            if not filecmp.cmp(partial, path, shallow=False):
                raise RuntimeError(
                    f"{self.address}/{name} was changed by another machine while this command ran: run it again"
                )
        finally:
            partial.unlink(missing_ok=True)
        self.catalogue.put(name, mark, stamp_of(path))

    def send_finished(self, path: Path) -> None:
        """Send a file that was finished just now; a manifest after its tar and sidecar, which were moved into place."""
        name = self.name_of(path)
        if not is_manifest(name):
            self.send(name)
            return
        for suffix in (".tar", ".parquet"):
            self.send(str(PurePosixPath(name).with_suffix(suffix)))
        self.send(name)
        self.drop(path.with_suffix(".tar"))

    def _delete_freed(self, manifest: Path) -> None:
        """Delete the tar in the store where `twigma free` has deleted it."""
        name = self.name_of(manifest.with_suffix(".tar"))
        if json.loads(manifest.read_bytes()).get("freed"):
            self.store.delete(name)
            self.catalogue.forget(name)

    def _files(self) -> Iterator[str]:
        """The names of all files here that belong into the store."""
        for place, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for file in names:
                name = self.name_of(Path(place, file))
                if shared(name):
                    yield name

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

    # ------------------------------------------------------------------ pages, which stay here

    def require_pages(self) -> None:
        """RuntimeError where another machine has the pages and the ledger of this folder."""
        owner = self._pages_owner()
        if owner and owner["mirror"] != self.catalogue.mirror_id():
            raise RuntimeError(
                f"the pages and the ledger of {self.address} are on {owner['machine']} in {owner['folder']}: run this "
                f"command there, or copy {LOCAL[0]}/ and {LOCAL[1]} from there into {self.folder} and delete "
                f"{PAGES} in the store"
            )

    def _pages_owner(self) -> dict[str, str]:
        path = self.folder / PAGES
        return json.loads(path.read_bytes()) if path.exists() else {}

    def _claim_pages(self) -> None:
        """Say in the store that the pages are here, once there are any."""
        if not any((self.folder / name).exists() for name in LOCAL):
            return
        if not self._pages_owner():
            owner = {
                "machine": socket.gethostname(),
                "folder": str(self.folder),
                "mirror": self.catalogue.mirror_id(),
            }
            write_json(self.folder / PAGES, owner)


def _in_order(
    copy: Callable[[T], R], items: Iterable[T], name: Callable[[T], str]
) -> list[R]:
    """Copy files, several at a time; manifests last, as they say that the others are there."""
    results: list[R] = []
    items = sorted(items, key=name)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for turn in range(3):
            group = [item for item in items if rank(name(item)) == turn]
            results += pool.map(copy, group)
    return results
