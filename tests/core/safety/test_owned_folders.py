"""Folders of ours are told by their mark, and lose only what it lists, whatever is saved into them at any moment."""

import json
from pathlib import Path

import pytest
from support import releasing

from twigma.core.locks import partial_of
from twigma.core.safety import folder_replacement, owned_folders

RESULTS = {
    "data": {},
    "figures": {"fig1b": {"tables": ["posts"]}, "paper": {"tables": ["paper"]}},
    "values": {},
    "skipped": [],
    "made_from": {"analysis": 6, "sha256": "f00d", "settings": {}, "versions": {}},
}


def fill(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def release(folder: Path, *names: str, dataset: str = "twigma") -> Path:
    """A folder with the mark of a release that lists these files, which are there."""
    folder.mkdir(exist_ok=True)
    fill(folder, dict.fromkeys(names, "ours"))
    manifest = {"dataset": dataset, "files": {name: {"bytes": 4} for name in names}}
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))
    return folder


def test_a_folder_is_told_by_the_mark_at_its_top(tmp_path):
    made = owned_folders.recognize(
        release(tmp_path / "a", "README.md", "metadata/0.parquet")
    )
    assert made.kind == "release" and made.files == {
        "MANIFEST.json",
        "README.md",
        "metadata/0.parquet",
    }
    assert (
        owned_folders.recognize(release(tmp_path / "b", dataset="twigma-liked")).kind
        == "set of liked images"
    )
    report = fill(tmp_path / "c", {"results.json": json.dumps(RESULTS)})
    assert owned_folders.recognize(report).files == {
        "results.json", "index.html", "results/posts.parquet", "results/posts.csv", "results/paper.parquet",
        "results/paper.csv", "figures/written.json",
    }  # fmt: skip
    assert owned_folders.recognize(tmp_path) is None  # marks further down say nothing
    assert owned_folders.recognize(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "text",
    [
        '{"acc": 0.9}',
        "[]",
        "{",
        "",
        '{"dataset": "holiday", "files": {}}',
        "[" * 100_000,
    ],
)
@pytest.mark.parametrize("name", ["MANIFEST.json", "results.json"])
def test_a_strangers_file_is_no_mark(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert owned_folders.recognize(tmp_path) is None
    with pytest.raises(ValueError, match=r"not empty and no report of ours"):
        owned_folders.require_free(tmp_path, "report")


@pytest.mark.parametrize(
    "name", ["../thesis.txt", "/etc/passwd", "a/../../b", "./a", "a//b"]
)
def test_a_mark_that_lists_files_elsewhere_is_refused(tmp_path, name):
    manifest = {"dataset": "twigma", "files": {name: {}}}
    (tmp_path / "MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="no file below it"):
        owned_folders.recognize(tmp_path)


def test_what_is_not_listed_and_links_are_foreign(tmp_path):
    out = release(tmp_path / "out", "a", "metadata/b")
    fill(
        out,
        {
            "thesis.txt": "mine",
            "metadata/mine": "mine",
            ".a.1.partial": "left of a killed process",
        },
    )
    (out / "elsewhere").symlink_to(tmp_path)
    (out / "a").unlink()
    (out / "a").symlink_to(tmp_path / "data")
    assert owned_folders.foreign(owned_folders.recognize(out)) == [
        "a",
        "elsewhere",
        "metadata/mine",
        "thesis.txt",
    ]


def test_deleting_leaves_what_is_not_listed_and_what_links_lead_to(tmp_path):
    theirs = fill(tmp_path / "theirs", {"b": "mine"})
    out = release(tmp_path / "out", "a", "metadata/b", "linked/b")
    (out / "linked/b").unlink()
    (out / "linked").rmdir()
    (out / "linked").symlink_to(theirs)
    fill(out, {"thesis.txt": "mine"})
    (out / "empty").mkdir()
    assert folder_replacement.delete(owned_folders.recognize(out)) == [
        "linked",
        "thesis.txt",
    ]
    assert sorted(path.name for path in out.iterdir()) == [
        "empty",
        "linked",
        "thesis.txt",
    ]
    assert (theirs / "b").read_text() == "mine"
    assert (
        folder_replacement.delete(
            owned_folders.recognize(release(tmp_path / "whole", "a", "b/c/d"))
        )
        == []
    )
    assert not (tmp_path / "whole").exists()


def test_a_stopped_deletion_is_finished_by_the_next(tmp_path, monkeypatch):
    out = release(tmp_path / "out", "a", "b")
    unlink = Path.unlink

    def stop(path, missing_ok=False):
        if path.name == "b":
            raise OSError("stopped")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", stop)
    with pytest.raises(OSError, match="stopped"):
        folder_replacement.delete(owned_folders.recognize(out))
    monkeypatch.undo()
    assert owned_folders.recognize(out) is not None
    folder_replacement.delete(owned_folders.recognize(out))
    assert not out.exists()


def test_what_is_saved_into_a_folder_while_its_successor_is_made_survives(
    tmp_path, caplog
):
    out = release(tmp_path / "out", "a", "metadata/old")
    with folder_replacement.replacing(out) as new:
        release(new, "a", "metadata/new")
        (new / "a").write_text("new")
        fill(
            out,
            {"thesis.txt": "mine", "metadata/mine": "mine", "metadata/new": "mine too"},
        )
        (out / "link").symlink_to(tmp_path / "nowhere")
        (out / "empty").mkdir()
    assert releasing.contents(out) == {
        "MANIFEST.json": (out / "MANIFEST.json").read_bytes(), "a": b"new", "metadata/new": b"ours",
        "thesis.txt": b"mine", "metadata/mine": b"mine", "metadata/new.kept": b"mine too",
    }  # fmt: skip
    assert (out / "link").readlink() == tmp_path / "nowhere" and (
        out / "empty"
    ).is_dir()
    assert (
        "kept what is not ours: 'link', 'metadata/mine', 'metadata/new' and 1 more"
        in caplog.text
    )
    assert [path.name for path in tmp_path.iterdir()] == [
        "out"
    ]  # nothing private is left


def test_a_folder_that_somebody_else_makes_meanwhile_is_kept_whole(tmp_path):
    out = tmp_path / "out"
    with folder_replacement.replacing(out) as new:
        release(new, "a")
        fill(out, {"a": "mine", "MANIFEST.json": '{"dataset": "holiday"}'})
    assert (out / "a").read_text() == "ours" and (out / "a.kept").read_text() == "mine"
    assert (out / "MANIFEST.json.kept").read_text() == '{"dataset": "holiday"}'


def test_a_failed_run_leaves_everything_as_it_was(tmp_path):
    out = release(tmp_path / "out", "a")
    before = releasing.contents(tmp_path)
    with pytest.raises(OSError, match="full"), folder_replacement.replacing(out) as new:
        fill(new, {"b": "half"})
        raise OSError("full")
    assert releasing.contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "swapped", [False, True], ids=["before the new one was there", "after it was there"]
)
def test_a_run_that_was_killed_leaves_nothing_and_loses_nothing(tmp_path, swapped):
    private = tmp_path / ".out.0123abcd.folder"
    private.mkdir()
    private.with_suffix(".partial").touch()
    fill(release(private / "old", "a", "b"), {"thesis.txt": "mine"})
    if swapped:
        (release(tmp_path / "out", "a") / "a").write_text("new")
    else:
        fill(private / "new", {"a": "half"})
    of_another = fill(tmp_path / ".out.b.0123abcd.folder", {"new/a": "half"})
    with partial_of(tmp_path / "out") as mark:
        running = mark.with_suffix(".folder")
        fill(running, {"new/a": "of a run that goes on, here or on another machine"})
        folder_replacement.sweep(tmp_path / "out")
        assert mark.exists()
    assert (tmp_path / "out/thesis.txt").read_text() == "mine"
    assert (tmp_path / "out/a").read_text() == ("new" if swapped else "ours")
    assert (tmp_path / "out/b").exists() is not swapped
    assert not private.exists() and (running / "new/a").exists()
    assert (of_another / "new/a").exists()


def test_apart_means_apart_through_links_too(tmp_path):
    work = tmp_path / "home" / "work"
    (work / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(work / "sub")
    for folder in (
        work,
        work / "sub",
        work / "new",
        tmp_path / "home",
        tmp_path,
        tmp_path / "link",
        work / ".." / "work",
    ):
        with pytest.raises(ValueError, match="is, holds or lies in the working folder"):
            owned_folders.require_apart(folder, work)
    owned_folders.require_apart(tmp_path / "home" / "work2", work)
