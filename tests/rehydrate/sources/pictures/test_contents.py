"""What stands beside a picture is found whatever the case of its ending, in folders, files and archives alike."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.worlds import photo

from twigma.cli import main
from twigma.core.workspace import Workspace

CASES = Path(__file__).parents[1] / "own_files" / "cases"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("A.JPG", "B.jpg", "C.jpg")):
        (folder / name).write_bytes(photo(number))
    shutil.copy(CASES / "picture.avif", folder / "D.AVIF")
    (folder / "A.TXT").write_text("a castle")
    (folder / "B.JSON").write_text(json.dumps({"like_count": 3}))
    (folder / "C.jpg.Json").write_text(json.dumps({"caption": "a fox"}))
    (folder / "D.Txt").write_text("a lake")
    return folder


def inputs(folder: Path, kind: str) -> list[Path]:
    """The folder as what may be added: itself, its pictures one by one, or an archive of it."""
    if kind == "folder":
        return [folder]
    if kind == "pictures":
        return [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in (".jpg", ".avif")
        ]
    if kind == "all files":
        return list(folder.iterdir())
    if kind == "tar":
        tar = folder.with_suffix(".tar")
        with tarfile.open(tar, "w") as file:
            for path in sorted(folder.iterdir()):
                file.add(path, path.name)
        return [tar]
    return [Path(shutil.make_archive(str(folder), kind, folder))]


@pytest.mark.parametrize(
    "kind", ["folder", "pictures", "all files", "zip", "tar", "gztar"]
)
def test_endings_in_capitals_count(photos: Path, tmp_path: Path, kind: str) -> None:
    words = ["add", "--work", tmp_path / "work", *inputs(photos, kind)]
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert "left out" not in done.output
    rows = {
        row["image_name"]: row
        for row in Workspace(tmp_path / "work").table().to_pylist()
    }
    assert {name: row["text"] for name, row in rows.items()} == {
        "A": "a castle",
        "B": None,
        "C": "a fox",
        "D": "a lake",
    }
    assert rows["B"]["like_count"] == 3


def test_of_two_that_differ_in_case_the_one_in_small_letters_counts(photos, tmp_path):
    (photos / "A.txt").write_text("a small castle")
    for name, added in (("folder", [photos]), ("file", [photos / "A.JPG"])):
        words = ["add", "--work", tmp_path / name, *added]
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert "left out" not in done.output
        rows = Workspace(tmp_path / name).table().to_pylist()
        assert rows[0]["text"] == "a small castle"


def test_one_beside_no_picture_is_named_as_it_is_called(photos, tmp_path):
    (photos / "LONE.TXT").write_text("nothing")
    done = CliRunner().invoke(main, ["add", "--work", str(tmp_path / "w"), str(photos)])
    assert "1 text or JSON beside no picture, such as LONE.TXT" in done.output
