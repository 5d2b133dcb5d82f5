"""One file from its address to a path: an interrupted download resumes, and what arrives is checked before it counts.

The bytes are stored beside the goal, in a name that holds the checksum, and moved into place when they are complete.
Two processes that want the same file wait for each other. Used for Zenodo's record, datasets of the Hub, other files.
"""

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx2

from twigma.core.files import fsync, name_in_errors
from twigma.core.progress import ProgressBar, progress_bar
from twigma.core.services.backoff import BackoffPolicy, Retries
from twigma.core.services.deadline import ANSWER_SECONDS, Pace, TooSlow, within
from twigma.core.services.http import READ_TIMEOUT, require_safe_url, send
from twigma.core.services.outcomes import Answer, Failure
from twigma.core.services.user_agent import USER_AGENT

MOST_BYTES = 64 << 30  # of a file
RETRY = BackoffPolicy(attempts=6)  # in a row without a byte, or too slow
PARTIAL_CONTENT, NOTHING_MISSING = 206, 416
GIT_SHA1 = "git-sha1"  # the hash of a small file in a git repository


@dataclass(frozen=True)
class Source:
    """A file to fetch: its address, its name in messages, and what is known of it beforehand."""

    url: str
    name: str
    size: int | None = None
    most: int = MOST_BYTES
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Interrupted(OSError):  # noqa: N818 - it describes the transfer
    """A download that may be resumed: the server was busy, or ended before the file did."""

    def __init__(self, sentence: str, status: int = 0, retry_after: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after


def download(
    url: str,
    path: Path,
    *,
    size: int | None = None,
    checksum: str | None = None,
    headers: Mapping[str, str] | None = None,
    most: int = MOST_BYTES,
    client: httpx2.Client | None = None,
) -> Path:
    """Fetch a file to `path`, unless it is there; returns `path`.

    Parameters
    ----------
    size : bytes that the file is stated to have, where that is known.
    checksum : METHOD:HEX of its content, where METHOD is git-sha1 or one of hashlib's; None takes it as it comes.
    headers : of the request; an Authorization is not sent to another host that the server redirects to.
    most : bytes beyond which a file is refused.
    client : the HTTP client to ask with; a plain one by default.

    Raises
    ------
    ValueError when the content or size is another than stated, FileNotFoundError or PermissionError when the server
    says so, OSError when the transfer fails: the next call resumes it.
    """
    source = Source(url, path.name, size, most, dict(headers or {}))
    part = _part_of(path, checksum)
    while not is_file(path, checksum):
        require_safe_url(url, path.name, secret=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        with name_in_errors(path), part.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_open_at(part, file):
                continue  # another process has finished or deleted it meanwhile
            if is_file(path, checksum):  # likewise, before we made our part
                part.unlink()
                break
            file.seek(0, os.SEEK_END)
            if client is None:
                with httpx2.Client() as own:
                    _fill(file, source, own)
            else:
                _fill(file, source, client)
            _require_checksum(part, source.name, checksum)
            fsync(part)
            part.replace(path)
            break
    return path


def _is_open_at(path: Path, file: IO[bytes]) -> bool:
    """Whether an open file is still what this name leads to."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def is_file(path: Path, checksum: str | None) -> bool:
    """Whether a file exists with this content, or with any where no checksum is known."""
    if not path.exists():
        return False
    return checksum is None or digest(path, checksum.partition(":")[0]) == checksum


def digest(path: Path, method: str) -> str:
    """METHOD:HEX of a file; METHOD is git-sha1 or one of hashlib's."""
    if method == GIT_SHA1:
        data = path.read_bytes()
        header = f"blob {len(data)}\0".encode()
        value = hashlib.sha1(header + data, usedforsecurity=False).hexdigest()
    else:
        with path.open("rb") as file:
            value = hashlib.file_digest(file, method).hexdigest()
    return f"{method}:{value}"


def _part_of(path: Path, checksum: str | None) -> Path:
    """Where the bytes are stored until the file is complete; another content has another name."""
    value = (checksum or "unknown").rpartition(":")[2]
    return path.with_name(f".{path.name}.{value[:64]}.part")


def _require_checksum(part: Path, name: str, checksum: str | None) -> None:
    """ValueError unless the content is as stated; what is damaged is deleted."""
    if checksum is None:
        return
    actual = digest(part, checksum.partition(":")[0])
    if actual != checksum:
        part.unlink()
        raise ValueError(
            f"{name} is damaged: expected {checksum}, received {actual}; run again to download it again"
        )


# ------------------------------------------------------------------ the transfer


def _fill(file: IO[bytes], source: Source, client: httpx2.Client) -> None:
    """Append what is missing of a file, in as many requests as it takes while each brings something."""
    size = source.size
    if size is not None and size > source.most:
        raise ValueError(
            f"{source.name}: expected at most {source.most:,} bytes, its source states {size:,}"
        )
    retries = Retries(RETRY)
    with progress_bar(
        desc=source.name, total=size, initial=file.tell(), unit="B", unit_scale=True
    ) as bar:
        while size is None or file.tell() < size:
            before = file.tell()
            retries.start()
            try:
                size = _append_rest(file, source, client, bar)
                continue
            except (httpx2.TransportError, Interrupted, TooSlow) as error:
                failure: Exception = error
            finally:
                file.flush()
            progressed = file.tell() > before
            if progressed and not isinstance(failure, TooSlow):
                retries = Retries(RETRY)
                continue
            wait = retries.wait_after(_outcome(failure, source.url))
            if wait is None:
                raise _broke_off(failure, source, file.tell())
            time.sleep(wait)


def _outcome(failure: Exception, url: str) -> Answer | Failure:
    """A failed request as the retry policy knows it."""
    if isinstance(failure, Interrupted) and failure.status:
        headers = {"retry-after": failure.retry_after}
        return Answer(failure.status, headers, "", url)
    return Failure(str(failure))


def _broke_off(failure: Exception, source: Source, received: int) -> OSError:
    size = "" if source.size is None else f" of {source.size:,}"
    reason = str(failure) or type(failure).__name__
    return OSError(
        f"{source.name}: the download broke off at {received:,}{size} bytes ({reason}): run again to resume"
    )


def _append_rest(
    file: IO[bytes], source: Source, client: httpx2.Client, bar: ProgressBar
) -> int:
    """Request a file from where ours ends, or all of it from a server that cannot; the size of the whole file."""
    offset = file.tell()
    response = within(
        ANSWER_SECONDS, lambda: _request(client, source, offset), source.url
    )
    try:
        if offset and response.status_code == NOTHING_MISSING:
            return offset
        _refuse_errors(response, source)
        if offset and not _resumes_at(response, offset):
            offset = 0
            _empty(file)
            bar.reset()
        size = expected_size(response.headers.get("content-length"), offset, source)
        bar.total = size
        pace = Pace(source.name)
        for block in response.iter_raw():
            pace.add(len(block))
            if file.tell() + len(block) > size:
                _empty(file)
                raise ValueError(
                    f"{source.name}: the server sends more than the {size:,} bytes it stated: try again later"
                )
            file.write(block)
            bar.update(len(block))
        if file.tell() < size:
            raise Interrupted("the server ended before the file did")
        return size
    finally:
        response.close()


def _empty(file: IO[bytes]) -> None:
    file.seek(0)  # a file opened to append stays where it was
    file.truncate()


def _request(client: httpx2.Client, source: Source, offset: int) -> httpx2.Response:
    headers = httpx2.Headers({"User-Agent": USER_AGENT})
    headers.update(source.headers)  # names in any case
    headers["Accept-Encoding"] = "identity"
    if offset:
        headers["Range"] = f"bytes={offset}-"
    request = client.build_request(
        "GET", source.url, headers=headers, timeout=READ_TIMEOUT
    )
    return send(client, request, follow_redirects=True)


def _refuse_errors(response: httpx2.Response, source: Source) -> None:
    """Nothing where the file follows; else why it does not, and whether that may pass."""
    status = response.status_code
    if status in (200, PARTIAL_CONTENT):
        _refuse_page(response, source)
        return
    if status in (404, 410):
        raise FileNotFoundError(
            f"no file at {source.url} (HTTP {status}): is the address right?"
        )
    if status in (401, 403):
        raise PermissionError(f"{source.url} is not open to everybody (HTTP {status})")
    sentence = f"HTTP {status} for {source.url}"
    if status == 429 or status >= 500:
        raise Interrupted(sentence, status, response.headers.get("retry-after", ""))
    raise OSError(f"{sentence}: run again to resume")


def _refuse_page(response: httpx2.Response, source: Source) -> None:
    """OSError where a web page comes in the place of a file, as from a proxy or a login."""
    kind = response.headers.get("content-type", "")
    expected = source.name.lower().endswith((".html", ".htm"))
    if kind.startswith("text/html") and not expected:
        raise OSError(
            f"{source.name}: {response.request.url.copy_with(query=None)} sends a web page instead of the file: is a "
            "proxy or a login page in between?"
        )


def _resumes_at(response: httpx2.Response, offset: int) -> bool:
    """Whether the server sends the part that was asked for; where it does not say which, a 206 is believed."""
    if response.status_code != PARTIAL_CONTENT:
        return False
    stated = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    return stated is None or int(stated[1]) == offset


def expected_size(length: str | None, offset: int, source: Source) -> int:
    """The size of the whole file, by its source or by the Content-Length of what follows `offset`.

    ValueError where the two differ, neither is known, or it is more than may be fetched.
    """
    size = source.size
    if length is not None and length.isdigit():
        size = offset + int(length)
    if size is None:
        raise ValueError(
            f"{source.name}: the server does not say how large it is, so it is not fetched"
        )
    if source.size is not None and size != source.size:
        raise ValueError(
            f"{source.name}: expected {source.size:,} bytes, the server has {size:,}: is it the right file?"
        )
    if size > source.most:
        raise ValueError(
            f"{source.name}: expected at most {source.most:,} bytes, the server has {size:,}: is it the right file?"
        )
    return size
