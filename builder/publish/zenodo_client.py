"""Drafts and records of Zenodo: the calls of the InvenioRDM API that `twigma publish zenodo` needs.

Zenodo allows 100 calls a minute and says 429 beyond: such a call is made again when it may. The token appears in no
error.
"""

import datetime
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2

import twigma
from twigma.core.progress import ProgressBar
from twigma.core.safety.bounded import load_json
from twigma.core.services.deadline import (
    ANSWER_SECONDS,
    LEAST_SPEED,
    TooSlow,
    read_answer,
    within,
)

TITLE = "TWIGMA: AI-generated images posted on Twitter"
PAPER = "arXiv:2306.08310"
TOKEN_VARIABLE = "ZENODO_TOKEN"
TRIES, PAUSE, LONGEST, BLOCK = (
    5,
    2.0,
    60.0,
    1 << 20,
)  # of one call, seconds between them, bytes sent at a time


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
        self._token = token
        headers = {
            "Accept": "application/vnd.inveniordm.v1+json",
            "User-Agent": f"twigma/{twigma.__version__}",
        }
        headers |= {"Accept-Encoding": "gzip"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx2.Client(
            base_url=f"{url.rstrip('/')}/api",
            headers=headers,
            timeout=60,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def published(self, record: str | None, version: str) -> dict[str, Any] | None:
        """The published record to compare with: the newest version of `record`, or our own of this title."""
        if record is not None:
            latest = self._call("GET", f"/records/{record}/versions/latest")
            return latest | {
                "files": _entries(self._call("GET", f"/records/{latest['id']}/files"))
            }
        mine = [hit for hit in self._mine() if hit.get("is_published")]
        if not mine:
            return None
        same = next(
            (hit for hit in mine if hit["metadata"].get("version") == version), None
        )
        if same is None:
            raise ValueError(
                f"record {mine[0]['id']} is version {mine[0]['metadata'].get('version')} of this dataset: pass "
                f"--record {mine[0]['id']} to publish {version} as its next version"
            )
        return same | {
            "files": _entries(self._call("GET", f"/records/{same['id']}/files"))
        }

    def draft(
        self, record: str | None, version: str, creators: Sequence[str]
    ) -> dict[str, Any]:
        """The draft to fill: the next version of a record, the one an earlier run left, or a new one."""
        if record is not None:
            draft = self._call(
                "POST", f"/records/{record}/versions"
            )  # gives the draft there is, if there is one
            if not self.files(draft):
                self._call("POST", f"/records/{draft['id']}/draft/actions/files-import")
            return draft
        for hit in self._mine():
            if (
                not hit.get("is_published")
                and hit["metadata"].get("version") == version
            ):
                return hit
        if not creators:
            raise ValueError(
                'a new record needs its authors: pass --creator "Family, Given", once for each'
            )
        return self._call(
            "POST",
            "/records",
            {"files": {"enabled": True}, "metadata": _metadata(version, creators)},
        )

    def reserve_doi(self, draft: dict[str, Any]) -> str:
        """The DOI the draft will have, reserved if it is not yet."""
        if "doi" not in (draft.get("pids") or {}):
            draft |= self._call("POST", f"/records/{draft['id']}/draft/pids/doi")
        return str(draft["pids"]["doi"]["identifier"])

    def files(self, draft: dict[str, Any]) -> list[dict[str, Any]]:
        """The files of a draft that have arrived whole."""
        found = _entries(self._call("GET", f"/records/{draft['id']}/draft/files"))
        return [file for file in found if file.get("status") == "completed"]

    def describe(self, draft: dict[str, Any], version: str) -> None:
        """Give the draft this version and today's date; title and authors stay as they are."""
        metadata = draft["metadata"] | {
            "version": version,
            "publication_date": _today(),
        }
        kept = {
            name: draft[name]
            for name in ("access", "files", "pids", "custom_fields")
            if name in draft
        }
        self._call(
            "PUT",
            f"/records/{draft['id']}/draft",
            kept | {"files": {"enabled": True}, "metadata": metadata},
        )

    def send(
        self, draft: dict[str, Any], name: str, path: Path, bar: ProgressBar
    ) -> None:
        """Send one file in the place of the one of that name, whole or half."""
        files = f"/records/{draft['id']}/draft/files"
        if any(file["key"] == name for file in _entries(self._call("GET", files))):
            self.remove(draft, name)
        self._call("POST", files, [{"key": name}])
        with self._told():
            content = _blocks(path, bar)
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(path.stat().st_size),
            }
            seconds = ANSWER_SECONDS + path.stat().st_size / LEAST_SPEED
            self._check(
                *self._ask(
                    "PUT",
                    f"{files}/{name}/content",
                    seconds,
                    content=content,
                    headers=headers,
                )
            )
        self._call("POST", f"{files}/{name}/commit")

    def remove(self, draft: dict[str, Any], name: str) -> None:
        """Take a file out of a draft."""
        self._call("DELETE", f"/records/{draft['id']}/draft/files/{name}")

    def publish(self, draft: dict[str, Any]) -> None:
        """Make the draft public, for good."""
        self._call("POST", f"/records/{draft['id']}/draft/actions/publish")

    def _mine(self) -> list[dict[str, Any]]:
        """Records and drafts of this dataset that belong to the token's owner, newest first."""
        if not self._token:
            return []
        found = self._call("GET", "/user/records?size=100&sort=newest")
        return [
            hit
            for hit in found["hits"]["hits"]
            if hit.get("metadata", {}).get("title") == TITLE
        ]

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One call, tried again where Zenodo asks for it: it allows 100 a minute."""
        for left in reversed(range(TRIES)):
            with self._told():
                response, text = self._ask(method, path, ANSWER_SECONDS, json=body)
            if left and (response.status_code == 429 or response.status_code >= 500):
                asked = response.headers.get("retry-after", "")
                time.sleep(min(float(asked) if asked.isdigit() else PAUSE, LONGEST))
                continue
            break
        self._check(response, text)
        value: dict[str, Any] = load_json(text) if text else {}
        return value

    def _ask(
        self, method: str, path: str, seconds: float, **body: Any
    ) -> tuple[httpx2.Response, str]:
        """One answer and its text, which ends in time and is no larger than any of Zenodo's."""

        def ask() -> tuple[httpx2.Response, str]:
            with self._http.stream(method, path, **body) as response:
                encoding = response.headers.get("content-encoding", "")
                data = read_answer(
                    response.iter_raw(), encoding, "Zenodo", seconds=seconds
                )
            return response, data.decode("utf-8", "replace")

        return within(seconds, ask, "Zenodo")

    def _check(self, response: httpx2.Response, text: str) -> None:
        if response.status_code in (401, 403):
            raise PermissionError(
                f"Zenodo refuses the token (HTTP {response.status_code}): ${TOKEN_VARIABLE} needs the scopes "
                "deposit:write and deposit:actions; zenodo.org and the sandbox have tokens of their own"
            )
        if response.is_error:
            said = text[:300].replace(self._token or "\0", "***")
            raise OSError(
                f"Zenodo answers HTTP {response.status_code} for {response.request.url.path}: {said}"
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.HTTPError, TooSlow, ValueError, zlib.error) as error:
            what = f"{type(error).__name__}: {error}"
            raise OSError(
                f"no connection to Zenodo ({what}); run again to go on"
            ) from None


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
        family, comma, given = (part.strip() for part in name.partition(","))
        if not (family and comma and given):
            raise ValueError(f'--creator: expected "Family, Given", found {name!r}')
        people.append(
            {
                "person_or_org": {
                    "type": "personal",
                    "family_name": family,
                    "given_name": given,
                }
            }
        )
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
