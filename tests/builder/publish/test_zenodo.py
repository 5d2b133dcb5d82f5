"""Publishing on Zenodo: the real calls against a loopback InvenioRDM."""

import json
import shutil

import pytest
from click.testing import CliRunner
from support import releasing
from support.invenio import Invenio

from tests.core.services.test_deadline import answering
from twigma import check_files, read_manifest
from twigma.builder.publish import zenodo_client
from twigma.builder.publish.zenodo import publish_zenodo
from twigma.builder.release.release import release
from twigma.cli import main
from twigma.core.services.backoff import BackoffPolicy

CREATORS = ("Lovelace, Ada",)


@pytest.fixture
def zenodo():
    with Invenio() as server:
        yield server


@pytest.fixture
def twigma(made, tmp_path):
    """A release that may be changed."""
    shutil.copytree(made / "twigma", tmp_path / "twigma")
    return tmp_path / "twigma"


@pytest.fixture
def publish(zenodo, twigma):
    options = {"url": zenodo.url, "token": zenodo.token, "creators": CREATORS}
    return lambda go=True, **more: publish_zenodo(twigma, go=go, **options | more)


def stored(record):
    return record["content"]


def expected(twigma):
    return {
        path.name: path.read_bytes() for path in twigma.rglob("*") if path.is_file()
    }


def next_release(twigma, tmp_path, version="1.1.0"):
    work = releasing.make_work(tmp_path / "work")
    releasing.remove(work, releasing.media_id(5))
    release(work, twigma, version=version, without=("embed",))


def test_nothing_is_sent_unless_asked(zenodo, publish):
    found = publish(go=False)
    assert (
        set(found.files.values()) == {"new"}
        and not found.published
        and not found.record
    )
    assert not zenodo.records
    assert (
        publish(go=False, token="").sending == found.sending
    )  # and no token is needed to look


def test_a_release_is_published_with_its_doi_in_the_card(zenodo, publish, twigma):
    found = publish()
    record = zenodo.records[found.record]
    assert record["is_published"] and found.published
    assert (
        found.doi
        == record["pids"]["doi"]["identifier"]
        == f"10.5281/zenodo.{found.record}"
    )
    assert stored(record) == expected(twigma)
    assert (
        f"DOI: [{found.doi}](https://doi.org/{found.doi})"
        in (twigma / "README.md").read_text()
    )
    check_files(twigma)
    metadata = record["metadata"]
    assert (
        metadata["version"] == "1.0.0"
        and metadata["creators"][0]["person_or_org"]["family_name"] == "Lovelace"
    )


def test_publishing_again_sends_nothing_and_makes_no_second_record(zenodo, publish):
    publish()
    before = zenodo.received
    found = publish()
    assert found.published and not found.changes
    assert zenodo.received == before and len(zenodo.records) == 1


def test_a_new_version_of_a_record_sends_what_differs(
    zenodo, publish, twigma, tmp_path
):
    first = publish()
    next_release(twigma, tmp_path)
    with pytest.raises(ValueError, match=f"pass --record {first.record}"):
        publish()
    kept = zenodo.received
    second = publish(record=first.record)
    old, new = zenodo.records[first.record], zenodo.records[second.record]
    assert (
        new["is_published"]
        and second.doi != first.doi
        and new["metadata"]["version"] == "1.1.0"
    )
    assert stored(new) == expected(twigma)
    assert any(name.startswith("embeddings") for name in stored(old))
    changed = {
        name for name, data in stored(new).items() if stored(old).get(name) != data
    }
    assert zenodo.received - kept == sum(len(stored(new)[name]) for name in changed)
    assert publish(record=first.record).published
    assert len(zenodo.records) == 2


def test_one_version_has_one_content(publish, twigma, tmp_path):
    first = publish()
    next_release(twigma, tmp_path, version="1.0.0")
    with pytest.raises(ValueError, match=r"is version 1\.0\.0 already, with another"):
        publish(record=first.record)


def test_a_connection_cut_half_way_is_taken_up_in_the_same_draft(
    zenodo, publish, twigma
):
    zenodo.cuts = 1
    with pytest.raises(OSError, match="run again to resume"):
        publish()
    assert not next(iter(zenodo.records.values()))["is_published"]
    publish()
    assert len(zenodo.records) == 1
    assert stored(next(iter(zenodo.records.values()))) == expected(twigma)


def test_files_that_arrived_are_not_sent_again(zenodo, publish, twigma):
    publish()
    record = next(iter(zenodo.records.values()))
    record["is_published"] = False
    gone = stored(record).pop("croissant.json")
    before = zenodo.received
    publish()
    assert zenodo.received - before == len(gone)


def test_a_busy_zenodo_is_asked_again(zenodo, publish, monkeypatch):
    policy = BackoffPolicy(rate_limit_wait=0.0)
    monkeypatch.setattr(zenodo_client, "RETRY", policy)
    zenodo.busy = 3
    assert publish().published


def test_a_wrong_or_missing_token_is_told_without_it(zenodo, publish, monkeypatch):
    monkeypatch.delenv("ZENODO_TOKEN", raising=False)
    with pytest.raises(PermissionError, match="no Zenodo token"):
        publish(token=None)
    with pytest.raises(PermissionError, match="refuses the token") as refused:
        publish(token="wrong-token")
    assert "wrong-token" not in str(refused.value)


@pytest.mark.parametrize("creators", [(), ("Ada Lovelace",)])
def test_authors_are_needed_once_and_named_in_full(publish, creators):
    with pytest.raises(ValueError, match="Family, Given"):
        publish(creators=creators)


def test_the_command_shows_what_it_would_do_then_does_it(zenodo, twigma, monkeypatch):
    monkeypatch.setenv("ZENODO_TOKEN", zenodo.token)
    monkeypatch.setenv("TWIGMA_ZENODO_URL", zenodo.url)
    words = ["publish", "zenodo", str(twigma), "--creator", CREATORS[0]]
    dry = CliRunner().invoke(main, words)
    assert dry.exit_code == 0 and "would be sent" in dry.output, dry.output
    done = CliRunner().invoke(main, [*words, "--go"])
    assert done.exit_code == 0, done.output
    assert f"10.5281/zenodo.{next(iter(zenodo.records))}" in done.output
    assert "nothing to send" in CliRunner().invoke(main, [*words, "--go"]).output
    assert read_manifest(twigma)["version"] == "1.0.0"


@pytest.mark.parametrize("raw", [b"", b"H"], ids=["body", "head"])
def test_a_deposit_that_drips_is_given_up(raw, monkeypatch):
    monkeypatch.setattr(zenodo_client, "RETRY", BackoffPolicy(attempts=2))
    with (
        answering(b"{", drip=b" ", raw=raw) as (url, asked),
        zenodo_client.Zenodo(url, "token", needs_token=True) as service,
    ):
        service._http.deadline = 0.5
        with pytest.raises(OSError, match=r"answer from Zenodo .*no complete answer"):
            service.published("1", "1.0")
        assert len(asked) == 2


def test_a_deposits_answer_has_a_size(monkeypatch):
    monkeypatch.setattr(zenodo_client, "RETRY", BackoffPolicy(attempts=1))
    body = json.dumps({"a": " " * (17 << 20)}).encode()
    with (
        answering(body) as (url, _),
        zenodo_client.Zenodo(url, "token", needs_token=True) as service,
        pytest.raises(OSError, match="over 16,777,216 bytes"),
    ):
        service.published("1", "1.0")
