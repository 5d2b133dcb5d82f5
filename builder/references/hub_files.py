"""One file from a dataset of the Hub, or from the web: a stopped download is gone on with; checked at the end.

The Hub's own client forgets what it has of a file when it is stopped, so the bytes are kept here, beside their goal,
and its session is asked for the rest. Used by `twigma reference add`.
"""

import contextlib
import fcntl
import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from http import HTTPStatus
from pathlib import Path
from typing import IO

import httpx2
from huggingface_hub import (
    HfApi,
    get_hf_file_metadata,
    get_session,
    hf_hub_url,
    hf_raise_for_status,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]
from huggingface_hub.utils.sha import git_hash

from twigma.core.files import fsync
from twigma.core.progress import ProgressBar, progress_bar
from twigma.core.services.deadline import ANSWER_SECONDS, Pace, TooSlow, within

RETRIES = 5  # in a row without a byte, or too slow
WAIT = 1.0  # seconds before the first of them, twice as long before each further one
TIMEOUT = 60.0  # seconds of silence
MOST_BYTES = 64 << 30  # of a file


def dataset_facts(
    repo: str, revision: str | None = None, endpoint: str | None = None
) -> tuple[str, str | None]:
    """The commit of a dataset that `revision` (a branch, tag or commit; else main) names, and its card's licence."""
    with _translate_errors(repo):
        api = HfApi(endpoint=endpoint)
        info = within(
            ANSWER_SECONDS, lambda: api.dataset_info(repo, revision=revision), repo
        )
    licence = None if info.card_data is None else info.card_data.get("license")
    return str(info.sha), ", ".join(licence) if isinstance(licence, list) else licence


def hub_files(
    repo: str, revision: str, patterns: tuple[str, ...], endpoint: str | None = None
) -> list[str]:
    """The files of a dataset repository that match one of `patterns`, sorted; FileNotFoundError when none does."""
    with _translate_errors(repo):
        api = HfApi(endpoint=endpoint)
        listing = ANSWER_SECONDS * 5  # of large repositories, in pages
        found = within(
            listing,
            lambda: api.list_repo_files(repo, repo_type="dataset", revision=revision),
            repo,
        )
    files = sorted(
        path
        for path in found
        if any(fnmatchcase(path, pattern) for pattern in patterns)
    )
    if not files:
        raise FileNotFoundError(
            f"{repo} at {revision} has no file like {' or '.join(patterns)}: found {found[:5]} …"
        )
    return files


def hub_file(
    repo: str, path: str, revision: str, folder: Path, endpoint: str | None = None
) -> Path:
    """Fetch one file of a dataset repository into `folder`, checked against the hash that the Hub states for it.

    ValueError when the bytes are others, OSError when the connection fails: the next run goes on.
    """
    headers = build_hf_headers(library_name="twigma")
    url = hf_hub_url(
        repo, path, repo_type="dataset", revision=revision, endpoint=endpoint
    )
    with _translate_errors(f"{repo}/{path}"):
        facts = within(
            ANSWER_SECONDS,
            lambda: get_hf_file_metadata(url, endpoint=endpoint),
            f"{repo}/{path}",
        )
        if httpx2.URL(facts.location).host != httpx2.URL(url).host:
            headers.pop(
                "authorization", None
            )  # the store of large files is another server
        goal = folder / path.replace("/", "_")
        return _fetch(facts.location, goal, headers, facts.size, str(facts.etag))


def web_file(url: str, folder: Path, checksum: str | None = None) -> Path:
    """Fetch a file from its address into `folder`; `checksum` is its MD5, SHA-1 or SHA-256 where one is known."""
    with _translate_errors(url):
        return _fetch(url, folder / Path(httpx2.URL(url).path).name, {}, None, checksum)


def _fetch(
    url: str,
    goal: Path,
    headers: dict[str, str],
    size: int | None,
    checksum: str | None,
) -> Path:
    if goal.exists():
        return goal
    goal.parent.mkdir(parents=True, exist_ok=True)
    part = goal.with_name(f".{goal.name}.{(checksum or 'unknown')[:64]}.part")
    with part.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if goal.exists():  # another run has finished it meanwhile
            return goal
        _fill(file, url, headers, size, goal.name)
        _check(part, goal.name, checksum)
        fsync(part)
        part.replace(goal)
    return goal


