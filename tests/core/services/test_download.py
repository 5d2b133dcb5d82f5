"""Downloads from loopback servers: checked, resumed, restarted, and given up where they drip or never end."""

import fcntl
import hashlib
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from support import loopback

from tests.core.services.test_deadline import answering
from tests.core.services.test_http import replying
from twigma.core.services import download as downloads
from twigma.core.services.backoff import BackoffPolicy
from twigma.core.services.download import Source, download, expected_size
from twigma.core.services.user_agent import USER_AGENT

DATA = random.Random(0).randbytes(300_000)
SHA256 = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
MD5 = f"md5:{hashlib.md5(DATA).hexdigest()}"


@contextmanager
def serving(
    *, ranges: bool = True, statuses: tuple[int, ...] = (), shift: int = 0
) -> Iterator[tuple[str, list[int]]]:
    """A server of DATA, with the offset of each request; first it answers with these statuses."""
    offsets: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = int(self.headers.get("Range", "bytes=0-")[6:-1])
            offsets.append(asked)
            if len(offsets) <= len(statuses):
                self.send_response(statuses[len(offsets) - 1])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            offset = asked + shift if asked and ranges else 0
            self.send_response(206 if offset else 200)
            if offset:
                stated = f"bytes {offset}-{len(DATA) - 1}/{len(DATA)}"
                self.send_header("Content-Range", stated)
            self.send_header("Content-Length", str(len(DATA) - offset))
            self.end_headers()
            self.wfile.write(DATA[offset:])

        def log_message(self, *_: Any) -> None:
            pass

    with loopback.Server(Handler) as server:
        yield f"{server.url}/file", offsets


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("twigma.core.services.deadline.PATIENCE", 0.3)
    monkeypatch.setattr(downloads, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(downloads, "RETRY", BackoffPolicy(attempts=2))


def part_of(path, checksum):
    return path.with_name(f".{path.name}.{checksum.partition(':')[2]}.part")


@pytest.mark.parametrize("checksum", [SHA256, MD5, None])
def test_a_file_is_downloaded_once(tmp_path, checksum):
    path = tmp_path / "folder" / "file"
    with serving() as (url, offsets):
        assert download(url, path, checksum=checksum) == path
        assert path.read_bytes() == DATA
        download(url, path, checksum=checksum)
    assert offsets == [0]
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_a_file_of_another_content_is_downloaded_again(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"the last version")
    with serving() as (url, _):
        download(url, path, checksum=MD5)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize(
    ("options", "sent"),
    [({}, [200_000]), ({"ranges": False}, [200_000]), ({"shift": 9}, [200_000])],
    ids=["resumes", "no ranges", "another range"],
)
def test_a_stopped_download_resumes_where_the_server_can(tmp_path, options, sent):
    """Also where the rest is larger than what is there: a restart must not count the old bytes."""
    path = tmp_path / "file"
    part_of(path, SHA256).write_bytes(DATA[:200_000])
    with serving(**options) as (url, offsets):
        if "shift" in options:
            with pytest.raises(ValueError, match=r"expected .* bytes, the server has"):
                download(url, path, checksum=SHA256, size=len(DATA))
            return
        download(url, path, checksum=SHA256, size=len(DATA))
    assert path.read_bytes() == DATA
    assert offsets == sent


def test_a_busy_server_is_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with serving(statuses=(503, 429)) as (url, offsets):
        download(url, tmp_path / "file", checksum=SHA256)
    assert offsets == [0, 0, 0]


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (404, FileNotFoundError, "no file at .*HTTP 404.*is the address right"),
        (403, PermissionError, "is not open to everybody"),
        (400, OSError, "HTTP 400 for .*run again to resume"),
    ],
)
def test_a_refusal_is_not_retried(tmp_path, status, error, sentence):
    with (
        serving(statuses=(status,)) as (url, offsets),
        pytest.raises(error, match=sentence),
    ):
        download(url, tmp_path / "file")
    assert offsets == [0]


def test_damaged_bytes_are_refused_and_deleted(tmp_path):
    with (
        serving() as (url, _),
        pytest.raises(ValueError, match="is damaged: expected md5:00, received"),
    ):
        download(url, tmp_path / "file", checksum="md5:00")
    assert not list(tmp_path.iterdir())


