"""Publishing on Zenodo: the real calls against a loopback InvenioRDM."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner
from support import releasing
from support.invenio import Invenio

from tests.core.services.test_deadline import answering
from twigma import check_files
from twigma.builder.publish import zenodo as zenodo_module
from twigma.builder.publish import zenodo_calls, zenodo_client
from twigma.builder.publish.publications import known_doi, read_publications
from twigma.builder.publish.zenodo import publish_zenodo
from twigma.builder.release.identity import Creator
from twigma.builder.release.release import release
from twigma.cli import main
from twigma.core.services.backoff import BackoffPolicy
from twigma.core.services.download import download
from twigma.core.services.http import ServiceClient
from twigma.core.workspace import Workspace


@pytest.fixture
def zenodo():
    with Invenio() as server:
        yield server


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """The waits between calls, which are noted and not made."""
    noted = []
    monkeypatch.setattr(ServiceClient, "pause", lambda _, wait: noted.append(wait))
    monkeypatch.setattr(
        zenodo_calls, "RETRY", BackoffPolicy(attempts=3, rate_limit_wait=0.0)
    )
    return noted


@pytest.fixture
def publish(zenodo, twigma, tmp_path):
    options = {"url": zenodo.url, "token": zenodo.token}
    work = tmp_path / "publishing"
    return lambda go=True, **more: publish_zenodo(
        twigma, **{"work": work, "go": go} | options | more
    )


def stored(record):
    return record["content"]


def expected(twigma):
    return {
        path.name: path.read_bytes() for path in twigma.rglob("*") if path.is_file()
    }


def only(zenodo):
    (record,) = zenodo.records.values()
    return record


def next_release(twigma, tmp_path, version="1.1.0"):
    work = releasing.make_work(tmp_path / "work")
    releasing.remove(work, releasing.media_id(5))
    release(work, twigma, version=version, without=("embed",))


def test_nothing_is_sent_or_written_unless_asked(zenodo, publish, tmp_path):
    planned = publish(go=False)
    assert set(planned.files.values()) == {"new"}
    assert not planned.published and not planned.record
    assert not zenodo.records
    # No token is needed to look.
    assert publish(go=False, token="").sending == planned.sending
    assert {method for method, _, _ in zenodo.log} <= {"GET"}
    assert not (tmp_path / "publishing").exists()


def test_a_release_is_published_as_it_is_and_its_doi_remembered(
    zenodo, publish, twigma, tmp_path
):
    before = expected(twigma)
    deposit = publish()
    record = zenodo.records[deposit.record]
    assert record["is_published"] and deposit.published
    assert deposit.doi == f"10.5281/zenodo.{deposit.record}"
    assert stored(record) == expected(twigma) == before
    check_files(twigma)
    metadata = record["metadata"]
    assert metadata["version"] == "1.0.0"
    assert metadata["title"] == releasing.IDENTITY.title
    maker = {"type": "organizational", "name": "The Analytical Society"}
    assert metadata["creators"] == [{"person_or_org": maker}]
    assert metadata["rights"] == [{"id": "cc-by-4.0"}]
    assert metadata["description"].startswith("<p>Pictures that hold one colour each.")
    (entry,) = read_publications(tmp_path / "publishing")
    assert (entry.record, entry.doi, entry.published) == (
        deposit.record,
        deposit.doi,
        True,
    )
    assert entry.all_versions_doi == f"10.5281/zenodo.{int(deposit.record) - 1}"


def test_a_sandbox_leaves_no_trace_in_release_or_cards(
    zenodo, publish, twigma, tmp_path
):
    before = expected(twigma)
    trial = publish(sandbox=True)
    assert trial.published and expected(twigma) == before
    assert known_doi(tmp_path / "publishing", releasing.IDENTITY.name, "1.0.0") == ""
    real = publish()
    assert real.record != trial.record
    assert (
        known_doi(tmp_path / "publishing", releasing.IDENTITY.name, "1.0.0") == real.doi
    )


def test_publishing_again_sends_nothing_and_makes_no_second_record(zenodo, publish):
    publish()
    before = zenodo.received
    again = publish()
    assert again.published and not again.changes
    assert zenodo.received == before and len(zenodo.records) == 1


@pytest.mark.parametrize("memory", ["publishing", "elsewhere"])
def test_a_new_version_continues_the_record_and_sends_what_differs(
    memory, zenodo, publish, twigma, tmp_path
):
    """Which record, the working folder remembers; from another one it is named."""
    first = publish()
    next_release(twigma, tmp_path)
    before = zenodo.received
    record = None if memory == "publishing" else first.record
    second = publish(work=tmp_path / memory, record=record)
    old, new = zenodo.records[first.record], zenodo.records[second.record]
    assert new["is_published"] and second.doi != first.doi
    assert new["metadata"]["version"] == "1.1.0"
    assert new["chain"] == old["chain"]
    assert stored(new) == expected(twigma)
    assert any(name.startswith("embeddings") for name in stored(old))
    changed = {
        name for name, data in stored(new).items() if stored(old).get(name) != data
    }
    sent = sum(len(stored(new)[name]) for name in changed)
    assert zenodo.received - before == sent
    assert publish(work=tmp_path / memory).published
    assert len(zenodo.records) == 2


def test_a_second_dataset_of_the_owner_is_a_record_of_its_own(
    zenodo, publish, tmp_path
):
    first = publish()
    second = publish(work=tmp_path / "another")
    assert second.record != first.record
    chains = {record["chain"] for record in zenodo.records.values()}
    assert len(chains) == 2


def test_one_version_has_one_content(publish, twigma, tmp_path):
    publish()
    next_release(twigma, tmp_path, version="1.0.0")
    with pytest.raises(ValueError, match=r"is version 1\.0\.0 already, with another"):
        publish()


def test_an_older_version_is_not_published_twice(zenodo, publish, twigma, tmp_path):
    shutil.copytree(twigma, tmp_path / "old")
    publish()
    next_release(twigma, tmp_path)
    publish()
    shutil.rmtree(twigma)
    shutil.copytree(tmp_path / "old", twigma)
    again = publish()
    assert again.published and again.record == next(iter(zenodo.records))
    assert len(zenodo.records) == 2


def test_a_connection_cut_half_way_is_taken_up_in_the_same_draft(
    zenodo, publish, twigma
):
    zenodo.cuts = 1
    with pytest.raises(OSError, match="run again to resume"):
        publish()
    assert not only(zenodo)["is_published"]
    publish()
    assert stored(only(zenodo)) == expected(twigma)


def test_files_that_arrived_are_not_sent_again(zenodo, publish, twigma, monkeypatch):
    """Stopped after the first file: that one is in the draft already."""
    send = zenodo_client.Zenodo.send
    sent = []

    def send_one(self, draft, name, *rest):
        if sent:
            raise KeyboardInterrupt
        sent.append(name)
        send(self, draft, name, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(zenodo_client.Zenodo, "send", send_one)
        publish()
    before = zenodo.received
    assert before == len(stored(only(zenodo))[sent[0]])
    publish()
    total = sum(len(data) for data in expected(twigma).values())
    assert zenodo.received == total
    assert stored(only(zenodo)) == expected(twigma)


# ------------------------------------------------------------------ a service that is busy, or loses its answers


def test_a_rate_limit_is_waited_out(zenodo, publish, pauses):
    zenodo.busy = 2
    assert publish().published
    assert len(zenodo.records) == 1
    zenodo.busy = 50
    with pytest.raises(
        OSError, match=r"limits the number of calls \(HTTP 429: 429 Too"
    ):
        publish()


def test_an_upload_waits_out_a_rate_limit(zenodo, publish, twigma, monkeypatch):
    real = zenodo_calls.Calls.put_file

    def limited(self, *arguments):
        zenodo.busy = 1
        real(self, *arguments)

    monkeypatch.setattr(zenodo_calls.Calls, "put_file", limited)
    publish()
    assert stored(only(zenodo)) == expected(twigma)


ACTIONS = (
    "create",
    "reserve",
    "describe",
    "start_file",
    "content",
    "commit_file",
    "publish",
)


@pytest.mark.parametrize("action", ACTIONS)
def test_what_was_done_although_the_answer_was_lost_is_not_done_twice(
    action, zenodo, publish, twigma, tmp_path
):
    zenodo.lost = [action]
    zenodo.lag = 2  # questions before a new draft is listed
    deposit = publish()
    assert not zenodo.lost
    assert deposit.published and deposit.doi == f"10.5281/zenodo.{deposit.record}"
    assert stored(only(zenodo)) == expected(twigma)
    assert only(zenodo)["is_published"]
    (entry,) = read_publications(tmp_path / "publishing")
    assert (entry.record, entry.doi) == (deposit.record, deposit.doi)


@pytest.mark.parametrize(
    "action", ["new_version", "import_files", "delete_file", "publish"]
)
def test_a_next_version_is_made_once_although_an_answer_was_lost(
    action, zenodo, publish, twigma, tmp_path
):
    publish()
    next_release(twigma, tmp_path)
    zenodo.lost = [action]
    deposit = publish()
    assert not zenodo.lost and len(zenodo.records) == 2
    assert stored(zenodo.records[deposit.record]) == expected(twigma)


@pytest.mark.parametrize("action", ["create", "start_file", "commit_file", "publish"])
def test_what_was_not_done_is_tried_again(action, zenodo, publish, twigma):
    zenodo.failing = [action]
    assert publish().published
    assert not zenodo.failing
    assert stored(only(zenodo)) == expected(twigma)


def test_an_older_draft_of_the_same_title_is_left_alone(zenodo, publish, twigma):
    """Somebody's draft, as empty and as named as ours will be."""
    title = zenodo_module.record_metadata(twigma, "1.0.0")
    theirs = zenodo.new(title, chain=None)
    zenodo.lost = ["create"]
    zenodo.lag = 2  # theirs is listed before ours
    deposit = publish()
    assert deposit.record != theirs
    assert not zenodo.records[theirs]["content"]


