"""A release, a set of liked images or a report that is named as the working folder is refused, and stays as it is."""

import pytest
from click.testing import CliRunner
from support import releasing
from support.worlds import photo

from twigma.builder.workspace import Workspace
from twigma.cli import main
from twigma.core.files import write_json
from twigma.rehydrate.sources.own_files.add_images import add_tars


@pytest.mark.parametrize(
    "command",
    ["add photo.jpg", "status", "embed", "free", "rehydrate", "explore twigma"],
)
def test_commands_refuse_a_release_as_working_folder(here, command):
    (here / "photo.jpg").write_bytes(photo(1))
    before = releasing.contents(here / "twigma")
    done = CliRunner().invoke(main, [*command.split(), "--work", "twigma"])
    assert done.exit_code == 2, done.output
    assert "expected a working folder, found the release twigma: name" in done.stderr
    assert releasing.contents(here / "twigma") == before


def test_so_do_functions(here):
    (here / "photo.jpg").write_bytes(photo(1))
    for call in (
        lambda: add_tars(Workspace("twigma"), [here / "photo.jpg"]),
        lambda: Workspace("twigma").status(),
    ):
        with pytest.raises(ValueError, match="found the release twigma"):
            call()
    (here / "liked").mkdir()
    write_json(here / "liked/MANIFEST.json", {"dataset": "twigma-liked", "files": {}})
    with pytest.raises(ValueError, match="found the set of liked images liked: name"):
        Workspace("liked").status()
