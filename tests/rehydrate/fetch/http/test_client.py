import asyncio
import io
import time
from email.utils import formatdate

import pytest
from PIL import Image
from support.odd_answers import HostV6
from support.servers import Handler, Host

from twigma.rehydrate.fetch.http.client import (
    Client,
    Limits,
    Outcome,
    opted_out,
    request_urls,
)
from twigma.rehydrate.fetch.http.failure_classes import RETRYABLE

FAST = Limits(max_bytes=200_000, deadline=1.5, retries=2, patience=10)


def image() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), "#336699").save(buffer, "JPEG")
    return buffer.getvalue()


def get(
    *urls: str,
    host: Host | None = None,
    allow: tuple[str, ...] = (),
    limits: Limits = FAST,
) -> Outcome:
    allowed = (*allow, host.url.removeprefix("http://")) if host else allow

    async def one() -> Outcome:
        async with Client(connections=8, limits=limits, allow=allowed) as client:
            return await client.get(urls)

    return asyncio.run(one())


@pytest.mark.parametrize(
    ("url", "size", "wanted"),
    [
        (
            "https://pbs.twimg.com/media/Ab-_1.jpg",
            "small",
            ["http://h:1/media/Ab-_1?format=jpg&name=small"],
        ),
        (
            "https://pbs.twimg.com/media/Ab.png",
            "large",
            ["http://h:1/media/Ab?format=png&name=large"],
        ),
        (
            "https://pbs.twimg.com/media/Ab.jpg",
            "orig",
            [
                f"http://h:1/media/Ab?format=jpg&name={name}"
                for name in ("orig", "4096x4096", "large")
            ],
        ),
        (
            "https://pbs.twimg.com/tweet_video_thumb/Ab.jpg",
            "small",
            ["http://h:1/tweet_video_thumb/Ab.jpg"],
        ),
        ("https://example.org/a.jpg", "small", ["https://example.org/a.jpg"]),
        (
            "https://pbs.twimg.com.evil.example/media/Ab.jpg",
            "small",
            ["https://pbs.twimg.com.evil.example/media/Ab.jpg"],
        ),
        (None, "small", [""]),
    ],
)
def test_addresses_asked_for(url: str | None, size: str, wanted: list[str]) -> None:
    assert request_urls(url, size, "http://h:1/") == wanted


def test_without_a_base_the_real_host_is_asked() -> None:
    assert request_urls("https://pbs.twimg.com/media/A.jpg") == [
        "https://pbs.twimg.com/media/A?format=jpg&name=small"
    ]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (400, "http_4xx"),
        (401, "http_401"),
        (403, "http_403"),
        (408, "http_408"),
        (425, "http_425"),
        (451, "http_451"),
        (404, "http_404"),
        (410, "http_410"),
        (500, "http_5xx"),
        (206, "http_4xx"),
    ],
)
def test_status_codes_have_classes_and_only_passing_ones_are_retried(
    code: int, status: str
) -> None:
    with Host({"/a": code}) as host:
        assert get(f"{host.url}/a", host=host).status == status
        assert host.hits["/a"] == (3 if status in RETRYABLE else 1)


def test_bytes_come_unchanged_and_spaces_and_umlauts_are_quoted() -> None:
    data = image()
    with Host({"/%C3%A4%20b.jpg": data}) as host:
        outcome = get(f"{host.url}/ä b.jpg", host=host)
        assert (outcome.status, outcome.data) == ("success", data)


def test_smaller_sizes_are_asked_for_when_the_original_is_refused() -> None:
    with Host({"/large": image(), "/4096": 404}) as host:
        assert (
            get(
                f"{host.url}/orig", f"{host.url}/4096", f"{host.url}/large", host=host
            ).status
            == "success"
        )
        assert [path for _, path in host.log] == ["/orig", "/4096", "/large"]


def test_smaller_sizes_are_asked_for_when_the_original_cannot_be_made() -> None:
    with Host({"/orig": 504, "/4096": 404, "/large": image()}) as host:
        urls = [f"{host.url}/{name}" for name in ("orig", "4096", "large")]
        assert get(*urls, host=host).status == "success"
        assert host.hits["/orig"] == 3
    with Host({"/orig": 504, "/large": 503}) as host:
        urls = [f"{host.url}/{name}" for name in ("orig", "large")]
        assert get(*urls, host=host).status == "http_5xx"


