"""One of anything is told in the singular, by the commands that people run first."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from support.worlds import photo

from twigma.cli import main
from twigma.rehydrate.sources.pictures import inputs, metadata, tables, trees
from twigma.rehydrate.sources.pictures.reasons import singular


def run(*words: object) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_folder_of_one_picture(tmp_path: Path) -> None:
    photos, work = tmp_path / "photos", tmp_path / "work"
    photos.mkdir()
    (photos / "1.jpg").write_bytes(photo(1))
    (tmp_path / "2.jpg").write_bytes(photo(2))
    (photos / "2.jpg").symlink_to(tmp_path / "2.jpg")
    added = run("add", "--work", work, photos)
    assert "photos: 1 image, 0 failed\n" in added
    assert "left out: 1 link out of the folder, not followed, such as" in added
    (photos / "1.txt").write_text("a castle")
    again = run("add", "--work", work, photos)
    assert "1 image that was here already has new metadata" in again
    shown = run("status", "--work", work)
    assert shown.startswith("1 photo on 1 row =")  # no ids are needed, or were bought
    assert "spent" not in shown
    assert "in 1 finished shard\n" in shown
    assert "1 image to do or out of date" in shown
    assert "1 shard stays: not processed by" in run("free", "--work", work)
    (tmp_path / "requests.txt").write_text("7\n")
    removed = run("removals", tmp_path / "requests.txt", "--work", work)
    assert "requests.txt: 1 id, 0 posts and 0 images" in removed
    assert "1 id matches nothing in" in removed


@pytest.mark.parametrize(
    "reason",
    [
        value
        for module in (trees, inputs, tables, metadata)
        for value in vars(module).values()
        if isinstance(value, str)
        and value.startswith(("links", "members", "lines", "names", "rows", "tables"))
    ],
)
def test_every_reason_of_many_files_has_one_of_one(reason: str) -> None:
    noun = reason.split(maxsplit=1)[0].removesuffix(",").removesuffix("s")
    assert singular(reason).startswith(noun)
    assert singular(reason) != reason