def test_damage_on_the_way_is_noticed_before_anything_is_public(
    zenodo, publish, twigma
):
    zenodo.spoils = 1
    with pytest.raises(
        OSError, match=r"arrived damaged: expected md5:.* Zenodo has md5"
    ):
        publish()
    assert not only(zenodo)["is_published"]
    assert publish().published
    assert stored(only(zenodo)) == expected(twigma)


# ------------------------------------------------------------------ refusals


def test_a_wrong_or_missing_token_is_named_without_it(zenodo, publish, monkeypatch):
    monkeypatch.delenv("ZENODO_TOKEN", raising=False)
    with pytest.raises(PermissionError, match="no Zenodo token"):
        publish(token=None)
    with pytest.raises(
        PermissionError, match=r"refuses the token .*403: Permission"
    ) as e:
        publish(token="wrong-token")
    assert "wrong-token" not in str(e.value)


def test_a_record_that_is_not_there_is_named(zenodo, publish):
    with pytest.raises(FileNotFoundError, match=r"no record 77 is published on http"):
        publish(record="77")
    assert not zenodo.records


@pytest.mark.parametrize("go", [False, True])
def test_authors_are_needed_to_send_and_to_look(go, zenodo, publish, twigma):
    releasing.restate(twigma, dataclasses.replace(releasing.IDENTITY, creators=()))
    with pytest.raises(ValueError, match=r"names its authors, and .*dataset\.toml"):
        publish(go=go)
    assert not zenodo.records and not zenodo.log


