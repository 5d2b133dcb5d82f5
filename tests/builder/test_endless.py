"""Downloads and answers of services that drip or never end are given up, with a sentence."""

import json
import time

import pytest
from tests.rehydrate.test_deadline import answering

from twigma.builder.publish import zenodo_client
from twigma.builder.references import hub_files
from twigma.builder.references.hub_files import web_file
from twigma.dataset import published_table

SLOW = "is too slow|no whole answer"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("twigma.core.services.deadline.PATIENCE", 0.3)
    monkeypatch.setattr(hub_files, "WAIT", 0.01)
    monkeypatch.setattr(zenodo_client, "PAUSE", 0.01)
    for module in (hub_files, zenodo_client, published_table):
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.5)


@pytest.mark.parametrize("raw", [b"", b"H"], ids=["body", "head"])
def test_a_download_that_drips_is_given_up(impatient, raw, tmp_path):
    started = time.monotonic()
    with (
        answering(b"x", head="Content-Length: 1000000\r\n", drip=b" ", raw=raw) as (
            url,
            asked,
        ),
        pytest.raises(OSError, match=SLOW),
    ):
        web_file(f"{url}/a.tar", tmp_path)
    assert len(asked) == hub_files.RETRIES + 1
    assert time.monotonic() - started < 30


def test_a_download_has_a_stated_size(tmp_path, monkeypatch):
    with (
        answering(b"x", drip=b"x") as (url, _),
        pytest.raises(ValueError, match="does not say how large it is"),
    ):
        web_file(f"{url}/a.tar", tmp_path)
    monkeypatch.setattr(hub_files, "MOST_BYTES", 1000)
    with (
        answering(bytes(2000)) as (url, _),
        pytest.raises(ValueError, match="expected at most 1,000 bytes"),
    ):
        web_file(f"{url}/b.tar", tmp_path)


def test_sizes_that_differ_are_refused():
    assert hub_files._size("10", 5, 15, "a") == 15
    assert hub_files._size(None, 0, 15, "a") == 15
    with pytest.raises(ValueError, match="expected 15 bytes, the server has 20"):
        hub_files._size("20", 0, 15, "a")


@pytest.mark.parametrize("raw", [b"", b"H"], ids=["body", "head"])
def test_a_record_that_drips_is_given_up(impatient, raw, monkeypatch, tmp_path):
    monkeypatch.setattr("twigma.core.services.deadline.ANSWER_SECONDS", 0.5)
    with answering(b"{", drip=b" ", raw=raw) as (url, _):
        monkeypatch.setenv("TWIGMA_ZENODO_URL", url)
        with pytest.raises(OSError, match=r"no whole answer|does not answer"):
            published_table.fetch_list(tmp_path)


def test_a_file_of_a_record_has_its_size_and_speed(impatient, tmp_path):
    with (
        answering(b"x", drip=b"y" * 40) as (url, _),
        (tmp_path / "a").open("ab") as file,
    ):
        entry = {"key": "a.csv", "size": 10**6, "links": {"self": url}}
        with pytest.raises(OSError, match="too slow"):
            published_table._fill(file, entry)
        with pytest.raises(
            OSError, match=r"more than the \d+ bytes that the record says"
        ):
            published_table._fill(file, entry | {"size": 50 + file.tell()})
        with pytest.raises(ValueError, match="at most 21,474,836,480 are fetched"):
            published_table._fill(file, entry | {"size": 10**15})


def test_a_record_larger_than_any_is_refused(monkeypatch, tmp_path):
    with answering(b" " * (17 << 20)) as (url, _):
        monkeypatch.setenv("TWIGMA_ZENODO_URL", url)
        with pytest.raises(ValueError, match="over 16,777,216 bytes"):
            published_table.fetch_list(tmp_path)


@pytest.mark.parametrize("raw", [b"", b"H"], ids=["body", "head"])
def test_a_deposit_that_drips_is_given_up(impatient, raw):
    with (
        answering(b"{", drip=b" ", raw=raw) as (url, _),
        zenodo_client.Zenodo(url, "token", needs_token=True) as service,
        pytest.raises(OSError, match=r"no connection to Zenodo .*no whole answer"),
    ):
        service.published("1", "1.0")


def test_a_deposits_answer_has_a_size():
    body = json.dumps({"a": " " * (17 << 20)}).encode()
    with (
        answering(body) as (url, _),
        zenodo_client.Zenodo(url, "token", needs_token=True) as service,
        pytest.raises(OSError, match="over 16,777,216 bytes"),
    ):
        service.published("1", "1.0")
