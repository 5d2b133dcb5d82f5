"""Packed images from a host that was asked for plain ones, through the real client."""

import asyncio
import gzip
import zlib

import pytest
from support.odd_answers import captive_portal, deflated, gzipped
from support.servers import Answer, Host
from support.worlds import photo

from twigma.rehydrate.fetch.http.body_encoding import decoded
from twigma.rehydrate.fetch.http.client import Client, Limits, Outcome

CAP = 200_000


def get(answer: Answer) -> Outcome:
    async def one(host: Host) -> Outcome:
        limits = Limits(max_bytes=CAP, deadline=3, retries=0, patience=5)
        async with Client(limits=limits, allow=["127.0.0.1"]) as client:
            return await client.get([f"{host.url}/a"])

    with Host({"/a": answer}) as host:
        return asyncio.run(one(host))


@pytest.mark.parametrize(
    "pack",
    [
        gzipped,
        lambda data: gzipped(data, "X-GZIP"),
        deflated,
        lambda data: deflated(data, raw=True),
        # Labelled, not packed.
        lambda data: lambda handler: handler.reply(200, data, Content_Encoding="gzip"),
    ],
)
def test_a_packed_image_is_stored_as_the_image(pack):
    outcome = get(pack(photo(1)))
    assert (outcome.status, outcome.data) == ("success", photo(1))


def test_what_unpacks_to_more_than_the_cap_is_too_large():
    bomb = gzipped(bytes(500 * CAP))
    assert get(bomb).status == "too_large"
    at_the_cap = decoded(gzip.compress(bytes(CAP)), "gzip", CAP)
    assert (at_the_cap.status, len(at_the_cap.data)) == ("success", CAP)


@pytest.mark.parametrize(
    ("data", "encoding", "status", "sentence"),
    [
        (gzip.compress(photo(1), mtime=0)[:-9], "gzip", "connection", "cut short"),
        (
            gzip.compress(photo(1), mtime=0)[:10] + b"\xff" * 50,
            "gzip",
            "decode",
            "damaged",
        ),
        (zlib.compress(photo(1)), "br", "decode", "found Content-Encoding 'br'"),
    ],
)
def test_what_cannot_be_unpacked_has_a_class_and_a_sentence(
    data, encoding, status, sentence
):
    outcome = decoded(data, encoding, CAP)
    assert outcome.status == status
    assert sentence in (outcome.error or "")


def test_a_page_with_200_reaches_the_check_of_images_as_it_is():
    assert get(captive_portal).data.startswith(b"<!DOCTYPE html>")
