"""The card as the Hub shows it, and what is downloaded: a complete release."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import releasing
from support.invenio import Invenio

from twigma import check_files
from twigma.builder.publish.hub_card import card_for_hub, files_for_hub
from twigma.builder.publish.zenodo import publish_zenodo

REPO = "acme/twigma"
DOI = "10.5281/zenodo.1234567"


def test_the_card_says_who_publishes_and_how_to_get_it_from_there(twigma):
    card = card_for_hub(twigma, REPO)
    loading = card.split("## Load it")[1].split("\n## ")[0]
    assert (
        "acme/twigma publishes this dataset; version 1.0.0 is the revision `v1.0.0`"
        in loading
    )
    assert 'load_dataset("acme/twigma", split="train", revision="v1.0.0")' in loading
    assert "hf download acme/twigma --repo-type dataset --revision v1.0.0" in loading
    before = (twigma / "README.md").read_text()
    assert "acme/twigma" not in before
    assert not [
        line
        for line in before.splitlines()
        if line not in card.splitlines() and "Put this folder" not in line
    ]


def test_the_doi_stands_once_above_the_recipes(twigma):
    card = card_for_hub(twigma, REPO, DOI)
    lines = re.findall(r"^DOI: .*$", card, re.MULTILINE)
    assert lines == [f"DOI: [{DOI}](https://doi.org/{DOI})"]
    assert card.index("DOI: [") < card.index("## Load it")
    path = twigma / "README.md"
    path.write_text(path.read_text().replace("DOI: none yet.\n\n", ""))
    card = card_for_hub(twigma, REPO, DOI)
    assert f"\n\n{lines[0]}\n\n## Load it" in card


def test_a_card_that_is_not_ours_is_refused(twigma):
    (twigma / "README.md").write_text("# Mine\n")
    with pytest.raises(ValueError, match=r"README\.md has no section '## Load it'"):
        files_for_hub(twigma, REPO)


def test_what_is_downloaded_is_a_complete_release(hub, publish, twigma, tmp_path):
    hub.large = True
    work = tmp_path / "publishing"
    doi = on_zenodo(twigma, work)
    before = releasing.contents(twigma)
    publish(work=work)
    assert releasing.contents(twigma) == before
    command = [str(Path(sys.executable).parent / "hf"), "download", REPO]
    command += ["--repo-type", "dataset", "--revision", "v1.0.0"]
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
    subprocess.run(
        [*command, "--local-dir", str(tmp_path / "copy")],
        env=environment | {"HF_TOKEN": hub.token},
        check=True,
        capture_output=True,
    )
    check_files(tmp_path / "copy")
    assert doi in (tmp_path / "copy/README.md").read_text()


def on_zenodo(release, work):
    """Publish a release on a loopback Zenodo; its DOI."""
    with Invenio() as zenodo:
        to = {"url": zenodo.url, "token": zenodo.token}
        return publish_zenodo(release, work, go=True, **to).doi


def test_a_doi_that_comes_later_corrects_the_card_of_main_and_nothing_else(
    hub, publish, twigma, tmp_path
):
    work = tmp_path / "publishing"
    before = releasing.contents(twigma)
    publish(work=work)
    store = hub.repos[REPO]
    tagged = dict(store.tags)
    doi = on_zenodo(twigma, work)
    assert releasing.contents(twigma) == before
    plan = publish(go=False, work=work)
    assert plan.changes == ["MANIFEST.json", "README.md"] and plan.tagged
    publish(work=work)
    assert doi in store.commits[-1][1]["README.md"].decode()
    assert store.tags == tagged
    commits = len(store.commits)
    again = publish(work=work)
    assert again.is_current and not again.changes
    assert len(store.commits) == commits
