"""Drafts and records of Zenodo: what `twigma publish zenodo` reads and makes there, in the terms of InvenioRDM."""

import os
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from twigma.builder.publish.zenodo_calls import TOKEN_VARIABLE, Calls, Record, not_sent
from twigma.builder.publish.zenodo_metadata import today
from twigma.core.progress import ProgressBar

INDEX_SECONDS = (1.0, 2.0, 4.0, 8.0)  # until a new draft is in the list of drafts
VERSIONS_PER_PAGE = 25  # as many as anybody may ask for


class Zenodo:
    """Records and drafts at one server. A context manager; errors are those of `Calls`."""

    def __init__(
        self, url: str, token: str | None = None, *, needs_token: bool
    ) -> None:
        token = token or os.environ.get(TOKEN_VARIABLE, "")
        if needs_token and not token:
            raise PermissionError(
                f"no Zenodo token: set ${TOKEN_VARIABLE} to one with the scopes deposit:write and deposit:actions"
            )
        self._calls = Calls(url, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._calls.http.close()

    # ------------------------------------------------------------------ reading

    def published(self, number: str, version: str) -> Record | None:
        """The published version of this name of a record, else its newest, with its files; None without a record."""
        newest = self._calls.find(f"/records/{number}/versions/latest")
        if newest is None:
            return None
        chosen = newest
        if version_of(newest) != version:
            # The list of versions is of a search index, which is a little behind.
            query = f"size={VERSIONS_PER_PAGE}&sort=version"
            listed = self._calls.call("GET", f"/records/{number}/versions?{query}")
            same = [hit for hit in _hits(listed) if version_of(hit) == version]
            chosen = [*same, newest][0]
        answer = self._calls.call("GET", f"/records/{chosen['id']}/files")
        return {**chosen, "files": _entries(answer)}

    def read_draft(self, number: str) -> Record | None:
        """A draft by its number; None when there is none, as after it was published."""
        return self._calls.find(f"/records/{number}/draft")

    def files(self, draft: Record) -> list[Record]:
        """The files of a draft, those without content included."""
        return _entries(self._calls.call("GET", f"{_draft(draft)}/files"))

    # ------------------------------------------------------------------ drafts

    def create(self, metadata: dict[str, Any]) -> Record:
        """A new draft."""
        title = metadata["title"]
        before = {hit["id"] for hit in self._own(title)}

        def look() -> Record | None:
            """A draft of this title that was not there before, and has no files yet: made by the call."""
            for seconds in INDEX_SECONDS:
                self._calls.http.pause(seconds)
                for hit in self._own(title):
                    is_new = hit["id"] not in before and not hit.get("is_published")
                    if is_new and not self.files(hit):
                        return hit
            return None

        body = {"files": {"enabled": True}, "metadata": metadata}
        return self._calls.post_once("/records", body, look)

    def new_version(self, number: str) -> Record:
        """The draft of the next version of a published record, with the files of the last."""
        # A draft that is there already is returned as it is: this may be repeated.
        draft = self._calls.post_once(f"/records/{number}/versions", None, lambda: None)

        def look() -> Record | None:
            """The draft, when the files have come."""
            return draft if self.files(draft) else None

        if not self.files(draft):
            self._calls.post_once(f"{_draft(draft)}/actions/files-import", None, look)
        return draft

    def reserve_doi(self, draft: Record) -> None:
        """Give a draft the DOI that it will have, unless it has one."""

        def look() -> Record | None:
            """The draft, when it has its DOI."""
            current = self.read_draft(draft["id"])
            return current if current and doi_of(current) else None

        if not doi_of(draft):
            path = f"{_draft(draft)}/pids/doi"
            draft.update(self._calls.post_once(path, None, look))

    def describe(self, draft: Record, version: str) -> None:
        """Set the version of a draft and today's date; title and authors stay as they are."""
        # What a PUT leaves out is deleted, so all that the draft has is sent back.
        body: Record = {}
        for name in ("access", "pids", "custom_fields"):
            if name in draft:
                body[name] = draft[name]
        body["files"] = {"enabled": True}
        body["metadata"] = {
            **draft["metadata"],
            "version": version,
            "publication_date": today(),
        }
        self._calls.call("PUT", _draft(draft), body)

    def publish(self, draft: Record) -> Record:
        """Make the draft public, for good; the record."""

        def look() -> Record | None:
            """The record, when it is published."""
            return self._calls.find(f"/records/{draft['id']}")

        path = f"{_draft(draft)}/actions/publish"
        return self._calls.post_once(path, None, look)

    def _own(self, title: str) -> list[Record]:
        """Records and drafts of this title that belong to the token's owner, newest first."""
        answer = self._calls.call("GET", "/user/records?size=100&sort=newest")
        return [hit for hit in _hits(answer) if _title(hit) == title]

    # ------------------------------------------------------------------ files of a draft

    def send(
        self, draft: Record, name: str, path: Path, md5: str, bar: ProgressBar
    ) -> None:
        """Send one file, in the place of the one of that name, complete or not; OSError unless it has this `md5`."""
        files = f"{_draft(draft)}/files"
        if self._file(draft, name) is not None:
            self.remove(draft, name)
        body = [{"key": name}]
        self._calls.post_once(files, body, lambda: self._file(draft, name))
        address = f"{files}/{quote(name)}"
        problem = self._calls.put_file(f"{address}/content", name, path, bar)

        def look() -> Record | None:
            """The file, when it is complete."""
            file = self._file(draft, name)
            return file if file and is_complete(file) else None

        try:
            committed = self._calls.post_once(f"{address}/commit", None, look)
        except OSError:
            if problem:
                raise not_sent(name, problem) from None
            raise
        if committed.get("checksum") != md5:
            raise OSError(
                f"{name} arrived damaged: expected {md5}, Zenodo has {committed.get('checksum')}; run again to send "
                "it once more"
            )

    def remove(self, draft: Record, name: str) -> None:
        """Take a file out of a draft, unless it is gone."""
        try:
            self._calls.call("DELETE", f"{_draft(draft)}/files/{quote(name)}")
        except FileNotFoundError:
            return  # an earlier try did it, and its answer was lost

    def _file(self, draft: Record, name: str) -> Record | None:
        """The file of this name in a draft, complete or not."""
        named = [file for file in self.files(draft) if file["key"] == name]
        return named[0] if named else None


# ------------------------------------------------------------------ what answers hold


def version_of(record: Record) -> str | None:
    """The version that a record or draft states."""
    version: str | None = record.get("metadata", {}).get("version")
    return version


def doi_of(record: Record) -> str:
    """The DOI of a record, or the one reserved for a draft; "" without one."""
    doi = (record.get("pids") or {}).get("doi") or {}
    return str(doi.get("identifier", ""))


def is_complete(file: Record) -> bool:
    """Whether the content of a file has been received and committed."""
    return bool(file.get("status") == "completed")


def _draft(draft: Record) -> str:
    return f"/records/{draft['id']}/draft"


def _title(record: Record) -> str | None:
    title: str | None = record.get("metadata", {}).get("title")
    return title


def _hits(answer: Record) -> list[Record]:
    hits: list[Record] = answer["hits"]["hits"]
    return hits


def _entries(answer: Record) -> list[Record]:
    entries: list[Record] = answer.get("entries", [])
    return entries
