"""Publishing to the Hub: the real huggingface_hub against a loopback Hub, and the real readers on what is there."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner
from support import releasing

from twigma.builder.publish.hub import publish_hub
from twigma.builder.publish.hub_card import EDITED
from twigma.builder.release.release import release
from twigma.cli import main

REPO = "acme/twigma"


def without_card(files):
    """The files that are on the Hub as they are in the release."""
    return {path: files[path] for path in set(files) - set(EDITED)}


def test_nothing_is_sent_unless_asked(hub, publish):
    found = publish(go=False)
    assert not found.done and not found.exists
    assert set(found.files.values()) == {"new"} and found.sending > 10_000
    assert [method for method, _, _ in hub.log] == ["GET"]
    assert not hub.repos


def test_a_release_is_there_byte_for_byte_tagged_and_gated_before_its_first_file(
    hub, publish, twigma
):
    found = publish()
    store = hub.repos[REPO]
    assert found.done and found.changes
    there = store.commits[-1][1]
    assert set(there) == set(releasing.contents(twigma))
    assert without_card(there) == without_card(releasing.contents(twigma))
    assert store.tags == {"v1.0.0": store.commits[-1][0]}
    assert store.gated == "auto"
    paths = [path for _, path, _ in hub.log]
    assert paths.index(f"/api/datasets/{REPO}/settings") < paths.index(
        f"/api/datasets/{REPO}/commit/main"
    )
    assert "not-for-all-audiences" in store.commits[-1][1]["README.md"].decode()


@pytest.mark.parametrize("private", [True, False])
def test_a_new_repository_is_as_private_as_asked(hub, publish, private):
    publish(private=private)
    assert hub.repos[REPO].private is private


def test_publishing_again_sends_no_bytes(hub, publish):
    publish()
    before = hub.received()
    found = publish()
    assert found.tagged and not found.changes and found.sending == 0
    assert hub.received() == before
    assert len(hub.repos[REPO].commits) == 3


def test_a_new_version_sends_what_changed_removes_what_is_gone_and_keeps_the_old_tag(
    hub, publish, twigma, tmp_path
):
    publish()
    work = releasing.make_work(tmp_path / "work")
    releasing.remove(work, releasing.media_id(5))
    release(work, twigma, version="1.1.0", without=("embed",))
    found = publish(go=False)
    states = {re.split("[-/]", path)[0]: state for path, state in found.files.items()}
    assert (
        states["embeddings"] == "removed"
        and states["metadata"] == states["README.md"] == "changed"
    )
    publish()
    store = hub.repos[REPO]
    assert (
        set(store.tags) == {"v1.0.0", "v1.1.0"}
        and store.tags["v1.0.0"] != store.tags["v1.1.0"]
    )
    assert not any(path.startswith("embeddings") for path in store.commits[-1][1])


def test_one_version_has_one_content(publish, twigma, tmp_path):
    publish()
    work = releasing.make_work(tmp_path / "work")
    releasing.remove(work, releasing.media_id(5))
    release(work, twigma)
    with pytest.raises(
        ValueError, match=r"acme/twigma has v1\.0\.0 already.*new --version"
    ):
        publish()


def test_a_repository_of_something_else_is_left_alone(hub, publish):
    publish(go=True)
    hub.repos[REPO].commit({"model.safetensors": b"weights"})
    hub.repos[REPO].tags.clear()
    with pytest.raises(
        ValueError, match=r"holds 'model\.safetensors', which is of no release"
    ):
        publish()


def test_a_commit_of_somebody_else_meanwhile_is_not_overwritten(hub, publish):
    publish()
    hub.repos[REPO].tags.clear()
    hub.repos[REPO].commit({"README.md": b"mine"})
    hub.before_commit = lambda: hub.repos[REPO].commit({"README.md": b"theirs"})
    with pytest.raises(RuntimeError, match="was changed meanwhile"):
        publish()
    assert hub.repos[REPO].commits[-1][1] == {"README.md": b"theirs"}


def test_a_wrong_token_is_refused_and_changes_nothing(hub, publish):
    with pytest.raises(
        PermissionError,
        match=r"does not accept the token for acme/twigma .*hf auth login",
    ):
        publish(token="hf_wrong")
    assert not hub.repos


def test_a_connection_cut_half_way_is_taken_up_again(hub, publish, twigma):
    hub.cuts = 1
    publish()
    store = hub.repos[REPO]
    assert len(store.commits) == 3
    there = store.commits[-1][1]
    assert without_card(there) == without_card(releasing.contents(twigma))
    assert publish().sending == 0


def test_a_run_that_ended_between_upload_and_tag_is_finished(hub, publish):
    publish()
    hub.repos[REPO].tags.clear()
    before = hub.received()
    assert publish().done
    assert hub.received() == before
    assert set(hub.repos[REPO].tags) == {"v1.0.0"}


def test_a_damaged_or_foreign_folder_is_not_published(hub, publish, twigma):
    (twigma / "README.md").write_text("short")
    with pytest.raises(ValueError, match="damaged"):
        publish()
    shutil.rmtree(twigma)
    with pytest.raises(ValueError, match="not a TWIGMA release"):
        publish()
    assert not hub.log


@pytest.mark.parametrize(
    ("repo", "options"), [("twigma", {}), (REPO, {"gated": "maybe"})]
)
def test_wrong_options_are_named(twigma, repo, options):
    with pytest.raises(ValueError, match="expected"):
        publish_hub(twigma, repo, **options)


READ = """
import json, os, sys
import datasets, duckdb, polars
from huggingface_hub import snapshot_download
folder = snapshot_download("acme/twigma", repo_type="dataset")
first = "train[:3]"
print(json.dumps({
    "rows": datasets.load_dataset("acme/twigma", split="train").num_rows,
    "old": datasets.load_dataset("acme/twigma", split="train", revision="v1.0.0").num_rows,
    "embeddings": datasets.load_dataset("acme/twigma", "embeddings", split="train").num_rows,
    "stream": [row["id"] for row in datasets.load_dataset("acme/twigma", split="train", streaming=True)][:3],
    "map": datasets.load_dataset("acme/twigma", split=first)["id"][:],
    "duckdb": [row[0] for row in duckdb.sql(f"SELECT id FROM '{folder}/metadata-*.parquet' LIMIT 3").fetchall()],
    "polars": polars.read_parquet(folder + "/metadata-*.parquet")["id"].head(3).to_list(),
}))
"""


def test_what_is_published_loads_by_name_revision_stream_and_in_other_tools(
    hub, publish, twigma, tmp_path, made
):
    publish()
    work = releasing.make_work(tmp_path / "work")
    releasing.remove(work, releasing.media_id(5))
    release(work, twigma, version="1.1.0")
    publish()
    env = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    env |= {"HF_TOKEN": hub.token}
    done = subprocess.run(
        [sys.executable, "-c", READ],
        env=env,
        cwd=tmp_path / "work",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    rows = json.loads((twigma / "MANIFEST.json").read_text())["counts"]["released"]
    assert found["rows"] == found["embeddings"] == rows == found["old"] - 1
    assert found["stream"] == found["map"] == found["duckdb"] == found["polars"]
    assert all(isinstance(post, str) and len(post) == 19 for post in found["stream"])


def test_the_command_shows_what_it_would_do_then_does_it(hub, twigma, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setenv("TWIGMA_HUB_URL", hub.url)
    words = ["publish", "hub", REPO, str(twigma)]
    dry = CliRunner().invoke(main, words)
    assert dry.exit_code == 0, dry.output
    assert (
        "would be sent" in dry.output
        and "README.md" in dry.output
        and "v1.0.0" in dry.output
    )
    assert f"{REPO}: would be created" in dry.output
    assert "tags: v1.0.0 (would be new)" in dry.output
    assert not hub.repos
    done = CliRunner().invoke(main, [*words, "--go"])
    assert done.exit_code == 0, done.output
    assert f"{REPO}: will be created" in done.output
    assert f"{REPO}: created, " in done.output
    assert REPO in hub.repos
    again = CliRunner().invoke(main, [*words, "--go"])
    assert "acme/twigma: up to date, v1.0.0 is published" in again.output


def test_nothing_is_told_as_done_before_it_is(hub, twigma, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.reader)
    monkeypatch.setenv("TWIGMA_HUB_URL", hub.url)
    refused = CliRunner().invoke(main, ["publish", "hub", REPO, str(twigma), "--go"])
    assert refused.exit_code == 1 and "HTTP 403" in refused.stderr
    assert f"{REPO}: will be created\n" in refused.stdout
    assert "tags: v1.0.0 (will be new)\n" in refused.stdout
    assert "is created" not in refused.stdout and "published" not in refused.stdout
    assert not hub.repos