@pytest.mark.parametrize("go", [False, True])
def test_a_release_made_before_a_removal_is_refused(go, zenodo, publish, tmp_path):
    work = releasing.make_work(tmp_path / "publishing")
    releasing.remove(work, releasing.media_id(5))
    with pytest.raises(ValueError, match=r"still holds 1 ids .*removed\.json.*release"):
        publish(go=go)
    assert not zenodo.records and not zenodo.log


def test_a_release_without_authors_may_continue_a_record(publish, twigma, tmp_path):
    first = publish()
    next_release(twigma, tmp_path)
    releasing.restate(twigma, dataclasses.replace(releasing.IDENTITY, creators=()))
    planned = publish(go=False, record=first.record)
    assert planned.record == first.record and planned.changes


def test_the_command_says_that_a_token_is_missing(zenodo, twigma, monkeypatch):
    monkeypatch.delenv("ZENODO_TOKEN", raising=False)
    monkeypatch.setenv("TWIGMA_ZENODO_URL", zenodo.url)
    command = ["publish", "zenodo", str(twigma), "--work", str(twigma / "none")]
    looked = CliRunner().invoke(main, command)
    assert looked.exit_code == 0, looked.output
    assert "; --go does it, with a token in $ZENODO_TOKEN\n" in looked.output
    sent = CliRunner().invoke(main, [*command, "--go"])
    assert sent.exit_code == 1 and "no Zenodo token: set $ZENODO_TOKEN" in sent.stderr


def test_a_record_says_what_its_dataset_is(zenodo, publish, twigma):
    ada = Creator("Lovelace, Ada", orcid="0000-0002-1825-0097", affiliation="Acme")
    terms = "MIT AND LicenseRef-mine"
    identity = dataclasses.replace(
        releasing.IDENTITY, creators=(ada,), license=terms, description="a < b"
    )
    releasing.restate(twigma, identity)
    metadata = zenodo.records[publish().record]["metadata"]
    person = {
        "type": "personal",
        "family_name": "Lovelace",
        "given_name": "Ada",
        "identifiers": [{"scheme": "orcid", "identifier": "0000-0002-1825-0097"}],
    }
    entry = {"person_or_org": person, "affiliations": [{"name": "Acme"}]}
    assert metadata["creators"] == [entry]
    assert metadata["rights"] == [{"title": {"en": terms}}]
    assert metadata["description"].startswith("<p>a &lt; b</p>")
    assert "TWIGMA" not in str(metadata) and "Twitter" not in str(metadata)


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ("MOST_FILES", r"at most 5 files, .*twigma has \d+"),
        ("MOST_BYTES", r"holds at most 0 GB, .*twigma has 0\.\d GB"),
    ],
)
def test_what_no_record_holds_is_refused_before_anything_is_made(
    limit, sentence, zenodo, publish, monkeypatch
):
    monkeypatch.setattr(zenodo_module, limit, 5)
    with pytest.raises(ValueError, match=sentence):
        publish()
    assert zenodo.log == []


