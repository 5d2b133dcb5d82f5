"""Which addresses are public: those of a table, in every way that IPv6 carries an IPv4 address."""

import ipaddress

import pytest

from twigma.rehydrate.fetch.http.host_guard import is_public

PUBLIC = [
    "8.8.8.8",
    "104.244.42.1",
    "168.63.129.15",
    "168.63.129.17",
    "198.17.255.255",
    "100.63.255.255",
]
PRIVATE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "169.254.169.254", "168.63.129.16",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
PUBLIC_6 = ["2606:4700::6810:84e5", "2a00:1450:4001:82a::200e", "2400:cb00::1"]
PRIVATE_6 = [
    "::", "::1", "::8.8.8.8", "100::1", "64:ff9b:1::808:808", "2001:2::1", "2001:10::1", "2001:db8::1", "3fff::1",
    "3fff:fff:ffff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "feff::1",
    "ff02::1", "ff0e::1",
]  # fmt: skip


def carried(address: str) -> list[str]:
    """An IPv4 address in the IPv6 addresses that lead to it."""
    number = int(ipaddress.IPv4Address(address))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    hidden = f"{number >> 16 ^ 0xFFFF:x}:{number & 0xFFFF ^ 0xFFFF:x}"
    return [
        f"::ffff:{address}",
        f"64:ff9b::{high}:{low}",
        f"2002:{high}:{low}::1",
        f"2001:0:4136:e378:8000:63bf:{hidden}",  # Teredo: the address inside is inverted
    ]


def isatap(address: str) -> list[str]:
    return [f"2606:4700::5efe:{address}", f"2606:4700::200:5efe:{address}"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public_however_they_are_carried(address: str) -> None:
    assert [
        is_public(each) for each in (address, *carried(address), *isatap(address))
    ] == [True] * 7


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_however_they_are_carried(address: str) -> None:
    spelt = [
        address,
        *carried(address),
        *isatap(address),
        f"::{address}",
        f"fe80::5efe:{address}",
    ]
    assert [each for each in spelt if is_public(each)] == []


@pytest.mark.parametrize("address", PUBLIC_6)
def test_public_addresses_of_ipv6(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE_6)
def test_other_addresses_of_ipv6_are_refused(address: str) -> None:
    assert not is_public(address)