@pytest.mark.parametrize("connections", [1, 3])
def test_the_wait_for_a_turn_is_no_time_of_the_host(connections: int) -> None:
    """The queue takes longer than one photo may."""
    limits = Limits(deadline=0.5, patience=0.3, retries=1)
    photos = 8 * connections

    def slow(handler: Handler) -> None:
        time.sleep(0.2)
        handler.reply(200, image())

    async def many(host: Host, paused: list[float]) -> list[Outcome]:
        def is_paused() -> bool:
            return time.monotonic() < paused[0]

        options = {"connections": connections, "limits": limits, "is_paused": is_paused}
        async with Client(allow=("127.0.0.1",), **options) as client:
            return await asyncio.gather(
                *(client.get([f"{host.url}/{n}"]) for n in range(photos))
            )

    with Host({f"/{n}": slow for n in range(photos)}) as host:
        started = time.monotonic()
        # Nor is a pause of this run, as when all photos fail alike.
        outcomes = asyncio.run(many(host, [started + 1]))
    assert time.monotonic() - started > 1 + 8 * 0.2
    assert {outcome.status for outcome in outcomes} == {"success"}


def test_a_host_that_never_answers_takes_no_longer_than_its_patience() -> None:
    limits = Limits(deadline=0.4, patience=0.6, retries=9)

    def silent(handler: Handler) -> None:
        time.sleep(2)

    with Host({"/a": silent}) as host:
        started = time.monotonic()
        assert get(f"{host.url}/a", host=host, limits=limits).status == "timeout"
        assert time.monotonic() - started < 1.5


def test_retry_after_is_waited_for_and_one_request_goes_first() -> None:
    first: list[float] = []

    def storm(handler: Handler) -> None:
        now = time.monotonic()
        first.append(now)
        if now < first[0] + 1.0:
            handler.reply(503, b"", Retry_After="1")
        else:
            time.sleep(0.1)
            handler.reply(200, image())

    async def many(host: Host) -> list[Outcome]:
        async with Client(connections=2, limits=FAST, allow=("127.0.0.1",)) as client:
            return await asyncio.gather(
                *(client.get([f"{host.url}/{n}"]) for n in range(12))
            )

    with Host({f"/{n}": storm for n in range(12)}) as host:
        outcomes = asyncio.run(many(host))
    assert {outcome.status for outcome in outcomes} == {"success"}
    early = [at for at in first if at < first[0] + 1.0]
    assert len(early) <= 2  # those already under way when the host asked for its pause
    probe = sorted(at for at in first if at >= first[0] + 1.0)
    assert probe[1] - probe[0] >= 0.09  # the others wait for the answer of one


def test_retry_after_as_a_date_counts_from_the_servers_clock() -> None:
    def skewed(handler: Handler) -> None:
        if handler.server.hits["/a"] > 1:
            return handler.reply(200, image())
        ahead = time.time() + 86_400
        handler.send_response_only(429)
        for name, value in (
            ("Date", formatdate(ahead)),
            ("Retry-After", formatdate(ahead + 1)),
            ("Content-Length", "0"),
        ):
            handler.send_header(name, value)
        return handler.end_headers()

    with Host({"/a": skewed}) as host:
        started = time.monotonic()
        assert get(f"{host.url}/a", host=host).status == "success"
        assert 0.9 <= time.monotonic() - started <= 5


def test_a_pause_longer_than_the_patience_fails_without_asking_again() -> None:
    with Host(
        {"/a": lambda handler: handler.reply(429, b"", Retry_After="3600")}
    ) as host:
        started = time.monotonic()
        assert get(f"{host.url}/a", host=host).status == "http_429"
        assert host.hits["/a"] == 1
        assert time.monotonic() - started < 6


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    while True:
        handler.wfile.write(bytes(65536))


def drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.1)


def short(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"x" * 10)
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (endless, "too_large"),
        (lambda handler: handler.reply(200, bytes(300_000)), "too_large"),
        (drip, "timeout"),
        (short, "connection"),
    ],
)
def test_bodies_have_limits(answer: object, status: str) -> None:
    with Host({"/a": answer}) as host:  # type: ignore[dict-item]
        limits = Limits(max_bytes=200_000, deadline=0.7, retries=0, patience=2)
        assert get(f"{host.url}/a", host=host, limits=limits).status == status


def test_a_steady_drip_is_given_up_before_the_deadline() -> None:
    with Host({"/a": drip}) as host:
        started = time.monotonic()
        outcome = get(f"{host.url}/a", host=host, limits=Limits(deadline=30, retries=0))
        assert outcome.status == "timeout"
        assert time.monotonic() - started < 8


