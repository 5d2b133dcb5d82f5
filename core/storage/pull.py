"""Brings a mirror up to its store: what is new there comes, what is gone there goes, what both changed is named."""

import filecmp

from twigma.core.locks import delete_abandoned
from twigma.core.names import join_names
from twigma.core.progress import notice
from twigma.core.storage.catalogue import Entry, stamp_of
from twigma.core.storage.file_kinds import (
    REMOVED,
    is_derived,
    is_tar,
    shared,
)
from twigma.core.storage.mirror import NAMED, Mirror, in_order
from twigma.core.storage.object_store import GoneError, Mark


class Pull:
    """One comparison of a mirror with its store."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def run(self, *, to_read: bool) -> None:
        """Bring the mirror up to the store, but for tars; RuntimeError where both changed, or the store is empty.

        `to_read`: where both changed, a notice says so.
        """
        known = self._mirror.catalogue.entries()
        listed = self._mirror.store.list()
        there = {name: mark for name, mark in listed.items() if shared(name)}
        if known and not there:
            raise RuntimeError(
                f"{self._mirror.address} is empty, and had {len(known):,} files: check the address and "
                f"AWS_ENDPOINT_URL; if it was emptied on purpose, delete {self._mirror.folder.parent}, which still "
                "has some of them"
            )
        delete_abandoned(self._mirror.folder.rglob(".*.partial"))
        conflicts = self._take_removed(there.get(REMOVED), known.get(REMOVED))
        due = []
        for name, mark in there.items():
            if is_tar(name):
                self._note_tar(name, mark, known.get(name), conflicts)
            elif name != REMOVED and self._is_due(name, mark, known.get(name)):
                due.append((name, mark))
        conflicts += filter(None, in_order(self._fetch, due, lambda item: item[0]))
        for name in known.keys() - there.keys():
            self._take_away(name, known[name], conflicts)
        conflicts = self._take_groups(conflicts, there)
        if conflicts:
            self._name_conflicts(sorted(conflicts), to_read)

    def _take_removed(self, mark: Mark | None, entry: Entry | None) -> list[str]:
        """Take what was removed first, and discard what was made here before; its name where both changed it."""
        conflicts: list[str] = []
        if mark is not None and self._is_due(REMOVED, mark, entry):
            conflicts += filter(None, [self._fetch((REMOVED, mark))])
        learnt = [removals.learnt() for removals in self._mirror.opened()]
        self._mirror.discard_made(max(learnt, default=0))
        return conflicts

    def _is_due(self, name: str, mark: Mark, entry: Entry | None) -> bool:
        """Whether the store has a version that is not here."""
        if entry is None or entry.mark != mark:
            return True
        return stamp_of(self._mirror.folder / name) is None

    def _fetch(self, item: tuple[str, Mark]) -> str | None:
        """Copy a file from the store; its name where that would lose one that was changed here."""
        name, mark = item
        path = self._mirror.folder / name
        entry = self._mirror.catalogue.find(name)
        before = stamp_of(path)
        is_ours = before is not None and (entry is None or before != entry.stamp)
        try:
            with self._mirror.fetched(name, mark.size) as partial:
                # A run that was stopped after it had sent the file could not note so.
                is_same = is_ours and filecmp.cmp(partial, path, shallow=False)
                if is_ours and not is_same and not self._is_either(name):
                    return name
                if not is_same:
                    partial.replace(path)
        except GoneError:
            if entry is not None and not is_ours:
                path.unlink(missing_ok=True)
                self._mirror.catalogue.forget(name)
            return None
        self._mirror.catalogue.put(name, mark, stamp_of(path))
        return None

    def _is_either(self, name: str) -> bool:
        """Whether of two versions either will do."""
        return is_derived(name) and self._mirror.group_of(name) is None

    def _take_groups(self, conflicts: list[str], there: dict[str, Mark]) -> list[str]:
        """Take the store's version of all files that are of one run; the other conflicts."""
        groups = {self._mirror.group_of(name) for name in conflicts} - {None}
        if not groups:
            return conflicts
        taken = []
        for name in {*conflicts, *self._mirror.files()}:
            if self._mirror.group_of(name) in groups and self._mirror.is_unsent(name):
                taken.append(name)
        for name in taken:
            (self._mirror.folder / name).unlink(missing_ok=True)
            self._mirror.catalogue.forget(name)
            if name in there:
                self._fetch((name, there[name]))
        notice(
            f"{self._mirror.address}: another machine made {join_names(sorted(taken), NAMED)} too, and sent it first: "
            "its version replaces the one that was made here"
        )
        return [name for name in conflicts if name not in taken]

    def _name_conflicts(self, names: list[str], to_read: bool) -> None:
        were, them = ("was", "it") if len(names) == 1 else ("were", "those files")
        sentence = (
            f"{join_names(names, NAMED)} {were} changed both in {self._mirror.address} and in its mirror below "
            f"{self._mirror.folder.parent}: delete {them} in the mirror to take what the store has, and run again"
        )
        if not to_read:
            raise RuntimeError(sentence)
        notice(sentence)

    def _note_tar(
        self, name: str, mark: Mark, entry: Entry | None, conflicts: list[str]
    ) -> None:
        """Note a tar of the store; an older one that was fetched from there is deleted here."""
        if entry is not None and entry.mark == mark:
            return
        path = self._mirror.folder / name
        stamp = stamp_of(path)
        if stamp is not None and entry is not None and stamp == entry.stamp:
            path.unlink()
            stamp = None
        # One of this size was sent by a run that could not note so; readers compare its hash.
        if stamp is not None and stamp.size != mark.size:
            conflicts.append(name)
            return
        self._mirror.catalogue.put(name, mark, stamp)

    def _take_away(self, name: str, entry: Entry, conflicts: list[str]) -> None:
        """Delete here what another machine deleted in the store."""
        path = self._mirror.folder / name
        stamp = stamp_of(path)
        if stamp not in (None, entry.stamp) and not self._is_either(name):
            conflicts.append(name)
            return
        path.unlink(missing_ok=True)
        self._mirror.catalogue.forget(name)
