"""A folder with posts and no photo: every command says so, and none sends on to another that cannot help."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.archived import post, v1, write

from twigma.builder.build import build
from twigma.builder.release.release import release
from twigma.builder.status.status import status
from twigma.cli import main
from twigma.rehydrate.accounting import describe_missing_photos
from twigma.rehydrate.sources.archives.import_archives import import_archives

SENTENCE = "none of the 3 posts has a photo: import or look up others, or add images"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    posts = [v1(post(n, photos=0)) for n in range(3)]
    return write(tmp_path / "nophoto.jsonl", posts)


def test_every_command_says_that_no_post_has_a_photo(
    archive: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    imported = run("import", archive, "--work", work)
    assert imported.exit_code == 0
    assert imported.output.endswith(f"next: {SENTENCE}\n")
    fetched = run("rehydrate", "--work", work)
    assert fetched.exit_code == 0 and fetched.output == f"{SENTENCE}\n"
    step = {"command": f"twigma import FILE --work {work}", "why": SENTENCE}
    assert status(work)["next"] == step


def test_build_and_release_refuse_it(archive: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    import_archives(work, [archive])
    with pytest.raises(ValueError, match=SENTENCE):
        build(work)
    with pytest.raises(ValueError, match=SENTENCE):
        release(work, tmp_path / "twigma")
    assert not (tmp_path / "twigma").exists()


def test_one_post_and_posts_of_which_the_photos_are_unknown(tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    import_archives(alone, [write(tmp_path / "a.jsonl", [v1(post(1, photos=0))])])
    assert describe_missing_photos(alone).startswith("the only post has no photo: ")
    unknown = tmp_path / "unknown"
    silent = write(tmp_path / "b.jsonl", [{"id_str": post(2)["id"], "full_text": "t"}])
    imported = run("import", silent, "--work", unknown)
    listed = unknown / "photos_unknown.csv"
    assert (
        f"next: no archive or search shows a photo: `twigma rehydrate --ids {listed}`"
        in (imported.output)
    )


def test_nothing_is_said_where_there_is_a_photo_or_no_table(tmp_path: Path) -> None:
    assert describe_missing_photos(tmp_path / "none") == ""
    posts = [v1(post(1)), v1(post(2, photos=0))]
    import_archives(tmp_path / "one", [write(tmp_path / "a.jsonl", posts)])
    assert describe_missing_photos(tmp_path / "one") == ""


def test_where_no_archive_can_be_used_there_is_no_post(tmp_path: Path) -> None:
    bad = write(tmp_path / "b.jsonl", ["{}"])
    imported = run("import", bad, "--work", tmp_path / "work")
    assert imported.exit_code == 1
    assert "next: there is no post and no image: import or look up" in imported.stdout
