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
from twigma.cli.facts import JsonOption
from twigma.cli.options import CAPTIONER, CLIP, SETTINGS
from twigma.core import progress
from twigma.core.progress import Verbosity

from .looks import DIFFERENT
from .option_table import ALL, ARGUMENTS, ENVIRONMENT, OTHER, REPORT

VERBOSITY = ("quiet", "verbose")


def _options(
    command: click.Command, name: str = ""
) -> Iterator[tuple[str, click.Option]]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield name, parameter
    if isinstance(command, click.Group):
        for below, each in command.commands.items():
            yield from _options(each, f"{name} {below}".strip())


@pytest.fixture
def run(here, monkeypatch):
    """Runs a command in a folder with a working folder, its release, a list of ids and a token."""
    rows = [f"{10**18 + 7 * n},{10**17 + 7 * (n % 2)},{'abc'[n % 3]}" for n in range(9)]
    Path("ids.csv").write_text("\n".join(["id,other,kind", *rows]), "utf-8")
    Path("chosen.txt").write_text(f"{10**18 + 14}\n{10**18 + 35}\n", "utf-8")
    images = [releasing.media_id(i) for i in (2, 4)]
    Path("images.txt").write_text("\n".join(images), "utf-8")
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
        (command, name)
        for command, option in _options(main)
        for name in (*option.opts, *option.secondary_opts)
        # Of these every command is tested: here, and in `test_json.py`.
        if option.name not in VERBOSITY and not isinstance(option, JsonOption)
    }
    assert covered == options


@pytest.mark.parametrize("variable", ENVIRONMENT, ids=lambda each: each.name)
def test_a_variable_reaches_what_it_controls(run, variable, monkeypatch):
    words = variable.command.split()
    without = variable.look(run, words)
    monkeypatch.setenv(variable.name, variable.value)
    assert variable.look(run, words) == variable.expected != without


def test_every_variable_has_a_case():
    assert {each.name for each in ENVIRONMENT} == {each.name for each in SETTINGS}


@pytest.mark.parametrize(("words", "look", "value"), ARGUMENTS)
def test_an_argument_reaches_what_it_controls(run, words, look, value):
    assert look(run, words.split()) == value


LEAVES = sorted({command for command, _ in _options(main)} - {""})
NEEDED = {
    "ids": "ids.csv",
    "import": "ids.csv",
    "add": "ids.csv",
    "choose-k": "5",
    "collect": "--hashtag art",
    "publish hub": "a/b",
    "reference add": "mine",
    "removals": "requests.txt",
}


@pytest.mark.parametrize("name", LEAVES)
@pytest.mark.parametrize(
    ("option", "level"),
    [
        ("", Verbosity.NORMAL),
        ("-q", Verbosity.QUIET),
        ("--quiet", Verbosity.QUIET),
        ("-v", Verbosity.VERBOSE),
        ("--verbose", Verbosity.VERBOSE),
    ],
)
def test_every_command_is_as_quiet_as_it_is_told(run, monkeypatch, name, option, level):
    command = main
    for word in name.split():
        command = command.commands[word]

    def body(**options):
        progress.notice("a notice")
        progress.detail("a detail")

    monkeypatch.setattr(command, "callback", body)
    result = run(*name.split(), *NEEDED.get(name, "").split(), *option.split())
    expected = ["a notice", "a detail"][: level.value]
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == expected


def test_verbose_shows_the_traceback_of_an_error(run):
    brief = run("analyze", "nowhere")
    full = run("analyze", "nowhere", "-v")
    assert "Traceback" not in brief.stderr and "Traceback" in full.stderr
    assert brief.stderr.splitlines()[-1] == full.stderr.splitlines()[-1]
    assert (brief.exit_code, full.exit_code) == (1, 1)


def test_quiet_and_verbose_exclude_each_other(run):
    for words in (["-q", "-v"], ["-v", "-q"]):
        result = run("columns", *words)
        assert result.exit_code == 2 and "exclude each other" in result.stderr


def test_defaults_of_models_are_those_of_the_library():
    from twigma.builder.models.clip_names import MODEL, PRETRAINED
    from twigma.builder.stages import caption

    assert f"{MODEL}/{PRETRAINED}" == CLIP
    assert caption.MODEL == CAPTIONER


@pytest.mark.parametrize("text", ["ViT-B-32", "a/b/c", "ViT-B-32/"])
def test_a_model_without_weights_is_refused(run, text):
    result = run("embed", "--model", text)
    assert result.exit_code == 1
    assert "expected ARCHITECTURE/WEIGHTS such as ViT-L-14/openai" in result.stderr


def test_pictures_are_of_the_folders_that_were_named(run):
    found = REPORT("pictures")(
        run, ["report", "--work", "work", "--reference", "mine=other"]
    )
    name = releasing.media_id(1)
    assert set(found) == {"twigma", "mine"}
    assert (
        found["twigma"].read(name) == found["mine"].read(name) == releasing.jpeg(name)
    )


ADDRESSES = (
    "rehydrate --work https://example.org/work",
    "rehydrate --ids https://example.org/ids.csv",
    "add gs://bucket/photos",
    "import s3://bucket/pages.jsonl",
    "liked --out s3://bucket/liked",
    "analyze hf://datasets/acme/twigma",
    "explore --out s3://bucket/explore.html",
    "reference list --refs s3://bucket/refs",
)


@pytest.mark.parametrize("words", ADDRESSES)
def test_an_address_is_no_local_folder(run, here, words):
    before = sorted(here.rglob("*"))
    result = run(*words.split())
    address = words.split()[-1]
    assert result.exit_code == 2
    assert f"of this machine, found the address {address}" in result.stderr
    assert sorted(here.rglob("*")) == before


IDLE = {
    "sheets": [f"--{name}" for name in ("n 9", "width 0.1", "pilot .", "question x", "work .")],
    "sheets --for nsfw_score": ["--images 3"],
    "explore": ["--port 80", "--model ViT-B-32"],
    "explore --work .": ["--out x.html", "--ids", "--no-ids"],
    "add --urls list.csv": ["--group artist"],
    "rehydrate": ["--column id", "--stratify month", "--seed 3", "--followers"],
    "liked --all": ["--quantile 0.5", "--per-author 3"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("command", "option"),
    [(command, option) for command, options in IDLE.items() for option in options],
)
def test_an_option_that_would_do_nothing_is_refused(run, command, option):
    done = run(*command.split(), *option.split())
    assert done.exit_code == 2
    assert f"Error: --{option.split()[0].removeprefix('--').removeprefix('no-')} " in (
        done.stderr
    )
