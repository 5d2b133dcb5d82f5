"""Downloads by the real client from a loopback Hub: whole, cut off, resumed, damaged, not there."""

import hashlib
import random

import pytest
from huggingface_hub.file_download import HfFileMetadata
from huggingface_hub.utils.sha import git_hash
from support.hub import Hub

import twigma
from tests.core.services.test_http import replying
from twigma.builder.references import hub_files as hub_files_module
from twigma.builder.references.hub_files import (
    dataset_facts,
    hub_file,
    hub_files,
    web_file,
)

REPO, PATH = "acme/pictures", "data/train-0.parquet"
DATA = random.Random(0).randbytes(200_000)


@pytest.fixture
def hub():
    with Hub() as server:
        server.commit = server.hold(
            REPO, {PATH: DATA, "README.md": b"# Pictures"}, license="cc0-1.0"
        )
        yield server


def fetch(hub, folder):
    return hub_file(REPO, PATH, hub.commit, folder, hub.url)


def test_a_file_is_fetched_once(hub, tmp_path):
    path = fetch(hub, tmp_path)
    assert path == tmp_path / "data_train-0.parquet"
    assert path.read_bytes() == DATA
    assert fetch(hub, tmp_path) == path
    assert hub.sent == [(PATH, len(DATA))]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_cut_connection_resumes(hub, tmp_path):
    hub.drops = 1
    assert fetch(hub, tmp_path).read_bytes() == DATA
    assert sum(size for _, size in hub.sent) == len(DATA)
    assert len(hub.sent) == 2


def test_a_stopped_run_resumes(hub, tmp_path):
    (tmp_path / f".data_train-0.parquet.{git_hash(DATA)}.part").write_bytes(
        DATA[:150_000]
    )
    assert fetch(hub, tmp_path).read_bytes() == DATA
    assert hub.sent == [(PATH, 50_000)]


def test_damaged_bytes_are_refused_and_not_kept(hub, tmp_path):
    hub.spoilt.add(PATH)
    with pytest.raises(ValueError, match="is damaged: expected git-sha1:"):
        fetch(hub, tmp_path)
    assert not list(tmp_path.iterdir())
    hub.spoilt.clear()
    assert fetch(hub, tmp_path).read_bytes() == DATA


def test_what_a_dataset_is_and_holds(hub):
    assert dataset_facts(REPO, None, hub.url) == (hub.commit, "cc0-1.0")
    assert hub_files(REPO, hub.commit, ("data/*.parquet",), hub.url) == [PATH]
    with pytest.raises(FileNotFoundError, match=r"no file like \*.tar"):
        hub_files(REPO, hub.commit, ("*.tar",), hub.url)
    with pytest.raises(FileNotFoundError, match="the Hub has no dataset acme/absent"):
        dataset_facts("acme/absent", None, hub.url)


def test_no_server_is_named(tmp_path):
    with Hub() as server:
        url = server.url
    with pytest.raises(OSError, match="run again to resume"):
        dataset_facts(REPO, None, url)


def test_a_file_of_the_web_is_checked_where_its_hash_is_known(hub, tmp_path):
    url = f"{hub.url}/datasets/{REPO}/resolve/main/{PATH}"
    md5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
    assert web_file(url, tmp_path / "a", md5).read_bytes() == DATA
    assert web_file(url, tmp_path / "b").read_bytes() == DATA
    with pytest.raises(ValueError, match="is damaged"):
        web_file(url, tmp_path / "c", md5[::-1])
    with pytest.raises(FileNotFoundError, match="no file"):
        web_file(url + "x", tmp_path / "d")


def test_the_hub_sees_our_name(hub, tmp_path):
    dataset_facts(REPO, endpoint=hub.url)
    hub_files(REPO, hub.commit, ("*.parquet",), hub.url)
    fetch(hub, tmp_path)
    ours = f"twigma/{twigma.__version__}; "
    assert len(hub.agents) >= 4
    assert [name for name in hub.agents if not name.startswith(ours)] == []


def test_what_is_no_hub_is_named(tmp_path):
    page = (200, {"Content-Type": "text/html"}, "<html>Log in</html>")
    with replying(page) as (url, _):
        with pytest.raises(OSError, match=r"acme/pictures is no Hub .*not JSON"):
            dataset_facts(REPO, endpoint=url)
        with pytest.raises(OSError, match=r"acme/pictures is no Hub .*not JSON"):
            hub_files(REPO, "main", ("*",), url)


def test_another_server_on_the_same_host_does_not_get_the_token(
    hub, tmp_path, monkeypatch
):
    """As a store of files on another port, or behind http where the Hub is behind https."""
    data = DATA[:1000].hex()
    monkeypatch.setenv("HF_TOKEN", "hf_a_token_for_this_test")
    with replying((200, {}, data)) as (store, calls):
        facts = HfFileMetadata("c", "etag", f"{store}/file", len(data), None)
        monkeypatch.setattr(
            hub_files_module, "get_hf_file_metadata", lambda *_, **__: facts
        )
        fetch(hub, tmp_path)
    assert "hf_a_token" not in str(calls)
    assert calls[0][2]["user-agent"].startswith("twigma/")
