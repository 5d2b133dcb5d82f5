"""Every option of every command, given another value than its default, reaches what it controls.

A case runs the real command with the option and without, and looks at one thing that the option is for: what a
command wrote or printed, or, where a stage would take minutes or needs a service, what its function was called with.
"""

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from support import releasing

from twigma.cli import main

from .looks import DIFFERENT
from .option_table import ALL, OTHER, REPORT


@pytest.fixture
def run(here, monkeypatch):
    """Runs a command in a folder with a working folder, its release, a list of ids and a token."""
    rows = [f"{10**18 + 7 * n},{10**17 + 7 * (n % 2)},{'abc'[n % 3]}" for n in range(9)]
    Path("ids.csv").write_text("\n".join(["id,other,kind", *rows]), "utf-8")
    Path("token").write_text("of-a-file", "utf-8")
    Path("token").chmod(0o600)
    Path("requests.txt").write_text("1\n", "utf-8")
    shutil.copytree("work", "other")
    releasing.remove(OTHER, releasing.media_id(20))
    monkeypatch.setenv("X_BEARER_TOKEN", "of-the-environment")
    return lambda *words: CliRunner().invoke(main, words)


@pytest.mark.parametrize(
    ("command", "case"), ALL, ids=lambda each: getattr(each, "words", each)
)
def test_an_option_reaches_what_it_controls(run, command, case, tmp_path, monkeypatch):
    start = [*command.split(), *shlex.split(case.base)]
    twin = shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}-without"))
    with monkeypatch.context() as patch:
        patch.chdir(twin)
        without = case.look(run, start) if command else False
    found = case.look(run, [*start, *shlex.split(case.words)])
    assert found is not None
    assert found != without
    assert case.value is DIFFERENT or found == case.value


def test_every_option_has_a_case():
    covered = {(command, case.option) for command, case in ALL}
    options = {
        (command, name) for command, option in _options(main) for name in option.opts
    }
    assert covered == options


def _options(
    command: click.Command, name: str = ""
) -> Iterator[tuple[str, click.Option]]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield name, parameter
    if isinstance(command, click.Group):
        for below, each in command.commands.items():
            yield from _options(each, f"{name} {below}".strip())


def test_pictures_are_of_the_folders_that_were_named(run):
    found = REPORT("pictures")(
        run, ["report", "--work", "work", "--reference", "mine=other"]
    )
    name = releasing.media_id(1)
    assert set(found) == {"twigma", "mine"}
    assert (
        found["twigma"].read(name) == found["mine"].read(name) == releasing.jpeg(name)
    )
