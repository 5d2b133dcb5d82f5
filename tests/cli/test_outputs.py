"""No command changes a file of somebody else, whatever folder is named to it by mistake."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from support import releasing

from twigma.builder.finetuning.liked import liked
from twigma.cli import main

FOLDERS = {
    "home": "home",
    "around the working folder": "home/project",
    "the working folder": "home/project/work",
    "in the working folder": "home/project/work/shards",
    "new, in the working folder": "home/project/work/new",
    "link to the working folder": "home/link",
    "link to home": "home-link",
    "results of a stranger": "home/model",
    "manifest of a stranger": "home/archive",
    "manifest that lists files elsewhere": "home/hostile",
    "release with a thesis in it": "home/release",
}
COMMANDS = {
    "removals": [
        "removals",
        "requests.txt",
        "--work",
        "{work}",
        "--derived",
        "{folder}",
    ],
    "analyze": ["analyze", "{release}", "--work", "{work}", "--out", "{folder}"],
    "report": ["report", "{folder}"],
    "release": ["release", "--work", "{work}", "--out", "{folder}"],
    "liked": [
        "liked",
        "--work",
        "{work}",
        "--acknowledge-x-terms",
        "--quantile",
        "0",
        "--out",
        "{folder}",
    ],
    "sheets": ["sheets", "{release}", "--out", "{folder}"],
    "hashtags": [
        "hashtags",
        "--work",
        "{work}",
        "--hashtag",
        "aiart",
        "--out",
        "{folder}",
    ],
    "reference": [
        "reference",
        "add",
        "{name}",
        "v.npy",
        "--model",
        "ViT-L-14/openai",
        "--refs",
        "{parent}",
    ],
}
ADDING = {
    "sheets",
    "hashtags",
    "reference",
}  # may write new files beside those of others; they say so, or where


@pytest.fixture
def place(made, work, tmp_path, monkeypatch):
    """A home with a thesis, an ssh key and a project whose working folder is ours, and folders of strangers."""
    home = tmp_path / "home"
    elsewhere = {
        "dataset": "twigma",
        "files": {"../thesis.tex": {}, "../.ssh/id_ed25519": {}},
    }
    files = {
        "thesis.tex": "six years", ".ssh/id_ed25519": "secret", "index.html": "my page", "hashtags.csv": "a,b\n1,2\n",
        "candidates.csv": "name\nAda\n", "annotator-1.csv": "name\nAda\n", "results/posts.csv": "mine\n",
        "results/posts.parquet": "mine", "project/notes.md": "mine", "project/results/posts.csv": "mine\n",
        "model/results.json": '{"acc": 0.9}', "model/results/paper.csv": "mine\n", "model/weights.bin": "mine",
        "archive/MANIFEST.json": '{"files": {"a": {}}, "dataset": "holiday"}', "archive/a": "mine",
        "hostile/MANIFEST.json": json.dumps(elsewhere),
        "release/thesis.tex": "another copy",
    }  # fmt: skip
    shutil.copytree(made / "twigma", home / "release")
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    shutil.copytree(work, home / "project" / "work")
    shutil.rmtree(work)
    shutil.copytree(made / "twigma", tmp_path / "twigma")
    (home / "link").symlink_to(home / "project" / "work")
    (tmp_path / "home-link").symlink_to(home)
    (tmp_path / "requests.txt").write_text(f"{releasing.media_id(20)}\n")
    np.save(tmp_path / "v.npy", np.eye(4, 768, dtype=np.float32))
    monkeypatch.chdir(tmp_path)
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(home))
    return tmp_path


def run(place, command, folder):
    words = {
        "work": place / "home/project/work", "release": place / "twigma", "folder": place / folder,
        "name": (place / folder).name, "parent": (place / folder).parent,
    }  # fmt: skip
    return CliRunner().invoke(
        main, [word.format_map(words) for word in COMMANDS[command]]
    )


def files(folder):
    """Every file by its real path, so that a link put in the place of a file shows."""
    found = releasing.contents(folder)
    links = {
        path.name: str(path.readlink())
        for path in folder.rglob("*")
        if path.is_symlink()
    }
    return found | links


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_named_by_mistake_stays_as_it_was(place, command, folder):
    before = files(place)
    done = run(place, command, folder)
    after = files(place)
    changed = [name for name, data in before.items() if after.get(name) != data]
    added = sorted(set(after) - set(before))
    assert changed == [], done.output
    assert added == [] or command in ADDING, added
    if command not in ADDING:
        assert done.exit_code == 1 and done.stderr.count("\n") == 1, done.output
        assert isinstance(done.exception, SystemExit)


def test_what_is_ours_goes_and_a_link_to_it_is_followed_first(place):
    shutil.rmtree(place / "home/release")
    (place / "out").symlink_to(place / "twigma")
    done = run(place, "removals", "out")
    assert done.exit_code == 0, done.output
    assert (
        not (place / "twigma").exists()
        and f"deleted: {place / 'twigma'}" in done.output
    )
    receipts = list((place / "home/project/work/receipts").iterdir())
    assert json.loads(receipts[0].read_text())["deleted"] == [str(place / "twigma")]


def test_a_folder_that_cannot_be_deleted_ends_with_a_receipt_and_code_1(
    place, monkeypatch
):
    from twigma.core.safety import folder_replacement

    def refuse(made):
        raise PermissionError(13, "Permission denied", str(made.folder))

    monkeypatch.setattr(
        folder_replacement, "delete", refuse
    )  # root may delete anything: the refusal is the system's
    done = run(place, "removals", "twigma")
    assert done.exit_code == 1
    assert f"{place / 'twigma'} cannot be deleted (Permission denied)" in done.stderr
    (receipt,) = (place / "home/project/work/receipts").iterdir()
    assert json.loads(receipt.read_text())["failed"]


def test_only_a_working_folder_is_erased_in(place):
    before = files(place)
    words = ["removals", "requests.txt", "--work", str(place / "home/model")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1 and "is no working folder" in done.stderr
    assert files(place) == before


def test_nothing_but_the_cache_of_datasets_is_taken_for_it(place, monkeypatch):
    """The cache may be set to a folder that has a `twigma` of its own: a release, or a checkout."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(place))
    before = files(place / "twigma")
    words = ["removals", "requests.txt", "--work", str(place / "home/project/work")]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert files(place / "twigma") == before


def test_the_cache_of_datasets_goes(here):
    import datasets

    import twigma

    cache = here / "cache"
    twigma.load_dataset(split="train", cache_dir=str(cache))
    assert list(cache.rglob("twigma-train*.arrow"))
    (cache / "twigma/mine.txt").write_text("mine")
    assert str(cache) == datasets.config.HF_DATASETS_CACHE
    (here / "requests.txt").write_text(f"{releasing.media_id(20)}\n")
    done = CliRunner().invoke(main, ["removals", "requests.txt", "--work", "work"])
    assert done.exit_code == 0 and f"deleted: {cache / 'twigma'}" in done.output
    assert [path.name for path in (cache / "twigma").rglob("*")] == ["mine.txt"]


def test_a_set_with_a_file_of_yours_is_not_replaced(place):
    out = place / "liked"
    options = {"quantile": 0.0, "nsfw_threshold": 1.0, "acknowledge_x_terms": True}
    liked(place / "home/project/work", out, **options)
    (out / "train/notes.txt").write_text("mine")
    before = files(out)
    with pytest.raises(
        ValueError, match=r"holds 'train/notes\.txt', which is not part of the set"
    ):
        liked(place / "home/project/work", out, **options | {"seed": 1})
    assert files(out) == before
