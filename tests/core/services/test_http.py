"""The client of services against loopback servers that redirect, refuse, limit rates, or are no service at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from support import loopback

import twigma
from twigma.core.services.backoff import BackoffPolicy, Retries, may_retry
from twigma.core.services.http import ServiceClient, require_safe_url
from twigma.core.services.outcomes import Answer, Failure

TOKEN = "a-token-of-sixteen-or-more"
Reply = tuple[int, dict[str, str], str]


@contextmanager
def replying(*replies: Reply) -> Iterator[tuple[str, list[Any]]]:
    """A server that sends these replies in turn, the last one for ever; with (method, path, headers) of each call."""
    calls: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = replies[min(len(calls), len(replies) - 1)]
            calls.append((self.command, self.path, dict(self.headers)))
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(body.encode())))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = do_PUT = reply

        def log_message(self, *_: Any) -> None:
            pass

    with loopback.Server(Handler) as server:
        yield server.url, calls


def client(url: str, pauses: list[float] | None = None, **options: Any) -> Any:
    """A client that notes its pauses and makes none."""
    noted = pauses if pauses is not None else []
    return ServiceClient("Acme", url, TOKEN, sleep=noted.append, **options)


JSON = {"Content-Type": "application/json"}
OK: Reply = (200, JSON, '{"a": 1}')


def test_a_call_carries_our_name_and_the_token() -> None:
    with replying(OK) as (url, calls), client(url) as acme:
        assert acme.get_json("/things", {"q": "x"}) == {"a": 1}
    method, path, headers = calls[0]
    assert (method, path) == ("GET", "/things?q=x")
    name = headers["User-Agent"]
    assert (
        name.startswith(f"twigma/{twigma.__version__} (+https://") and name[-1] == ")"
    )
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Accept"] == "application/json"


def test_a_redirect_on_the_same_host_is_followed_with_the_token() -> None:
    moved = (301, {"Location": "/new"}, "x" * 100)
    with replying(moved, OK) as (url, calls), client(url) as acme:
        assert acme.get_json("/old") == {"a": 1}
    assert [path for _, path, _ in calls] == ["/old", "/new"]
    assert all("Authorization" in headers for _, _, headers in calls)


def test_a_redirect_to_another_host_does_not_get_the_token() -> None:
    with replying(OK) as (other, theirs):
        moved = (302, {"Location": f"{other}/new"}, "")
        with replying(moved) as (url, ours), client(url) as acme:
            assert acme.get_json("/old") == {"a": 1}
    assert "Authorization" in ours[0][2]
    assert "Authorization" not in theirs[0][2]
    assert TOKEN not in json.dumps(theirs)


def test_redirects_that_are_not_followed_are_refused_in_a_sentence() -> None:
    moved = (302, {"Location": "/new"}, "")
    with replying(moved) as (url, calls), client(url, follow_redirects=False) as acme:
        with pytest.raises(OSError, match=r"redirects to /new \(HTTP 302\), which is"):
            acme.get_json("/old")
        assert len(calls) == 1
    with (
        replying(moved) as (url, calls),
        client(url) as acme,
        pytest.raises(OSError, match="redirects more than 5 times"),
    ):
        acme.get_json("/old")
    with (
        replying((304, {}, "")) as (url, _),
        client(url) as acme,
        pytest.raises(OSError, match="redirects to an unnamed address"),
    ):
        acme.get_json("/old")


@pytest.mark.parametrize(
    ("headers", "body"),
    [({"Content-Type": "text/html; charset=utf-8"}, "<html>Log in</html>"), ({}, "{")],
)
def test_an_answer_that_is_not_json_is_refused_in_a_sentence(headers, body) -> None:
    kind = "text/html" if headers else "no type"
    with (
        replying((200, headers, body)) as (url, _),
        client(url) as acme,
        pytest.raises(OSError, match=f"/x answers with {kind} instead of JSON"),
    ):
        acme.get_json("/x")


def test_an_error_says_what_the_service_says_without_the_token() -> None:
    refusal = (400, JSON, json.dumps({"message": f"bad\n {TOKEN}"}))
    with replying(refusal) as (url, calls), client(url) as acme:
        with pytest.raises(OSError, match=r"/x refuses .*\(HTTP 400: bad \*\*\*\)$"):
            acme.get_json("/x")
        assert len(calls) == 1
        assert TOKEN not in repr(acme)
    page = (404, {"Content-Type": "text/html"}, "<html>")
    with (
        replying(page) as (url, _),
        client(url) as acme,
        pytest.raises(OSError, match=r"/x does not exist \(HTTP 404\)$"),
    ):
        acme.get_json("/x")


@pytest.mark.parametrize(
    ("status", "headers", "kind", "sentence"),
    [
        (401, {}, PermissionError, r"/x refuses access \(HTTP 401\)$"),
        (403, {}, PermissionError, r"/x refuses access \(HTTP 403\)$"),
        (410, {}, FileNotFoundError, r"/x does not exist \(HTTP 410\)$"),
        (429, {"Retry-After": "90"}, OSError, r"limits .* \(HTTP 429\): run .* 90 s$"),
        (429, {}, OSError, r"limits the .* \(HTTP 429\): run again later$"),
        (502, {}, OSError, r"/x is out of order \(HTTP 502\): run again later$"),
    ],
)
def test_each_refusal_has_its_own_sentence(status, headers, kind, sentence) -> None:
    once = BackoffPolicy(attempts=1)
    with (
        replying((status, headers, "")) as (url, _),
        client(url, policy=once) as acme,
        pytest.raises(OSError, match=sentence) as refused,
    ):
        acme.get_json("/x")
    assert type(refused.value) is kind


def test_the_fields_that_a_service_finds_wrong_are_named() -> None:
    errors = [{"field": "metadata.creators", "messages": ["Missing data."]}]
    body = json.dumps({"message": "A validation error occurred.", "errors": errors})
    with (
        replying((400, JSON, body)) as (url, _),
        client(url) as acme,
        pytest.raises(OSError, match=r"occurred\. metadata\.creators: \['Missing data"),
    ):
        acme.get_json("/x")


def test_an_empty_answer_counts_only_where_there_is_none_to_come() -> None:
    with replying((200, {}, ""), (204, {}, "")) as (url, _), client(url) as acme:
        with pytest.raises(OSError, match="/x answers with no type instead of JSON"):
            acme.get_json("/x")
        assert acme.get_json("/x") == {}


def test_what_writes_is_not_redirected() -> None:
    """A POST would become a GET, whose 200 says nothing of what was to be done."""
    moved = (301, {"Location": "/new"}, "")
    with replying(moved, OK) as (url, calls), client(url) as acme:
        answer = acme.call("POST", "/old", json={})
        assert (answer.status, len(calls)) == (301, 1)
        with pytest.raises(OSError, match=r"redirects to /new \(HTTP 301\), which is"):
            answer.refuse_errors()


def test_a_date_to_wait_for_is_counted_from_the_clock_of_the_service() -> None:
    limited = (
        429,
        {
            "Date": "Wed, 21 Oct 2015 07:28:00 GMT",
            "Retry-After": "Wed, 21 Oct 2015 07:28:40 GMT",
        },
        "",
    )
    with replying(limited, OK) as (url, _), client(url, pauses := []) as acme:
        acme.get_json("/x")
    assert pauses == [40]


def test_a_rate_limit_waits_as_long_as_it_asks() -> None:
    limited = (429, {"Retry-After": "7"}, "")
    with replying(limited, limited, OK) as (url, calls), client(url, pauses := []) as x:
        assert x.get_json("/x") == {"a": 1}
    assert pauses == [7, 7] and len(calls) == 3


def test_trouble_of_the_server_is_retried_within_a_budget() -> None:
    with replying((500, {}, ""), OK) as (url, _), client(url, pauses := []) as x:
        assert x.get_json("/x") == {"a": 1}
        assert len(pauses) == 1 and 0 <= pauses[0] <= 1
    policy = BackoffPolicy(attempts=3)
    with replying((500, {}, "")) as (url, calls), client(url, policy=policy) as x:
        with pytest.raises(OSError, match="HTTP 500"):
            x.get_json("/x")
        assert len(calls) == 3
    policy = BackoffPolicy(patience=10)
    long = (503, {"Retry-After": "3600"}, "")
    with replying(long) as (url, calls), client(url, pauses := [], policy=policy) as x:
        with pytest.raises(OSError, match="HTTP 503"):
            x.get_json("/x")
        assert (len(calls), pauses) == (1, [])


def test_no_connection_is_retried_and_named() -> None:
    with (
        client("http://127.0.0.1:9", pauses := []) as acme,
        pytest.raises(OSError, match=r"no usable answer from Acme \(ConnectErr"),
    ):
        acme.call("POST", "/x", json={})
    assert len(pauses) == 4


def test_a_post_that_may_have_had_its_effect_is_not_repeated() -> None:
    with replying((502, {}, "")) as (url, calls), client(url) as acme:
        assert acme.call("POST", "/x", json={}).status == 502
    assert len(calls) == 1
    assert not may_retry("POST", Failure("cut"))
    assert may_retry("POST", Failure("refused", sent=False))
    assert may_retry("PUT", Failure("cut"))
    assert may_retry("POST", Answer(429, {}, "", "u"))
    assert not may_retry("GET", Answer(404, {}, "", "u"))


def test_retries_end_by_number_and_by_time() -> None:
    retries = Retries(BackoffPolicy(attempts=2, patience=100, rate_limit_waits=1))
    limited = Answer(429, {"retry-after": "9"}, "", "u")
    assert retries.start() and retries.wait_after(limited) == 9
    assert retries.start() and retries.wait_after(limited) is None
    assert not retries.start()
    retries = Retries(BackoffPolicy(patience=100))
    retries.start()
    assert retries.wait_after(Failure("slow", seconds=101)) is None


def test_a_token_is_not_sent_in_the_clear() -> None:
    for url in ("http://acme.org", "ftp://acme.org"):
        with pytest.raises(ValueError, match="expected an http"):
            client(url)
    assert require_safe_url("http://acme.org/", "Acme", secret=False) == (
        "http://acme.org"
    )


@contextmanager
def proxy() -> Iterator[tuple[str, list[Any]]]:
    """A proxy that refuses every tunnel; with (method, target, headers) of each call."""
    calls: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            calls.append((self.command, self.path, str(self.headers)))
            self.send_error(407)

        do_CONNECT = do_GET = refuse

        def log_message(self, *_: Any) -> None:
            pass

    with loopback.Server(Handler) as server:
        yield server.url, calls


@pytest.mark.parametrize("token", ["", TOKEN])
def test_https_goes_through_the_proxy_of_the_environment_without_the_token(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    with proxy() as (url, calls), replying(OK) as (direct, asked):
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        policy = BackoffPolicy(attempts=1)
        with (
            ServiceClient("Acme", "https://acme.test", token, policy=policy) as acme,
            pytest.raises(OSError, match="ProxyError: 407"),
        ):
            acme.get_json("/things")
        ((method, target, headers),) = calls
        assert (method, target) == ("CONNECT", "acme.test:443")
        assert TOKEN not in headers
        with ServiceClient("Acme", direct, token) as acme:
            assert acme.get_json("/things") == {"a": 1}
        assert len(calls) == len(asked) == 1


def test_a_mark_before_the_json_is_read_and_headers_hold_no_token() -> None:
    echo: Reply = (302, {"Location": f"/login?token={TOKEN}"}, "")
    with replying((200, JSON, "\ufeff{}  ")) as (url, _), client(url) as acme:
        assert acme.get_json("/things") == {}
    with replying(echo) as (url, _):
        acme = client(url, follow_redirects=False)
        with pytest.raises(OSError, match=r"redirects to /login\?token=\*\*\*"):
            acme.get_json("/things")
