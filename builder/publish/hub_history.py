"""Where on the Hub rows are still to be had that were removed on request, and how they are erased there.

A tag keeps the files of its version, and every branch and tag the commits that lead to it. `--erase-history` deletes
tags whose version holds removed rows, gives the other tags and main a history of one commit, and deletes the large
files that no commit needs any more. What belongs to others (branches, pull requests, the Hub's own conversions) is
named and left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from twigma.builder.publish.hub_client import MAIN, HubRepository
from twigma.builder.publish.removed_rows import RemovedRows
from twigma.core import columns
from twigma.core.values import plural

PREFIX = "erase-history-of-"  # of branches that exist while a tag gets a new history


@dataclass(frozen=True)
class Place:
    """A tag, branch or other reference through which removed rows can be downloaded; `rows` is how many at most.

    `remedy` says what to do about it; it is empty where `--erase-history` does it.
    """

    name: str
    rows: int
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.name}: {plural(self.rows, 'removed row')}"
        return f"{text}; {self.remedy}" if self.remedy else text


@dataclass(frozen=True)
class Survey:
    """What a repository still holds, and what erases it."""

    places: tuple[Place, ...] = ()
    delete: tuple[str, ...] = ()  # tags of versions with removed rows
    detach: tuple[str, ...] = ()  # tags of other versions, made after those
    squash: bool = False  # main


class History:
    """The past of a repository, searched for removed rows; files are downloaded once."""

    def __init__(self, hub: HubRepository, removed: RemovedRows) -> None:
        self._hub = hub
        self._removed = removed
        self._rows_of_file: dict[str, int] = {}
        self._rows_of_commit: dict[str, int] = {}
        self._files_of_commit: dict[str, set[str]] = {}

    def survey(self) -> Survey:
        """Every place where removed rows are; nothing is read where nothing was ever removed."""
        if not self._removed:
            return Survey()
        refs = self._hub.refs()
        places: list[Place] = []
        delete: list[str] = []
        detach: list[str] = []
        for ref in refs.tags:
            newest, rows = self._rows(ref.target_commit)
            if newest:
                places.append(Place(f"tag {ref.name}", newest))
                delete.append(ref.name)
            elif rows:
                places.append(Place(f"the commits before tag {ref.name}", rows))
                detach.append(ref.name)
        squash = False
        for ref in refs.branches:
            _, rows = self._rows(ref.target_commit)
            if ref.name == MAIN and rows:
                places.append(Place("main and its history", rows))
                squash = True
            elif ref.name.startswith(PREFIX):
                detach.append(ref.name.removeprefix(PREFIX))
            elif rows:
                remedy = "somebody made this branch: delete it on the Hub"
                places.append(Place(f"branch {ref.name}", rows, remedy))
        places += self._beyond_reach(refs)
        return Survey(
            tuple(places), tuple(delete), tuple(dict.fromkeys(detach)), squash
        )

    def _beyond_reach(self, refs: Any) -> Iterator[Place]:
        """Places that nobody but the Hub can change."""
        for ref in refs.converts:
            _, rows = self._rows(ref.target_commit)
            if rows:
                remedy = "the Hub makes this copy itself: ask datasets@huggingface.co to rebuild it"
                yield Place(ref.ref, rows, remedy)
        for ref in refs.pull_requests or []:
            _, rows = self._rows(ref.target_commit)
            if rows:
                remedy = "close it, and ask website@huggingface.co to delete it"
                yield Place(f"pull request {ref.ref}", rows, remedy)

    def erase(self) -> int:
        """Erase what can be erased, and return how many large files were deleted.

        It resumes where an earlier run stopped. Old commits cannot be restored afterwards.
        """
        if not self._removed:
            return 0
        found = self.survey()
        for tag in found.delete:
            self._hub.delete_tag(tag)
        for tag in found.detach:
            self._detach(tag)
        if found.squash:
            self._hub.squash(MAIN, "History erased: rows were removed on request")
        return self._delete_unused_files()

    def _detach(self, tag: str) -> None:
        """Move a tag to a commit of the same files without a past."""
        branch = f"{PREFIX}{tag}"
        if branch not in self._hub.branches():
            self._hub.branch(branch, tag)
        self._hub.squash(branch, f"Release {tag}")
        if tag in self._hub.tags():
            self._hub.delete_tag(tag)
        self._hub.tag(tag, branch)
        self._hub.delete_branch(branch)

    def _delete_unused_files(self) -> int:
        """Delete the large tables that no commit of any reference needs; how many."""
        stored = self._hub.stored_files()
        needed = self._needed_files()
        listed = {name for file in stored for name in _hashes(file)}
        if self._files_of_commit[self._hub.commits(MAIN)[0]] - listed:
            raise OSError(
                f"{self._hub.name}: the Hub lists stored files under other names than its commits do: none is deleted; "
                "delete old ones under Settings, List LFS files"
            )
        unused = []
        for file in stored:
            if file.filename.endswith(".parquet") and not _hashes(file) & needed:
                unused.append(file)
        if unused:
            self._hub.delete_stored(unused)
        return len(unused)

    def _needed_files(self) -> set[str]:
        """SHA-256 of every large file of every commit that a reference leads to."""
        refs = self._hub.refs()
        needed: set[str] = set()
        every = (refs.branches, refs.tags, refs.converts, refs.pull_requests or [])
        for group in every:
            for ref in group:
                for commit in self._hub.commits(ref.target_commit):
                    self._look_at(commit)
                    needed |= self._files_of_commit[commit]
        return needed

    def _rows(self, commit: str) -> tuple[int, int]:
        """Removed rows in the files of a commit, and the most in any commit that leads to it, itself included."""
        counts = [self._look_at(each) for each in self._hub.commits(commit)]
        return counts[0], max(counts)

    def _look_at(self, commit: str) -> int:
        """Removed rows in the files of a commit."""
        if commit not in self._rows_of_commit:
            files = self._hub.info(commit).siblings
            self._files_of_commit[commit] = {
                file.lfs.sha256 for file in files if file.lfs is not None
            }
            counts = [self._rows_in(file, commit) for file in _tables(files)]
            self._rows_of_commit[commit] = sum(counts)
        return self._rows_of_commit[commit]

    def _rows_in(self, file: Any, commit: str) -> int:
        key = file.blob_id if file.lfs is None else file.lfs.sha256
        if key not in self._rows_of_file:
            rows = self._hub.read_columns(file.rfilename, commit, columns.KEY)
            self._rows_of_file[key] = self._removed.count(rows)
        return self._rows_of_file[key]


def _tables(files: list[Any]) -> list[Any]:
    """The tables to search: those of metadata, which name every image; all where a commit has none of these."""
    tables = [file for file in files if file.rfilename.endswith(".parquet")]
    metadata = [file for file in tables if _is_metadata(file.rfilename)]
    return metadata or tables


def _is_metadata(path: str) -> bool:
    return PurePosixPath(path).name.startswith("metadata")


def _hashes(file: Any) -> set[str]:
    """The hashes by which the Hub may call a stored file."""
    return {name.removeprefix("sha256:") for name in (file.oid, file.file_oid)}
