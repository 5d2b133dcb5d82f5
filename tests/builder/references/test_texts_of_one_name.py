"""Text files of one name, edited ones, and runs that were stopped: every text is in the set once."""

import json

import pytest
from support.staging import tiny_clip

from twigma.builder.references.add_reference import add_reference
from twigma.builder.references.folder import add_texts
from twigma.core.workspace import Workspace


@pytest.fixture
def add(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = str(tiny_clip(tmp_path / "tiny-clip"))
    for language in ("en", "de"):
        (tmp_path / language).mkdir()
        (tmp_path / language / "captions.txt").write_text(f"{language} a\n{language} b")
    return lambda *sources: add_reference("mine", sources, model=model)


def stored(tmp_path):
    return sorted(
        Workspace(tmp_path / "refs/mine").image_rows("text")["text"].to_pylist()
    )


def test_files_of_one_name_in_two_folders(add, tmp_path):
    add("en/captions.txt", "de/captions.txt")
    assert stored(tmp_path) == ["de a", "de b", "en a", "en b"]


def test_the_texts_of_an_edited_file_replace_its_earlier_ones(add, tmp_path):
    add("en/captions.txt", "de/captions.txt")
    (tmp_path / "de/captions.txt").write_text("de c")
    add("en/captions.txt", "de/captions.txt")
    assert stored(tmp_path) == ["de c", "en a", "en b"]


def test_a_run_that_was_stopped_before_the_record_is_resumed(add, tmp_path):
    add("en/captions.txt")
    record = tmp_path / "refs/mine/reference.json"
    about = json.loads(record.read_text())
    record.write_text(json.dumps(about | {"files": {}}))
    add("en/captions.txt")
    assert stored(tmp_path) == ["en a", "en b"]
    assert add_texts(tmp_path / "refs/mine", "mine", ["one"], "captions") == 1
    assert stored(tmp_path) == ["one"]
