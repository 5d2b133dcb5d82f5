import email.utils
import json
import logging
import re
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support import loopback

from twigma.builder.collect.collect import collect
from twigma.demo.platform.server import Platform
from twigma.rehydrate.sources.x.bearer_token import read_token
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup
from twigma.rehydrate.sources.x.refusals import ApiError

CANARY = "AAAAcanary0123456789token"
Answer = tuple[int, dict[str, str], str]
ONE = '{"data":[{"id":"1"}],"meta":{"result_count":1}}'
SPEC = json.loads(Path(__file__).with_name("x_spec.json").read_text("utf-8"))


@contextmanager
def scripted(*answers: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn, the last one for ever; with the paths asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers[min(len(asked), len(answers) - 1)]
            asked.append(self.path)
            self.send_response_only(status)
            for name, value in {
                "Content-Length": str(len(body.encode())),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with loopback.Server(Handler) as server:
        yield server.url, asked


def client(url: str, pauses: list[float] | None = None, **options: Any) -> XClient:
    """A client that notes its pauses and makes none."""
    return XClient(
        url, CANARY, sleep=(pauses if pauses is not None else []).append, **options
    )


@pytest.fixture(scope="module")
def ids(tiny_world: Path) -> list[str]:
    found: list[str] = pq.read_table(tiny_world / "posts.parquet")["id"].to_pylist()
    return found


def faults_by_the_spec(path: str, params: dict[str, str], dialect: str) -> list[str]:
    """What X's own description of its API does not accept in a call."""
    fields, parameters = SPEC["fields"][dialect], SPEC["parameters"][path]
    wrong = [name for name in params if name not in fields and name not in parameters]
    wrong += [
        name
        for name in parameters
        if name in params and not re.fullmatch(parameters[name], params[name])
    ]
    return wrong + [
        f"{name}: {value}"
        for name in fields.keys() & params.keys()
        for value in params[name].split(",")
        if value not in fields[name].split()
    ]


def test_the_spec_refuses_what_the_other_dialect_says() -> None:
    asked = {
        "ids": "1,x",
        "tweet.fields": "author_id,likes",
        "expansions": "referenced_tweets.id",
        "limit": "3",
    }
    assert faults_by_the_spec("/2/tweets", asked, "legacy") == [
        "limit",
        "ids",
        "tweet.fields: likes",
    ]
    assert faults_by_the_spec("/2/tweets", {"post.fields": "author_id"}, "current") == [
        "post.fields: author_id"
    ]
    assert "tweet.fields" in faults_by_the_spec("/2/tweets", asked, "current")
    assert faults_by_the_spec(
        "/2/tweets/search/all", {"max_results": "9"}, "legacy"
    ) == ["max_results"]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest pages X gives, so that a search has several."""
    monkeypatch.setattr("twigma.builder.collect.collect.POSTS_PER_PAGE", 10)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("dialect", ["legacy", "current"])
@pytest.mark.parametrize("followers", [False, True])
def test_a_look_up_and_a_search_ask_only_what_the_spec_accepts(
    tiny_world: Path, ids: list[str], tmp_path: Path, dialect: Any, followers: bool
) -> None:
    many = [*ids, *(str(10**18 + n) for n in range(60))]
    with (
        Platform(tiny_world) as platform,
        client(platform.api_url, dialect=dialect) as x,
    ):
        looked = lookup(tmp_path / "ids", many, x, followers, budget=100)
        found = collect(
            tmp_path / "tags",
            ["aiart", "dalle"],
            "2022-01-01",
            "2022-12-31",
            x,
            followers=followers,
        )
    assert looked.outcomes["found"] == 44 and found.done and found.pages == 3
    assert [path for path, _ in platform.asked] == ["/2/tweets"] * 3 + [
        "/2/tweets/search/all"
    ] * 3
    for path, params in platform.asked:
        assert faults_by_the_spec(path, params, dialect) == []
        assert path == "/2/tweets" or {"start_time", "end_time"} <= set(
            params
        )  # X would search thirty days
        assert (
            ("author_id" in params["expansions"])
            is ("user.fields" in params)
            is followers
        )
    assert "next_token" in platform.asked[-1][1]


def test_server_trouble_is_retried_with_jitter(
    tiny_world: Path, ids: list[str]
) -> None:
    pauses: list[float] = []
    faults = {1: "503", 2: "drop", 3: "cut", 4: "503"}
    with (
        Platform(tiny_world, faults=faults) as platform,
        client(platform.api_url, pauses) as x,
    ):
        assert x.lookup(ids[:1])["data"][0]["id"] == ids[0]
    assert len(platform.asked) == 5
    assert (
        all(0 <= pause <= 2**n for n, pause in enumerate(pauses))
        and len(set(pauses)) == 4
    )


def test_retries_end_by_number_and_by_time(tiny_world: Path) -> None:
    with scripted((500, {}, "oops")) as (url, asked), client(url, attempts=3) as x:
        with pytest.raises(
            ApiError, match="no page from /2/tweets in 3 tries, last HTTP 500"
        ) as caught:
            x.lookup(["1"])
        assert (len(asked), caught.value.status, caught.value.reason) == (
            3,
            500,
            "RetriesExhausted",
        )
    with (
        scripted((503, {"Retry-After": "40"}, "")) as (url, asked),
        client(url, pauses := [], patience=100) as x,
    ):
        with pytest.raises(ApiError, match="in 3 tries"):
            x.lookup(["1"])
        assert pauses == [40, 40]
    with (
        client("http://127.0.0.1:9", attempts=2) as x,
        pytest.raises(ApiError, match="ConnectError") as caught,
    ):
        x.lookup(["1"])
    assert caught.value.status == 0


def test_a_login_page_in_the_place_of_x_is_named_as_one() -> None:
    page = (200, {"Content-Type": "text/html; charset=utf-8"}, "<html>Wi-Fi</html>")
    words = "with text/html that is no page .*: is a proxy or a login page in between"
    with scripted(page) as (url, asked), client(url, attempts=2) as x:
        with pytest.raises(ApiError, match=words):
            x.lookup(["1"])
        assert len(asked) == 2


@pytest.mark.parametrize("off", [0, 3600, -86_400])
def test_a_used_up_limit_waits_for_the_reset_by_the_servers_clock(off: int) -> None:
    now = time.time() + off  # the server's clock is not ours
    limits = {
        "x-rate-limit-remaining": "0",
        "x-rate-limit-reset": str(int(now) + 60),
        "Date": email.utils.formatdate(now, usegmt=True),
    }
    script: list[Answer] = [
        (200, limits, ONE),
        (429, limits | {"Content-Type": "text/plain"}, "Rate limit exceeded\n"),
    ]
    with (
        scripted(*script, (200, {}, ONE)) as (url, asked),
        client(url, pauses := []) as x,
    ):
        assert x.lookup(["1"]) == json.loads(ONE) and pauses == []
        assert x.lookup(["1"]) == json.loads(ONE)
    assert len(asked) == 3
    assert pauses == pytest.approx([62, 62], abs=1.1)


def test_a_plain_429_waits_ten_seconds_and_gives_up_within_thirty(
    caplog: pytest.LogCaptureFixture,
) -> None:
    left = {
        "x-rate-limit-remaining": "17",
        "x-rate-limit-reset": str(int(time.time()) + 500),
    }
    with (
        scripted((429, left, "slow down"), (200, {}, ONE)) as (url, _),
        client(url, pauses := []) as x,
    ):
        assert x.lookup(["1"]) == json.loads(ONE) and pauses == [10]
    plain: Answer = (429, {}, "no headers at all")
    with (
        scripted(plain) as (url, asked),
        client(url, pauses := []) as x,
        pytest.raises(ApiError, match="HTTP 429"),
    ):
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
def test_hard_stops_are_never_retried(
    tiny_world: Path, fault: str, status: int, reason: str
) -> None:
    with (
        Platform(tiny_world, faults={1: fault}) as platform,
        client(platform.api_url, pauses := []) as x,
        pytest.raises(
            ApiError, match=f"{reason} .HTTP {status}.: {reason}: this account"
        ) as caught,
    ):
        x.lookup(["1"])
    assert (caught.value.status, caught.value.reason, len(platform.asked), pauses) == (
        status,
        reason,
        1,
        [],
    )


def test_a_usage_cap_without_headers_stops_at_once() -> None:
    body = '{"title":"UsageCapExceeded","detail":"Monthly product cap","type":"https://api.x.com/2/problems/usage-capped"}'
    with (
        scripted((429, {}, body)) as (url, asked),
        client(url) as x,
        pytest.raises(ApiError, match="Monthly product"),
    ):
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
    with (
        scripted(refusal) as (url, _),
        client(url) as x,
        pytest.raises(ApiError, match=r"HTTP 403.: not enrolled"),
    ):
        x.lookup(["1"])
    with (
        scripted((302, {"Location": "/elsewhere"}, "")) as (url, asked),
        client(url) as x,
    ):
        with pytest.raises(
            ApiError,
            match=r"redirects to /elsewhere \(HTTP 302\), which is not followed",
        ):
            x.lookup(["1"])
        assert len(asked) == 1


SILENT = [
    ("{}", "says nothing of what was asked for;"),
    ('{"data":null}', "says nothing of what was asked for;"),
    (
        '{"errors":[{"title":"Over capacity","detail":"Service over capacity"}]}',
        r"says nothing of what was asked for \(Service over capacity\);",
    ),
    ("[]", r"no type that is no page \('\[\]'\);"),
]


@pytest.mark.parametrize(("body", "problem"), SILENT)
@pytest.mark.parametrize("call", ["lookup", "search"])
def test_a_200_that_says_nothing_is_no_page(body: str, problem: str, call: str) -> None:
    def ask(x: XClient) -> dict[str, Any]:
        return x.lookup(["1"]) if call == "lookup" else x.search_all("#a", "s", "e")

    silent: Answer = (200, {}, body)
    with (
        scripted(silent, silent, (200, {}, ONE)) as (url, asked),
        client(url, pauses := [], search_pace=0) as x,
    ):
        assert ask(x) == json.loads(ONE)
        assert len(asked) == 3 and len(pauses) == 2
    with scripted(silent) as (url, asked), client(url, search_pace=0) as x:
        with pytest.raises(ApiError, match=f"in 5 tries, last HTTP 200 .*{problem}"):
            ask(x)
        assert len(asked) == 5


def test_a_search_may_find_nothing_where_x_says_so() -> None:
    nothing = '{"meta":{"result_count":0}}'
    with scripted((200, {}, nothing)) as (url, asked), client(url) as x:
        assert x.search_all("#a", "s", "e") == json.loads(nothing)
        assert len(asked) == 1


def test_a_byte_order_mark_is_read_and_a_login_page_named() -> None:
    with scripted((200, {}, "\ufeff" + ONE)) as (url, _), client(url) as x:
        assert x.lookup(["1"]) == json.loads(ONE)
    page: Answer = (200, {"Content-Type": "text/html"}, "<html>Sign in")
    with (
        scripted(page) as (url, _),
        client(url) as x,
        pytest.raises(
            ApiError,
            match=r"HTTP 200 with text/html .*<html>Sign in.* is a proxy or a login page in between",
        ),
    ):
        x.lookup(["1"])


def test_waiting_says_who_asks_for_it(caplog: pytest.LogCaptureFixture) -> None:
    asks: Answer = (503, {"Retry-After": "40"}, "")
    with scripted(asks, (200, {}, ONE)) as (url, _), client(url) as x:
        x.lookup(["1"])
    assert "waiting 40 s, as it asks" in caplog.text
    caplog.clear()
    with scripted(*[(500, {}, "")] * 7, (200, {}, ONE)) as (url, _), client(url) as x:
        x.lookup(["1"])
    assert "before the next try" in caplog.text and "it asks" not in caplog.text


def test_users_and_counts_ask_only_what_the_spec_accepts(tiny_world: Path) -> None:
    with Platform(tiny_world) as platform, client(platform.api_url, search_pace=0) as x:
        page = x.users(["1000", "7"])
        assert page["data"][0]["public_metrics"]["followers_count"] == 0
        assert page["errors"][0]["value"] == "7"
        days = ("2022-01-01T00:00:00Z", "2022-03-01T00:00:00Z")
        counted = x.counts("#aiart", *days)
        x.counts("#aiart", *days, counted["meta"]["next_token"])
    for path, params in platform.asked:
        assert faults_by_the_spec(path, params, "legacy") == []
    with (
        client("http://127.0.0.1:9") as x,
        pytest.raises(ValueError, match="found 101"),
    ):
        x.users(["1"] * 101)


def test_after_two_failures_a_smaller_page_is_asked_for() -> None:
    large: Answer = (503, {}, "")
    with (
        scripted(large, large, (200, {}, ONE)) as (url, asked),
        client(url, search_pace=0) as x,
    ):
        x.search_all("#a", "s", "e")
        x.search_all("#a", "s", "e")
    sizes = [re.findall("max_results=([0-9]+)", path)[0] for path in asked]
    assert sizes == ["500", "500", "100", "100"]


def test_search_is_paced_and_lookup_is_not() -> None:
    with scripted((200, {}, ONE)) as (url, _):
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


def test_the_token_shows_nowhere(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    echo = json.dumps({"detail": f"bad header Bearer {CANARY}", "data": [{"id": "1"}]})
    caplog.set_level(logging.DEBUG)
    seen = []
    for script in (
        [(400, {}, echo)],
        [(402, {}, echo)],
        [(401, {}, echo)],
        [(500, {}, echo)],
        [(400, {}, CANARY)],
    ):
        with scripted(*script) as (url, _), client(url, attempts=1) as x:
            with pytest.raises((ApiError, PermissionError)) as caught:
                x.lookup(["1"])
            trace = traceback.TracebackException.from_exception(
                caught.value, capture_locals=True
            )
            del trace.stack[0]  # this test, which holds the canary
            service = vars(x)["_http"]
            seen += ["".join(trace.format()), repr(x), repr(service)]
            seen.append(repr(vars(service)["_http"].headers))
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
    with pytest.raises(
        PermissionError, match="mode 0644, so others can read the token: chmod 600"
    ):
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
