import email.utils
import json
import logging
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from twigma.demo.platform import Platform
from twigma.rehydrate.x_api import ApiError, XClient, read_token

CANARY = "AAAAcanary0123456789token"
Answer = tuple[int, dict[str, str], str]
# The official OpenAPI spec, 2.166 (legacy) and 2.167 (current): what each endpoint and field list accepts.
PARAMETERS = {
    "/2/tweets": {"ids"},
    "/2/tweets/search/all": {"query", "start_time", "end_time", "since_id", "until_id", "max_results", "next_token"}
    | {"pagination_token", "sort_order"},
}
ACCEPTED = {
    "legacy": {
        "tweet.fields": "attachments author_id conversation_id created_at edit_controls edit_history_tweet_ids "
        "entities id lang note_tweet possibly_sensitive public_metrics referenced_tweets reply_settings text withheld",
        "expansions": "attachments.media_keys author_id edit_history_tweet_ids referenced_tweets.id "
        "referenced_tweets.id.attachments.media_keys referenced_tweets.id.author_id",
    },
    "current": {
        "post.fields": "attachments conversation_id created_at edit_controls entities id lang note_post "
        "possibly_sensitive public_metrics reply_settings text withheld",
        "expansions": "attachments.media_keys author_id edit_history_post_ids referenced_posts",
    },
}
BOTH = {
    "media.fields": "alt_text duration_ms height media_key preview_image_url public_metrics type url variants width",
    "user.fields": "created_at id protected public_metrics username verified withheld",
}


@contextmanager
def scripted(*answers: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn, the last one for ever; with the paths asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers[min(len(asked), len(answers) - 1)]
            asked.append(self.path)
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


def client(url: str, pauses: list[float] | None = None, **options: Any) -> XClient:
    """A client that notes its pauses and makes none."""
    return XClient(url, CANARY, sleep=(pauses if pauses is not None else []).append, **options)


@pytest.fixture(scope="module")
def ids(tiny_world: Path) -> list[str]:
    found: list[str] = pq.read_table(tiny_world / "posts.parquet")["id"].to_pylist()
    return found


@pytest.mark.parametrize("dialect", ["legacy", "current"])
@pytest.mark.parametrize("followers", [False, True])
def test_calls_ask_only_what_the_spec_accepts(tiny_world: Path, ids: list[str], dialect: Any, followers: bool) -> None:
    with Platform(tiny_world) as platform, client(platform.api_url, dialect=dialect) as x:
        page = x.lookup(ids, followers)
        found = x.search_all("#aiart", "2022-01-01T00:00:00Z", "2023-01-01T00:00:00Z", followers=followers)
        more = x.search_all("#aiart", "2022-01-01T00:00:00Z", "2023-01-01T00:00:00Z", None, max_results=10)
        x.search_all("#aiart", "2022-01-01T00:00:00Z", "2023-01-01T00:00:00Z", more["meta"]["next_token"])
    assert len(page["data"]) == 44 and len(found["data"]) > 10
    assert ("users" in page["includes"]) is followers and ("author_id" in page["data"][0]) >= followers
    accepted = ACCEPTED[dialect] | BOTH
    for path, params in platform.asked:
        assert set(params) <= PARAMETERS[path] | set(accepted)
        for name, values in accepted.items():
            assert set(params.get(name, values.split()[0]).split(",")) <= set(values.split()), name
        if path.endswith("all"):
            assert {"start_time", "end_time"} <= set(params)


def test_server_trouble_is_retried_with_jitter(tiny_world: Path, ids: list[str]) -> None:
    pauses: list[float] = []
    faults = {1: "503", 2: "drop", 3: "cut", 4: "503"}
    with Platform(tiny_world, faults=faults) as platform, client(platform.api_url, pauses) as x:
        assert x.lookup(ids[:1])["data"][0]["id"] == ids[0]
    assert len(platform.asked) == 5
    assert all(0 <= pause <= 2**n for n, pause in enumerate(pauses)) and len(set(pauses)) == 4


def test_retries_end_by_number_and_by_time(tiny_world: Path) -> None:
    with scripted((500, {}, "oops")) as (url, asked), client(url, attempts=3) as x:
        with pytest.raises(ApiError, match="no page from /2/tweets in 3 tries, last HTTP 500") as caught:
            x.lookup(["1"])
        assert (len(asked), caught.value.status, caught.value.reason) == (3, 500, "RetriesExhausted")
    with scripted((503, {"Retry-After": "40"}, "")) as (url, asked), client(url, pauses := [], patience=100) as x:
        with pytest.raises(ApiError, match="in 3 tries"):
            x.lookup(["1"])
        assert pauses == [40, 40]
    with client("http://127.0.0.1:9", attempts=2) as x, pytest.raises(ApiError, match="ConnectError") as caught:
        x.lookup(["1"])
    assert caught.value.status == 0


@pytest.mark.parametrize("off", [0, 3600, -86_400])
def test_a_used_up_limit_waits_for_the_reset_by_the_servers_clock(off: int) -> None:
    now = time.time() + off  # the server's clock is not ours
    limits = {
        "x-rate-limit-remaining": "0",
        "x-rate-limit-reset": str(int(now) + 60),
        "Date": email.utils.formatdate(now, usegmt=True),
    }
    script: list[Answer] = [
        (200, limits, "{}"),
        (429, limits | {"Content-Type": "text/plain"}, "Rate limit exceeded\n"),
    ]
    with scripted(*script, (200, {}, "{}")) as (url, asked), client(url, pauses := []) as x:
        assert x.lookup(["1"]) == {} and pauses == []
        assert x.lookup(["1"]) == {}
    assert len(asked) == 3
    assert pauses == pytest.approx([62, 62], abs=1.1)


def test_a_plain_429_waits_ten_seconds_and_gives_up_within_thirty(caplog: pytest.LogCaptureFixture) -> None:
    left = {"x-rate-limit-remaining": "17", "x-rate-limit-reset": str(int(time.time()) + 500)}
    with scripted((429, left, "slow down"), (200, {}, "{}")) as (url, _), client(url, pauses := []) as x:
        assert x.lookup(["1"]) == {} and pauses == [10]
    plain: Answer = (429, {}, "no headers at all")
    with scripted(plain) as (url, asked), client(url, pauses := []) as x, pytest.raises(ApiError, match="HTTP 429"):
        x.lookup(["1"])
    assert pauses == [10, 10] and len(asked) == 3
    assert "waiting 10 s" in caplog.text


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("usage-capped", 429, "UsageCapExceeded"),
        ("credits", 402, "CreditsDepleted"),
        ("spend-cap", 403, "SpendCapReached"),
    ],
)
def test_hard_stops_are_never_retried(tiny_world: Path, fault: str, status: int, reason: str) -> None:
    with (
        Platform(tiny_world, faults={1: fault}) as platform,
        client(platform.api_url, pauses := []) as x,
        pytest.raises(ApiError, match=f"{reason} .HTTP {status}.: {reason}: this account") as caught,
    ):
        x.lookup(["1"])
    assert (caught.value.status, caught.value.reason, len(platform.asked), pauses) == (status, reason, 1, [])