def test_two_runs_do_not_make_two_records(zenodo, publish, tmp_path):
    with Workspace(tmp_path / "publishing").lock_publications():
        with pytest.raises(RuntimeError, match="another process is publishing from"):
            publish()
        assert publish(go=False).files  # looking is free
    assert not zenodo.records


def test_generic_names_are_refused_as_zenodo_does(zenodo):
    """The fake is as strict as the service, or the tests above would not show that we name ourselves."""
    assert httpx2.get(f"{zenodo.url}/api/records/1").status_code == 403
    named = {"User-Agent": "acme/1.0"}
    assert httpx2.get(f"{zenodo.url}/api/records/1", headers=named).status_code == 404


# ------------------------------------------------------------------ the way of a user


def test_two_versions_are_published_and_read_back(
    zenodo, twigma, tmp_path, monkeypatch
):
    """By the command, on a Zenodo that redirects, refuses generic names and limits calls; then by its public API."""
    monkeypatch.setenv("ZENODO_TOKEN", zenodo.token)
    monkeypatch.setenv("TWIGMA_ZENODO_URL", zenodo.url)
    work = releasing.make_work(tmp_path / "work")
    command = ["publish", "zenodo", str(twigma), "--work", str(work)]

    def run(*more):
        result = CliRunner().invoke(main, [*command, *more])
        assert result.exit_code == 0, result.output
        return result.output

    zenodo.busy = 1
    assert " kB would be sent as version 1.0.0; --go does it" in run()
    assert not zenodo.records
    first = only_line(run("--go"))
    assert f"on {zenodo.url}: " in first and "version 1.0.0 published as 10." in first
    assert "nothing to send" in run("--go")
    first_files = expected(twigma)
    releasing.remove(work, releasing.media_id(5))
    release(work, twigma, version="1.0.1")
    zenodo.busy = 1
    run("--go")
    old, new = zenodo.records
    assert zenodo.records[new]["metadata"]["version"] == "1.0.1"
    assert stored(zenodo.records[old]) == first_files
    card = stored(zenodo.records[new])["README.md"].decode()
    assert f"of version 1.0.0: [10.5281/zenodo.{old}](https://doi.org/" in card

    copy = fetch_record(zenodo, old, tmp_path / "downloaded")
    assert read_flat(copy) == expected(twigma)


def only_line(output):
    return output.splitlines()[-1]


def fetch_record(zenodo, number: str, folder: Path) -> Path:
    """The newest version of a record, by the public API as anybody reads it; number is that of any version."""
    with ServiceClient("Zenodo", f"{zenodo.url}/api") as api:
        record = api.get_json(f"/records/{number}/versions/latest")
    for entry in record["files"]:
        download(
            entry["links"]["self"],
            folder / entry["key"],
            size=entry["size"],
            checksum=entry["checksum"],
        )
    return folder


def read_flat(folder: Path) -> dict[str, bytes]:
    """Its files, each with the SHA-256 that its manifest states."""
    stated = json.loads((folder / "MANIFEST.json").read_text())["files"]
    by_name = {Path(name).name: facts["sha256"] for name, facts in stated.items()}
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, data in files.items():
        if name != "MANIFEST.json":
            assert hashlib.sha256(data).hexdigest() == by_name[name]
    return files


@pytest.mark.parametrize("raw", [b"", b"H"], ids=["body", "head"])
def test_a_deposit_that_drips_is_given_up(raw, monkeypatch):
    monkeypatch.setattr(zenodo_calls, "RETRY", BackoffPolicy(attempts=2))
    with (
        answering(b"{", drip=b" ", raw=raw) as (url, asked),
        zenodo_client.Zenodo(url, "token", needs_token=True) as service,
    ):
        service._calls.http.deadline = 0.5
        with pytest.raises(OSError, match=r"answer from Zenodo .*no complete answer"):
            service.published("1", "1.0")
        assert len(asked) == 2


def test_a_deposits_answer_has_a_size(monkeypatch):
    monkeypatch.setattr(zenodo_calls, "RETRY", BackoffPolicy(attempts=1))
    body = json.dumps({"a": " " * (17 << 20)}).encode()
    with (
        answering(body) as (url, _),
        zenodo_client.Zenodo(url, "token", needs_token=True) as service,
        pytest.raises(OSError, match="over 16,777,216 bytes"),
    ):
        service.published("1", "1.0")


def test_what_is_no_zenodo_is_named():
    with (
        answering(b"[]") as (url, _),
        zenodo_client.Zenodo(url, "token", needs_token=True) as service,
        pytest.raises(OSError, match="answers with list instead of an object"),
    ):
        service.published("1", "1.0")