SPELLINGS = [
    "127.0.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1", "0", "0.0.0.0",
    "localhost", "LOCALHOST", "localhost.", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "127.0.0.1.",
    "017700000001", "127.255.255.254", "%31%32%37.0.0.1", "user:pass@127.0.0.1",
    "①②⑦.0.0.1", "ip6-localhost", "127。0。0。1",
]  # fmt: skip


def test_no_spelling_of_an_internal_address_is_reached() -> None:
    with Host({"/canary.jpg": image()}) as canary:
        port = canary.url.rpartition(":")[2]

        async def many() -> list[Outcome]:
            async with Client(
                limits=Limits(deadline=3, retries=0, patience=3)
            ) as client:
                return await asyncio.gather(
                    *(
                        client.get([f"{scheme}://{host}:{port}/canary.jpg"])
                        for host in SPELLINGS
                        for scheme in ("http", "https")
                    )
                )

        outcomes = asyncio.run(many())
        assert canary.log == []
        assert "success" not in {outcome.status for outcome in outcomes}
        assert {outcome.status for outcome in outcomes} <= {
            "refused",
            "dns",
            "connection",
            "timeout",
        }
        assert sum(outcome.status == "refused" for outcome in outcomes) >= 30


def test_redirects_pass_the_same_guard_and_other_schemes_are_refused() -> None:
    with Host({"/canary.jpg": image()}) as canary, Host() as host:
        for number, target in enumerate(
            (
                f"{canary.url}/canary.jpg",
                "file:///etc/passwd",
                "ftp://127.0.0.1/",
                "//[::1]/",
            )
        ):
            host.answers[f"/{number}"] = lambda handler, target=target: handler.reply(
                302, b"", Location=target
            )
            assert get(f"{host.url}/{number}", host=host).status == "refused"
        assert canary.log == []
    for url in (
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "ftp://a/b",
        "",
        "http://",
        "http://[::1",
        "gopher://x",
    ):
        assert get(url).status == "refused"


def test_redirects_to_allowed_hosts_are_followed_but_not_for_ever() -> None:
    with Host(
        {
            "/b": image(),
            "/loop": lambda handler: handler.reply(302, b"", Location="/loop"),
        }
    ) as host:
        host.answers["/a"] = lambda handler: handler.reply(301, b"", Location="/b")
        assert get(f"{host.url}/a", host=host).status == "success"
        assert (
            get(f"{host.url}/loop", host=host, limits=Limits(retries=0)).status
            == "connection"
        )


@pytest.mark.parametrize("entry", ["[::1]:{port}", "[::1]", "::1", "[0:0::0:1]:{port}"])
def test_ipv6_hosts_are_allowed_with_and_without_their_port(entry: str) -> None:
    with HostV6({"/a": image()}) as host:
        port = host.base.rpartition(":")[2]
        allow = (entry.format(port=port),)
        assert get(f"{host.base}/a", allow=allow).status == "success"
        assert get(f"{host.base}/a", allow=("[::1]:1",)).status == "refused"


def test_names_that_do_not_resolve_and_ports_nobody_listens_on() -> None:
    assert (
        get("http://no-such-host.invalid/a.jpg", limits=Limits(retries=0)).status
        == "dns"
    )
    with Host() as host:
        url = host.url
    assert (
        get(f"{url}/a", allow=("127.0.0.1",), limits=Limits(retries=0)).status
        == "connection"
    )


@pytest.mark.parametrize(
    ("values", "ours"),
    [
        ([], False), (["all"], False), (["noai"], True), (["NoImageAI"], True), (["index, noai"], True),
        (["otherbot: noai"], False), (["twigma: noai"], True), (["*: noai"], True),
        (["unavailable_after: 25 Jun 2031 15:00:00 PST, noai"], True), (["unavailable_after: 25 Jun 2031"], False),
        (["otherbot: noai", "noindex"], True), (["max-image-preview: large"], False),
    ],
)  # fmt: skip
def test_opt_out_headers(values: list[str], ours: bool) -> None:
    assert (opted_out(values) is not None) == ours


def test_an_opted_out_image_is_not_kept() -> None:
    with Host(
        {
            "/a": lambda handler: handler.reply(
                200, image(), X_Robots_Tag="noai, noimageai"
            )
        }
    ) as host:
        outcome = get(f"{host.url}/a", host=host)
        assert (outcome.status, outcome.data) == ("noai", b"")