def _fill(
    file: IO[bytes], url: str, headers: Mapping[str, str], size: int | None, name: str
) -> None:
    """Append what is missing of a file; httpx2.HTTPError when the server stays silent, OSError when it says less.

    A server that is too slow is asked again as one that is silent. ValueError where it has more than it said.
    """
    failures, stated = 0, size
    with progress_bar(
        desc=name,
        total=size,
        initial=file.tell(),
        unit="B",
        unit_scale=True,
    ) as bar:
        while size is None or file.tell() < size:
            before = file.tell()
            try:
                size = _rest(file, url, headers, bar, stated)
                if file.tell() == before < size:
                    raise OSError(
                        f"{name}: the server ends at {before:,} of {size:,} bytes: run again to go on"
                    )
            except (httpx2.TransportError, TooSlow) as error:
                got_on = file.tell() > before and not isinstance(error, TooSlow)
                failures = 0 if got_on else failures + 1
                if failures > RETRIES:
                    raise
                time.sleep(WAIT * 2**failures)
            finally:
                file.flush()


def _rest(
    file: IO[bytes],
    url: str,
    headers: Mapping[str, str],
    bar: ProgressBar,
    stated: int | None,
) -> int:
    """Ask for a file from where it ends here on, or anew of a server that cannot; its whole size."""
    there = file.tell()
    asked = {**headers, "Accept-Encoding": "identity"} | (
        {"Range": f"bytes={there}-"} if there else {}
    )
    name = str(bar.desc).rstrip(": ")
    stream = get_session().stream(
        "GET", url, headers=asked, timeout=TIMEOUT, follow_redirects=True
    )
    answer = within(ANSWER_SECONDS, stream.__enter__, name)
    with contextlib.closing(answer):
        if there and answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return there  # nothing is missing
        hf_raise_for_status(answer)
        if there and answer.status_code != HTTPStatus.PARTIAL_CONTENT:
            there = file.truncate(0)
            bar.reset()
        size = _size(answer.headers.get("Content-Length"), there, stated, name)
        bar.total, pace = size, Pace(name)
        for block in answer.iter_raw():
            pace.at(len(block))
            if file.tell() + len(block) > size:
                file.truncate(0)
                raise ValueError(
                    f"{name}: the server sends more than the {size:,} bytes it said: run again later"
                )
            file.write(block)
            bar.update(len(block))
        return size


def _size(length: str | None, there: int, stated: int | None, name: str) -> int:
    """The whole size of a file: as the Hub stated it, or as the server says; ValueError where they differ."""
    if length is None and stated is None:
        raise ValueError(
            f"{name}: the server does not say how large it is, so it is not fetched"
        )
    size = stated if length is None or not length.isdigit() else there + int(length)
    if size is None or (stated is not None and size != stated) or size > MOST_BYTES:
        expected = f"{stated:,}" if stated is not None else f"at most {MOST_BYTES:,}"
        raise ValueError(
            f"{name}: expected {expected} bytes, the server has {size or 0:,}: is it the right file?"
        )
    return size


def _check(part: Path, name: str, checksum: str | None) -> None:
    """Compare with a stated hash, told by its length: MD5, git's hash of a small file, or SHA-256; else take it."""
    length = len(checksum or "")
    if length == 40:
        found = git_hash(part.read_bytes())
    elif length in (32, 64):
        with part.open("rb") as file:
            found = hashlib.file_digest(
                file, "md5" if length == 32 else "sha256"
            ).hexdigest()
    else:
        return
    if found != checksum:
        part.unlink()
        raise ValueError(
            f"{name} is damaged: expected the hash {checksum}, found {found}; run again to fetch it anew"
        )


@contextmanager
def _translate_errors(what: str) -> Iterator[None]:
    """What a server refuses, in a sentence that says what to do."""
    try:
        yield
    except GatedRepoError:
        raise PermissionError(
            f"{what} is open to those who accept its terms: do, then `hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise FileNotFoundError(
            f"the Hub has no dataset {what}, or lets only some see it: `hf auth login`"
        ) from None
    except EntryNotFoundError:
        raise FileNotFoundError(
            f"no file {what} is on the Hub: is the name, or the revision, right?"
        ) from None
    except HfHubHTTPError as error:
        raise OSError(
            f"HTTP {error.response.status_code} for {what}: run again to go on"
        ) from None
    except httpx2.HTTPError as error:
        raise OSError(
            f"no connection for {what} ({type(error).__name__}: {error}): run again to go on"
        ) from None
