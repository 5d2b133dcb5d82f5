"""Fetches through a real forward proxy, and what is left of the guard behind it."""

import asyncio

import pytest
from support.odd_answers import Proxy
from support.servers import Host
from support.worlds import photo

from twigma.rehydrate.fetch.http.client import Client, Limits, Outcome
from twigma.rehydrate.fetch.http.proxies import Proxies

IMAGE = photo(1)


def get(url: str, allow: tuple[str, ...] = ()) -> Outcome:
    async def one() -> Outcome:
        limits = Limits(deadline=5, retries=0, patience=5)
        async with Client(limits=limits, allow=allow) as client:
            return await client.get([url])

    return asyncio.run(one())


@pytest.fixture
def proxied(monkeypatch):
    """A host that only the proxy knows as images.invalid, and the proxy, which the environment names."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Host({"/a.jpg": IMAGE}) as host:
        place = host.url.removeprefix("http://")
        with Proxy({"images.invalid": place, "127.0.0.1": place}) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("https_proxy", proxy.url)
            yield host, proxy


def test_a_name_that_only_the_proxy_knows_is_fetched_through_it(proxied):
    host, proxy = proxied
    outcome = get("http://images.invalid/a.jpg")
    assert (outcome.status, outcome.data) == ("success", IMAGE)
    assert proxy.seen == ["http://images.invalid/a.jpg"]
    assert host.hits["/a.jpg"] == 1


def test_https_goes_through_a_tunnel(proxied):
    _, proxy = proxied
    # The host behind the tunnel speaks no TLS: the tunnel was opened, the image is none.
    assert get("https://images.invalid/a.jpg").status == "connection"
    assert proxy.seen == ["CONNECT images.invalid:443"]


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "2130706433", "localhost", "[::1]", "10.0.0.1"]
)
def test_private_hosts_are_refused_also_behind_a_proxy(proxied, name):
    host, proxy = proxied
    port = host.url.rpartition(":")[2]
    for scheme in ("http", "https"):
        assert get(f"{scheme}://{name}:{port}/a.jpg").status == "refused"
    assert (proxy.seen, host.log) == ([], [])


def test_allowed_hosts_and_those_of_no_proxy_are_asked_directly(proxied, monkeypatch):
    host, proxy = proxied
    assert get(f"{host.url}/a.jpg", allow=("127.0.0.1",)).status == "success"
    monkeypatch.setenv("no_proxy", "images.invalid")
    assert get("http://images.invalid/a.jpg").status == "dns"
    assert proxy.seen == []


def test_a_proxy_of_another_kind_is_refused_without_showing_its_password(monkeypatch):
    monkeypatch.setenv("https_proxy", "socks5://me:secret@127.0.0.1:1080")
    with pytest.raises(ValueError, match=r"HTTPS_PROXY: expected http://") as refused:
        Proxies()
    assert "secret" not in str(refused.value)