@contextmanager
def waiting_callers(count: int, url: str, path: Path, checksum: str) -> Iterator[Any]:
    """The unfinished file, held while so many callers wait for it; then what becomes of each is in the list."""
    ends: list[Path | Exception] = []

    def call() -> None:
        try:
            ends.append(download(url, path, checksum=checksum))
        except ValueError as error:
            ends.append(error)

    callers = [threading.Thread(target=call) for _ in range(count)]
    with part_of(path, checksum).open("ab") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        for caller in callers:
            caller.start()
        time.sleep(0.3)
        yield part, ends
    for caller in callers:
        caller.join()


def test_callers_who_waited_for_damaged_bytes_get_no_path_without_a_file(tmp_path):
    path = tmp_path / "file"
    with serving() as (url, _), waiting_callers(3, url, path, "md5:00") as (_, ends):
        pass
    assert [type(end) for end in ends] == [ValueError] * 3
    assert list(tmp_path.iterdir()) == []


def test_a_caller_who_waited_resumes_where_the_other_stopped(tmp_path):
    path = tmp_path / "file"
    with (
        serving() as (url, offsets),
        waiting_callers(2, url, path, MD5) as (part, ends),
    ):
        part.write(DATA[:1000])
    assert offsets == [1000] and ends == [path] * 2
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("raw", [b"", b"H"], ids=["body", "head"])
def test_a_download_that_drips_is_given_up(impatient, raw, tmp_path):
    started = time.monotonic()
    dripping = answering(b"x", head="Content-Length: 1000000\r\n", drip=b" ", raw=raw)
    with (
        dripping as (url, asked),
        pytest.raises(OSError, match=r"is too slow|no complete answer"),
    ):
        download(f"{url}/a.tar", tmp_path / "a.tar")
    assert len(asked) == 2
    assert time.monotonic() - started < 30


def test_a_download_has_a_stated_size(tmp_path):
    with (
        answering(b"x", drip=b"x") as (url, _),
        pytest.raises(ValueError, match="does not say how large it is"),
    ):
        download(f"{url}/a", tmp_path / "a")
    with answering(bytes(2000)) as (url, _):
        with pytest.raises(ValueError, match="expected at most 1,000 bytes"):
            download(f"{url}/b", tmp_path / "b", most=1000)
        with pytest.raises(ValueError, match=r"at most 1,000 bytes, its source states"):
            download(f"{url}/b", tmp_path / "b", most=1000, size=2000)


def test_more_than_the_stated_size_is_refused(tmp_path):
    with (
        answering(b"x", drip=b"y" * 40) as (url, _),
        pytest.raises(ValueError, match="sends more than the 50 bytes"),
    ):
        download(f"{url}/a", tmp_path / "a", size=50)


def test_sizes_that_differ_are_refused():
    source = Source("u", "a", size=15)
    assert expected_size("10", 5, source) == 15
    assert expected_size(None, 0, source) == 15
    with pytest.raises(ValueError, match="expected 15 bytes, the server has 20"):
        expected_size("20", 0, source)


def test_the_token_is_not_sent_to_the_store_of_files(tmp_path):
    seen: list[dict[str, str]] = []

    class Redirects(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    stored: list[dict[str, str]] = []

    class Store(Redirects):
        def do_GET(self) -> None:
            stored.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "1")
            self.end_headers()
            self.wfile.write(b"x")

    with loopback.Server(Redirects) as first, loopback.Server(Store) as second:
        target = f"{second.url}/x"
        secret = {"Authorization": "Bearer secret"}
        download(f"{first.url}/x", tmp_path / "x", headers=secret)
    assert "Authorization" in seen[0] and "Authorization" not in stored[0]


def test_a_web_page_is_not_taken_for_a_file(tmp_path):
    page = (200, {"Content-Type": "text/html; charset=utf-8"}, "<html>Log in</html>")
    with replying(page) as (url, calls):
        with pytest.raises(OSError, match=r"a\.csv: .* sends a web page instead of"):
            download(f"{url}/a.csv", tmp_path / "a.csv")
        assert download(f"{url}/a.html", tmp_path / "a.html").stat().st_size == 19
    assert not (tmp_path / "a.csv").exists()
    assert calls[0][2]["User-Agent"] == USER_AGENT
