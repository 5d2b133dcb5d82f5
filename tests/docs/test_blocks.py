"""Every block of code that readers see runs: commands are parsed with their options, Python is executed."""

import os
import re
import shlex
import subprocess
import sys

import click
import pytest
from support import releasing

from twigma.cli import main

from .pages import PAGES, ROOT, all_blocks, blocks_of

# Pages whose Python needs more than a release and a working folder: each has a test of its own.
OWN_TEST = (
    "add_figure.md",
    "add_stage.md",
    "add_platform.md",
    "object_store.md",
    "tutorial.md",
)
MARKED = 2  # blocks that no test runs, on all pages; raise it only with a reason beside the block
COMMANDS = all_blocks("sh")
PYTHON = [
    block
    for block in all_blocks("python")
    if block.page.name not in OWN_TEST and block.is_run
]
LANGUAGES = {"sh", "python", "text", "diff", "toml", "yaml"}


def commands(script):
    """The words of every `twigma` command in a script."""
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        ends = [at for at, word in enumerate(words) if word == "&&"] + [len(words)]
        start = 0
        for end in ends:
            command, start = words[start:end], end + 1
            while command and re.fullmatch(r"[A-Z_]+=.*", command[0]):
                command = command[1:]
            if command[:1] == ["twigma"]:
                yield command[1:]


def parse(words):
    """Parse a command as click does, without running it; UsageError for what it does not know."""
    command, context = main, click.Context(main, info_name="twigma")
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        context = click.Context(command, info_name=name, parent=context)
    # Places that the reader has, and the tests have not.
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = False
    command.make_context(name, list(words), parent=context.parent)


@pytest.fixture(autouse=True)
def _paths_as_before():
    """`parse` changes what click checks of paths."""
    paths = [
        (parameter.type, parameter.type.exists)
        for command in _leaves(main)
        for parameter in command.params
        if isinstance(parameter.type, click.Path)
    ]
    yield
    for kind, exists in paths:
        kind.exists = exists


def _leaves(group):
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from _leaves(command)
        else:
            yield command


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_commands_and_their_options_exist(block):
    for words in commands(block.code):
        try:
            parse(words)
        except click.UsageError as error:
            pytest.fail(f"twigma {' '.join(words)}: {error.format_message()}")


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_make_targets_exist(block):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"^make (\w+)", block.code, re.MULTILINE):
        assert target in targets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a working folder and its release, where all blocks run."""
    folder = tmp_path_factory.mktemp("reader")
    work = releasing.make_work(folder / "work")
    from twigma.builder.release.release import release

    release(work, folder / "twigma")
    return folder


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_runs(block, folder):
    environment = os.environ | {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", block.code],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr


def test_few_blocks_are_marked_as_not_run():
    marked = [str(block) for page in PAGES for block in blocks_of(page) if not block.is_run]  # fmt: skip
    assert len(marked) == MARKED, marked


def test_every_block_names_a_language_that_is_tested():
    """A fence without a language, or of another, would be passed over."""
    for page in PAGES:
        text = page.read_text("utf-8")
        opened = re.findall(r"^```(.*)$", text, re.MULTILINE)[::2]
        assert len(opened) == len(blocks_of(page)), page.name
        assert {each.split()[0] for each in opened if each} <= LANGUAGES, page.name


def test_what_is_unknown_is_refused():
    for words in (["embed", "--modle", "x"], ["embde"], ["reference", "ad", "x"]):
        with pytest.raises(click.UsageError):
            parse(words)


def test_a_command_is_found_wherever_it_is():
    script = "A=b twigma embed --engine ray  # a\ntwigma build && twigma release\n# twigma x\n"
    assert [words[0] for words in commands(script)] == ["embed", "build", "release"]


def test_the_pages_start_with_what_the_reader_gets():
    """A heading, then a sentence to the reader, before any list, code or further heading."""
    for page in (ROOT / "docs").rglob("*.md"):
        lines = [line for line in page.read_text("utf-8").splitlines() if line]
        assert lines[0].startswith("# "), page.name
        assert re.match(r"[A-Z]", lines[1]), page.name
