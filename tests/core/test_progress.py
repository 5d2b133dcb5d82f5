"""Bars, notices and details: what a user sees at each verbosity, and that nothing of it is on standard output."""

import ast
import re
import time
from pathlib import Path

import pytest

from twigma.core import progress
from twigma.core.progress import Verbosity, detail, notice, progress_bar, verbosity

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ("core", "rehydrate", "dataset", "builder", "analysis", "demo/world")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (Verbosity.QUIET, []),
        (Verbosity.NORMAL, ["a notice"]),
        (Verbosity.VERBOSE, ["a notice", "a detail"]),
    ],
)
def test_notices_and_details_are_shown_as_the_verbosity_says(capsys, level, shown):
    with verbosity(level):
        notice("a notice")
        detail("a detail")
    written = capsys.readouterr()
    assert (written.out, written.err.splitlines()) == ("", shown)


def test_a_folder_is_called_by_its_name_and_others_by_theirs(capsys):
    with progress.naming("/tmp/work", "s3://lab/work"):
        progress.notice("/tmp/work/shards: /tmp/work2, /tmp/work.old, in /tmp/work")
    said = capsys.readouterr().err.strip()
    assert said == "s3://lab/work/shards: /tmp/work2, /tmp/work.old, in s3://lab/work"


def test_the_verbosity_is_restored_after_an_error(capsys):
    with pytest.raises(RuntimeError), verbosity(Verbosity.QUIET):
        raise RuntimeError
    notice("heard again")
    assert capsys.readouterr().err == "heard again\n"


def test_short_work_shows_no_bar(capsys):
    assert list(progress_bar(range(3), desc="count", unit="image")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("level", [Verbosity.NORMAL, Verbosity.QUIET])
def test_long_work_shows_units_rate_and_time_unless_quiet(capsys, monkeypatch, level):
    monkeypatch.setattr(progress, "DELAY", 0.05)
    monkeypatch.setattr(progress, "LOG_REFRESH", 0.0)
    with (
        verbosity(level),
        progress_bar(total=100, desc="embed", unit="image", initial=40) as bar,
    ):
        time.sleep(0.1)
        bar.update(10)
    written = capsys.readouterr()
    assert written.out == ""
    expected = r"embed: +50%.*50/100 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+image/s\]"
    assert bool(re.search(expected, written.err)) is (level is Verbosity.NORMAL)
    assert bar.n == (50 if level is Verbosity.NORMAL else 40)


def _direct_uses(path: Path) -> list[str]:
    """Where a file prints, or draws bars, by itself; a worker writes to its parent with `print(..., file=)`."""
    uses = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if str(node.module).startswith("tqdm"):
                uses.append(f"{path}:{node.lineno} imports tqdm")
        elif isinstance(node, ast.Call):
            keywords = {word.arg for word in node.keywords}
            if ast.unparse(node.func) == "print" and "file" not in keywords:
                uses.append(f"{path}:{node.lineno} prints")
    return uses


def test_the_library_speaks_through_this_module_only():
    files = [path for room in LIBRARY for path in sorted((ROOT / room).rglob("*.py"))]
    uses = [use for path in files for use in _direct_uses(path)]
    assert [use for use in uses if "core/progress.py" not in use] == []
