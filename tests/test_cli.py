"""The command line: every command explains itself, and wrong use ends in one sentence and a non-zero exit."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from twigma.cli import main
from twigma.cli.options.command_group import explain
from twigma.core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = sorted(main.commands)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("X_BEARER_TOKEN",):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return lambda *words: CliRunner().invoke(main, words)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_explains_its_options(run, name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert main.commands[name].get_short_help_str(120)[-1] in ".;"
    for option in main.commands[name].params:
        if isinstance(option, click.Option):
            assert option.help, f"{name}: {option.name} is not explained"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_on_the_page_of_commands(name):
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert re.search(rf"\btwigma {name}\b", page)


def test_help_lists_the_commands_in_the_order_of_the_flow(run):
    listed = re.findall(r"^  (\w+) {2,}", run("--help").output, re.MULTILINE)
    flow = [
        "collect",
        "rehydrate",
        "embed",
        "caption",
        "nsfw",
        "dedupe",
        "cluster",
        "release",
        "analyze",
        "report",
    ]
    assert [name for name in listed if name in flow] == flow


def test_help_imports_no_heavy_library():
    heavy = {"torch", "pyarrow", "datasets", "faiss", "numpy"}
    code = f"import sys, twigma.cli; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rehydrate", "--ids", "none.csv"], "no file of post ids at none.csv"),
        (["import", "none.jsonl"], "1 of 1 archives cannot be used"),
        (["rehydrate"], "no working folder work"),
        (["collect"], "Missing option '--hashtag'"),
        (["collect", "--hashtag", "art"], "no X API token"),
        (["add", "missing.tar"], "missing.tar"),
        (["embed"], "no finished shards in work/shards"),
        (["caption"], "no finished shards in work/shards"),
        (["build"], "no finished shards in work/shards"),
        (["nsfw", "--detector", "none.zip"], "none.zip"),
        (["dedupe"], "no working folder work"),
        (["cluster"], "no working folder work"),
        (["assign"], "no working folder work"),
        (["release"], "no images table"),
        (["analyze"], "no metadata"),
        (
            ["analyze", "--reference", "paintings"],
            "no reference set 'paintings' in refs",
        ),
        (["analyze", "--reference", "=refs"], "expected NAME=FOLDER"),
        (["reference", "add", "mona"], "no reference set 'mona' is known"),
        (["reference", "add", "mine", "absent.xyz"], "absent.xyz"),
        (
            ["reference", "add", "diffusiondb", "--parts", "0"],
            "expected numbers of parts",
        ),
        (["report"], "report"),
        (["removals", "1234567890"], "no file of requests at 1234567890"),
    ],
)
def test_wrong_use_ends_with_one_sentence(run, words, said):
    result = run(*words)
    assert result.exit_code != 0
    lines = result.stderr.strip().splitlines()
    assert said in lines[-1], result.stderr
    assert "Traceback" not in result.output + result.stderr


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "ids.txt"),
        PermissionError(errno.EACCES, os.strerror(errno.EACCES), b"ids.txt"),
    ],
)
def test_an_error_of_the_system_names_its_file_first(error):
    assert explain(error, None) == f"ids.txt: {error.strerror.lower()}"


def test_of_a_full_disk_it_is_said_what_to_do():
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "work/images.parquet")
    assert explain(error, None) == (
        "work/images.parquet: no space left on device; make room there, and run the same command again"
    )


@pytest.mark.parametrize(
    "name",
    [
        "rehydrate",
        "embed",
        "caption",
        "nsfw",
        "texts",
        "dedupe",
        "cluster",
        "assign",
    ],
)
def test_a_folder_whose_name_is_spelt_wrong_is_not_made(run, name):
    assert run(name, "--work", "wrok").exit_code == 1
    assert not Path("wrok").exists()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("ViT-L-41/none", "unknown model 'ViT-L-41'"),
        (
            "./models/clip",
            "no model folder at ./models/clip: expected one with open_clip_config.json",
        ),
        (
            "models/convnext",
            "unknown model 'models/convnext': no folder is there",
        ),
    ],
)
def test_a_model_that_is_not_there_is_named(run, model, said):
    Image.new("RGB", (8, 8)).save("red.png")
    assert run("add", "red.png").exit_code == 0
    result = run("embed", "--model", model)
    assert result.exit_code == 1
    assert said in result.stderr.splitlines()[-1]


def test_a_list_without_a_token_is_refused_before_anything_is_sent(run, tmp_path):
    Path("ids.txt").write_text("1234567890123456789\n")
    result = run("rehydrate", "--ids", "ids.txt")
    assert result.exit_code == 1
    assert "no X API token" in result.stderr


def test_the_plan_buys_nothing_and_needs_no_token(run):
    Path("ids.csv").write_text(
        "id\n" + "\n".join(str(10**18 + 7 * n) for n in range(250))
    )
    result = run("rehydrate", "--ids", "ids.csv", "--dry-run")
    assert result.exit_code == 0
    assert "250 to ask: 3 calls, at most $1.25" in result.output


def test_a_release_folder_that_holds_something_else_is_left_alone(run):
    Path("twigma").mkdir()
    Path("twigma/thesis.txt").write_text("years of work")
    result = run("release")
    assert result.exit_code == 1
    assert "twigma" in result.stderr
    assert Path("twigma/thesis.txt").read_text() == "years of work"


def test_the_console_script_is_installed():
    twigma = Path(sys.executable).parent / "twigma"
    found = subprocess.run(
        [twigma, "--version"],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert re.fullmatch(r"twigma, version \d+\.\d+\.\d+\n", found.stdout)


@pytest.mark.parametrize("json", [[], ["--json"]])
def test_where_nobody_reads_any_more_it_ends_in_silence(tmp_path, json):
    ids = tmp_path / "ids.csv"
    ids.write_text("id\n1546321989075326282\n")
    command = [sys.executable, "-c", "from twigma.cli import main; main()"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*command, "ids", str(ids), *json],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("where", ["checkout", "elsewhere"])
def test_python_m_twigma_is_twigma(where, tmp_path):
    """In a checkout `twigma.py` is what Python runs, elsewhere the package."""
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "twigma", "status", "--work", str(tmp_path / "none")],
        cwd=root if where == "checkout" else tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("twigma: no working folder at ")


@pytest.mark.parametrize("words", ["--image-size 0", "--connections 0"])
def test_a_fetch_of_nothing_is_refused(words):
    done = CliRunner().invoke(main, ["rehydrate", *words.split()])
    assert done.exit_code == 2 and "0 is not in the range x>=1" in done.output


def test_a_home_that_the_shell_left_is_found(tmp_path, monkeypatch):
    """Of `--work=~/mine` no shell makes a folder of the user."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["status", "--work=~/mine"])
    assert (
        done.exit_code == 1 and f"no working folder at {tmp_path}/mine:" in done.output
    )
    assert Workspace("~/mine").path == tmp_path / "mine"