def test_a_usage_cap_without_headers_stops_at_once() -> None:
    body = (
        '{"title":"UsageCapExceeded","detail":"Monthly product cap","type":"https://api.x.com/2/problems/usage-capped"}'
    )
    with scripted((429, {}, body)) as (url, asked), client(url) as x, pytest.raises(ApiError, match="Monthly product"):
        x.search_all("#a", "s", "e")
    assert len(asked) == 1


def test_refusals_say_why_and_redirects_are_not_followed() -> None:
    with (
        scripted((401, {}, "")) as (url, _),
        client(url) as x,
        pytest.raises(PermissionError, match="refused the token"),
    ):
        x.lookup(["1"])
    refusal: Answer = (403, {}, '{"detail":"not enrolled"}')
    with scripted(refusal) as (url, _), client(url) as x, pytest.raises(ApiError, match=r"HTTP 403.: not enrolled"):
        x.lookup(["1"])
    with scripted((302, {"Location": "/elsewhere"}, "")) as (url, asked), client(url) as x:
        with pytest.raises(ApiError, match="HTTP 302"):
            x.lookup(["1"])
        assert len(asked) == 1


def test_search_is_paced_and_lookup_is_not() -> None:
    with scripted((200, {}, "{}")) as (url, _):
        with client(url, pauses := []) as x:
            for _ in range(3):
                x.search_all("#a", "s", "e")
                x.lookup(["1"])
        assert len(pauses) == 2 and all(0.5 < pause <= 1 for pause in pauses)
        with client(url, pauses := [], search_pace=0) as x:
            x.search_all("#a", "s", "e")
            x.search_all("#a", "s", "e")
        assert pauses == []


def test_what_cannot_be_asked_is_refused_before_the_call() -> None:
    with client("http://127.0.0.1:9") as x:
        for ids in ([], ["1"] * 101):
            with pytest.raises(ValueError, match=f"found {len(ids)}"):
                x.lookup(ids)
        with pytest.raises(ValueError, match="1024 characters, found 1025"):
            x.search_all("q" * 1025, "s", "e")
    with pytest.raises(ValueError, match="legacy or current"):
        client("https://api.x.com", dialect="modern")
    with pytest.raises(ValueError, match="expected an https URL"):
        client("http://api.x.com")


def test_the_token_shows_nowhere(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    echo = json.dumps({"detail": f"bad header Bearer {CANARY}", "data": []})
    caplog.set_level(logging.DEBUG)
    seen = []
    for script in ([(400, {}, echo)], [(402, {}, echo)], [(401, {}, echo)], [(500, {}, echo)], [(400, {}, CANARY)]):
        with scripted(*script) as (url, _), client(url, attempts=1) as x:
            with pytest.raises((ApiError, PermissionError)) as caught:
                x.lookup(["1"])
            trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            del trace.stack[0]  # this test, which holds the canary
            seen += ["".join(trace.format()), repr(x), repr(vars(x)["_http"].headers)]
    with scripted((200, {}, echo)) as (url, _), client(url) as x:
        seen.append(json.dumps(x.lookup(["1"])))
    for bad in (f"{CANARY}\nX: y", f"{CANARY} é"):
        with pytest.raises(ValueError, match="bearer token") as refused:
            XClient("https://api.x.com", bad)
        seen.append(str(refused.value))
    assert not [text for text in [*seen, caplog.text] if CANARY in text]


def test_read_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("X_BEARER_TOKEN", f" {CANARY}\n")
    assert read_token() == CANARY
    file = tmp_path / "token"
    file.write_text("other\n")
    file.chmod(0o644)
    with pytest.raises(PermissionError, match="mode 0644, so others can read the token: chmod 600"):
        read_token(file)
    file.chmod(0o600)
    assert read_token(file) == "other"
    file.write_text("")
    with pytest.raises(ValueError, match="expected a bearer token"):
        read_token(file)
    monkeypatch.delenv("X_BEARER_TOKEN")
    with pytest.raises(PermissionError, match=r"no X API token: set .X_BEARER_TOKEN"):
        read_token()
    (tmp_path / ".config/twigma").mkdir(parents=True)
    (tmp_path / ".config/twigma/x_token").write_text("third")
    (tmp_path / ".config/twigma/x_token").chmod(0o600)
    assert read_token() == "third"
