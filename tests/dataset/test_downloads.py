"""A release that was published and downloaded again, from Zenodo and from the Hub, opens in every way there is."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner
from support import releasing
from support.hub import Hub
from support.invenio import Invenio

import twigma
from twigma.builder.publish.hub import publish_hub
from twigma.builder.publish.zenodo import publish_zenodo
from twigma.builder.release.privacy_check import check_privacy
from twigma.builder.release.release import release
from twigma.cli import main
from twigma.core.services.http import ServiceClient
from twigma.core.services.user_agent import USER_AGENT

REPO = "acme/twigma"
IN_THE_CARD = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module", params=["Zenodo", "the Hub"])
def downloaded(request, made, tmp_path_factory):
    """A folder with a downloaded release as `twigma`, which is not to be changed."""
    folder = tmp_path_factory.mktemp("downloaded")
    fetch = {"Zenodo": from_zenodo, "the Hub": from_hub}[request.param]
    fetch(shutil.copytree(made / "twigma", folder / "published"), folder / "twigma")
    return folder


def from_zenodo(published: Path, out: Path) -> None:
    """Publish it, then fetch every file that the record lists, as a browser does."""
    with Invenio() as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServiceClient, "pause", lambda *_: None)
        options = {"url": server.url, "token": server.token, "go": True}
        options |= {"work": published.parent / "work"}
        done = publish_zenodo(published, **options)
        names = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        url = f"{server.url}/api/records/{done.record}"
        out.mkdir()
        for entry in httpx2.get(url, headers=names).json()["files"]:
            answer = httpx2.get(entry["links"]["self"], headers=names)
            (out / entry["key"]).write_bytes(answer.content)


def from_hub(published: Path, out: Path) -> None:
    """Put it on the Hub, which adds a file, then fetch it by `hf download --local-dir`."""
    with Hub() as server:
        files = releasing.contents(published)
        server.hold(REPO, files | {".gitattributes": b"*.parquet filter=lfs\n"})
        command = ["hf", "download", REPO, "--repo-type", "dataset"]
        command[0] = str(Path(sys.executable).with_name("hf"))
        home = {"HF_HOME": str(out.parent / "hf"), "HF_HUB_DISABLE_XET": "1"}
        subprocess.run(
            [*command, "--local-dir", str(out)],
            env=os.environ | home | {"HF_ENDPOINT": server.url},
            check=True,
            capture_output=True,
        )
    assert (out / ".cache/huggingface").is_dir() and (out / ".gitattributes").exists()


@pytest.fixture
def ids(made):
    return releasing.read(made / "twigma")["id"].to_pylist()


WITHOUT_OURS = """
import datasets, json, mlcroissant, sys
plain = datasets.load_dataset("twigma", split="train")
vectors_of = datasets.load_dataset("twigma", "embeddings", split="train")
croissant = mlcroissant.Dataset(jsonld="twigma/croissant.json")
records = {
    each.id: [row[f"{each.id}/image_name"].decode() for row in croissant.records(each.id)]
    for each in croissant.metadata.record_sets
}
ids = {"datasets": plain["id"][:]}
for tool in RECIPES:
    exec(RECIPES[tool])
    if tool in ("pandas", "polars"):
        ids[tool] = list(metadata["id"])
facts = {
    "ids": ids, "records": records, "images": plain["image_name"][:],
    "embeddings": vectors_of["image_name"][:], "posts": sum(n for _, n in by_month),
    "shape": vectors.shape, "ours": "twigma" in sys.modules,
}
print(json.dumps(facts))
"""


def test_it_opens_without_ours_in_the_ways_of_its_card_and_by_croissant(
    downloaded, tmp_path, ids
):
    card = (downloaded / "twigma/README.md").read_text()
    recipes = {}
    for recipe in IN_THE_CARD.findall(card):
        tool = re.match(r"# ([A-Za-z]+)", recipe)[1]
        recipes.setdefault(tool, recipe)
    wanted = {
        name: recipes[name] for name in ("pandas", "polars", "DuckDB", "embeddings")
    }
    (tmp_path / "twigma").symlink_to(downloaded / "twigma")
    code = f"RECIPES = {wanted!r}\n{WITHOUT_OURS}"
    facts = json.loads(releasing.run(tmp_path, code, PYTHONPATH=""))
    assert facts["ids"] == dict.fromkeys(("datasets", "pandas", "polars"), ids)
    assert facts["posts"] == len(set(ids)) and facts["shape"] == [26, releasing.DIM]
    rows = dict.fromkeys(("metadata", "embeddings"), facts["images"])
    assert facts["records"] == rows and facts["embeddings"] == facts["images"]
    assert facts["ours"] is False


def test_it_opens_with_ours_and_is_analysed(downloaded, tmp_path, monkeypatch, ids):
    (tmp_path / "twigma").symlink_to(downloaded / "twigma")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TWIGMA_DATA_DIR", raising=False)
    options = {"split": "train", "cache_dir": str(tmp_path / "cache")}
    assert twigma.load_dataset(**options)["id"][:] == ids
    assert len(twigma.load_dataset("embeddings", **options)) == len(ids)
    opened = twigma.open_release()
    assert opened.to_pandas()["id"].tolist() == ids
    assert len(opened.embeddings) == len(ids)
    done = CliRunner().invoke(main, ["analyze", "twigma", "--out", "report"])
    assert done.exit_code == 0, done.output
    results = json.loads((tmp_path / "report/results.json").read_text())
    assert results["data"]["images"] == len(ids)
    assert results["data"]["embeddings"]["n"] == len(ids)


def test_it_is_released_and_published_again(downloaded, work, tmp_path):
    out = shutil.copytree(downloaded / "twigma", tmp_path / "twigma")
    hidden = {path.name for path in out.iterdir() if path.name.startswith(".")}
    assert hidden in (set(), {".cache", ".gitattributes"})
    check_privacy(out)
    assert release(work, out, version="1.1.0").written
    check_privacy(out)
    with Hub() as hub:
        plan = publish_hub(out, REPO, endpoint=hub.url, token=hub.token)
    assert set(plan.files) == {*twigma.read_manifest(out)["files"], "MANIFEST.json"}


def test_only_what_the_download_adds_is_passed_over(made, work, tmp_path):
    out = shutil.copytree(made / "twigma", tmp_path / "twigma")
    for name in (".cache/photo.jpg", ".cache/huggingface.txt", "a/.gitattributes"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_bytes(b"mine")
        with pytest.raises(ValueError, match="has no place in a release"):
            check_privacy(out)
        with pytest.raises(ValueError, match="not part of the release"):
            release(work, out, version="1.1.0")
        (out / name).unlink()
