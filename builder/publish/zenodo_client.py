"""Drafts and records of Zenodo: the calls of the InvenioRDM API that `twigma publish zenodo` needs.

Zenodo allows 100 calls a minute and answers 429 beyond, which is waited out. The token appears in no error.
"""

import datetime
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from twigma.core.progress import ProgressBar
from twigma.core.services.backoff import BackoffPolicy
from twigma.core.services.deadline import ANSWER_SECONDS, LEAST_SPEED
from twigma.core.services.http import ServiceClient
from twigma.core.services.outcomes import Answer, Failure

TITLE = "TWIGMA: AI-generated images posted on Twitter"
PAPER = "arXiv:2306.08310"
TOKEN_VARIABLE = "ZENODO_TOKEN"
RETRY = BackoffPolicy()
BLOCK = 1 << 20  # bytes sent at a time
JSON_TYPE = "application/vnd.inveniordm.v1+json"

Record = dict[str, Any]  # a record or draft, as the API describes it


class Zenodo:
    """The calls of the InvenioRDM API that a publication needs. A context manager."""

    def __init__(
        self, url: str, token: str | None = None, *, needs_token: bool
    ) -> None:
        token = token or os.environ.get(TOKEN_VARIABLE, "")
        if needs_token and not token:
            raise PermissionError(
                f"no Zenodo token: set ${TOKEN_VARIABLE} to one with the scope deposit:write"
            )
        self._has_token = bool(token)
        self._http = ServiceClient(
            "Zenodo",
            f"{url.rstrip('/')}/api",
            token,
            headers={"Accept": JSON_TYPE},
            policy=RETRY,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def published(self, record: str | None, version: str) -> Record | None:
        """The published record to compare with: the newest version of `record`, or our own of this title."""
        if record is not None:
            latest = self._call("GET", f"/records/{record}/versions/latest")
            return self._with_files(latest)
        mine = [hit for hit in self._mine() if hit.get("is_published")]
        if not mine:
            return None
        for hit in mine:
            if hit["metadata"].get("version") == version:
                return self._with_files(hit)
        number = mine[0]["id"]
        raise ValueError(
            f"record {number} is version {mine[0]['metadata'].get('version')} of this dataset: pass "
            f"--record {number} to publish {version} as its next version"
        )

    def _with_files(self, record: Record) -> Record:
        """A published record with the list of its files, in the place of a summary of them."""
        answer = self._call("GET", f"/records/{record['id']}/files")
        return {**record, "files": _entries(answer)}

    def draft(
        self, record: str | None, version: str, creators: Sequence[str]
    ) -> Record:
        """The draft to fill: the next version of a record, the one an earlier run left, or a new one."""
        if record is not None:
            # An existing draft is returned as it is.
            draft = self._call("POST", f"/records/{record}/versions")
            if not self.files(draft):
                self._call("POST", f"/records/{draft['id']}/draft/actions/files-import")
            return draft
        for hit in self._mine():
            is_draft = not hit.get("is_published")
            if is_draft and hit["metadata"].get("version") == version:
                return hit
        if not creators:
            raise ValueError(
                'a new record needs its authors: pass --creator "Family, Given", once for each'
            )
        body = {"files": {"enabled": True}, "metadata": _metadata(version, creators)}
        return self._call("POST", "/records", body)

    def reserve_doi(self, draft: Record) -> str:
        """The DOI that the draft will have, reserved if it is not yet; the draft is updated in place."""
        pids = draft.get("pids") or {}
        if "doi" not in pids:
            draft.update(self._call("POST", f"/records/{draft['id']}/draft/pids/doi"))
        return str(draft["pids"]["doi"]["identifier"])

    def files(self, draft: Record) -> list[dict[str, Any]]:
        """The files of a draft that have been received in full."""
        answer = self._call("GET", f"/records/{draft['id']}/draft/files")
        return [file for file in _entries(answer) if file.get("status") == "completed"]

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
            "publication_date": _today(),
        }
        self._call("PUT", f"/records/{draft['id']}/draft", body)

    def send(self, draft: Record, name: str, path: Path, bar: ProgressBar) -> None:
        """Send one file, in the place of the one of that name, complete or not."""
        files = f"/records/{draft['id']}/draft/files"
        listed = _entries(self._call("GET", files))
        if any(file["key"] == name for file in listed):
            self.remove(draft, name)
        self._call("POST", files, [{"key": name}])
        size = path.stat().st_size
        # Tried once: the next run sends the file again, from its start.
        outcome = self._http.try_once(
            "PUT",
            f"{files}/{name}/content",
            content=_blocks(path, bar),
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(size),
            },
            seconds=ANSWER_SECONDS + size / LEAST_SPEED,
        )
        if isinstance(outcome, Failure):
            raise OSError(
                f"{name} was not sent to Zenodo ({outcome.problem}); run again to resume"
            )
        _refuse_errors(outcome)
        self._call("POST", f"{files}/{name}/commit")

    def remove(self, draft: Record, name: str) -> None:
        """Take a file out of a draft."""
        self._call("DELETE", f"/records/{draft['id']}/draft/files/{name}")

    def publish(self, draft: Record) -> None:
        """Make the draft public, for good."""
        self._call("POST", f"/records/{draft['id']}/draft/actions/publish")

    def _mine(self) -> list[Record]:
        """Records and drafts of this dataset that belong to the token's owner, newest first."""
        if not self._has_token:
            return []
        answer = self._call("GET", "/user/records?size=100&sort=newest")
        return [
            hit
            for hit in answer["hits"]["hits"]
            if hit.get("metadata", {}).get("title") == TITLE
        ]

    def _call(self, method: str, path: str, body: Any = None) -> Record:
        """One call, with retries; PermissionError when the token is refused, OSError for any other error."""
        answer = self._http.call(method, path, json=body)
        _refuse_errors(answer)
        value: Record = answer.json()
        return value


def _refuse_errors(answer: Answer) -> None:
    if answer.status in (401, 403):
        raise PermissionError(
            f"Zenodo refuses the token (HTTP {answer.status}): ${TOKEN_VARIABLE} needs the scopes "
            "deposit:write and deposit:actions; zenodo.org and the sandbox have tokens of their own"
        )
    answer.refuse_errors()


def _entries(answer: dict[str, Any]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = answer.get("entries", [])
    return entries


def _blocks(path: Path, bar: ProgressBar) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
            bar.update(len(block))


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _metadata(version: str, creators: Sequence[str]) -> dict[str, Any]:
    people = []
    for name in creators:
        family, _, first = name.partition(",")
        family, first = family.strip(), first.strip()
        if not family or not first:
            raise ValueError(f'--creator: expected "Family, Given", found {name!r}')
        person = {"type": "personal", "family_name": family, "given_name": first}
        people.append({"person_or_org": person})
    return {
        "title": TITLE,
        "version": version,
        "publication_date": _today(),
        "publisher": "Zenodo",
        "resource_type": {"id": "dataset"},
        "rights": [{"id": "cc-by-4.0"}],
        "creators": people,
        "description": "Ids of AI-generated images posted on Twitter, with counts and columns computed from the "
        "pixels. No images, no text of posts, no user ids. README.md says how it was made and how to have one removed.",
        "related_identifiers": [
            {
                "identifier": PAPER,
                "scheme": "arxiv",
                "relation_type": {"id": "isdescribedby"},
                "resource_type": {"id": "publication-conferencepaper"},
            }
        ],
    }
