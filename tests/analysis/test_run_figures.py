"""A figure that fails, and runs that are killed: the others are kept, and a resumed run gives what one run would."""

import json
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from twigma.analysis import run_figures
from twigma.analysis.analyze import analyze
from twigma.analysis.checkpoints import Checkpoints, Outcome
from twigma.analysis.figures import FIGURES
from twigma.analysis.figures.contract import Figure
from twigma.analysis.inference.intervals import decimals_of_width
from twigma.analysis.inputs.reference_similarity import ReferenceSimilarity
from twigma.analysis.inputs.requirements import Result
from twigma.cli import main
from twigma.core.files import write_parquet


@pytest.fixture
def small(planted, tmp_path):
    """A release of two figures."""
    names = ["id", "image_name", "created_at", "nsfw_score"]
    write_parquet(tmp_path / "small" / "metadata-0.parquet", planted.rows.select(names))
    return tmp_path / "small"


def raising(error):
    def run(data, settings):
        raise error

    return run


def unwritable(data, settings):
    return Result(1, {"odd": pd.DataFrame({"a": [1, "one"]})})


FAULTS = {
    "KeyError": raising(KeyError("label")),
    "ZeroDivisionError": lambda data, settings: 1 // 0,
    "ValueError": lambda data, settings: decimals_of_width(np.nan, 1.0),
    "MemoryError": raising(MemoryError()),
    "ArrowInvalid": unwritable,
}


@pytest.mark.parametrize("error", FAULTS)
def test_a_figure_that_fails_costs_no_other(
    error, small, tmp_path, monkeypatch, caplog
):
    good = [figure for figure in FIGURES if figure.name in ("fig1b", "fig4d")]
    bad = Figure("last", FAULTS[error], needs=())
    monkeypatch.setattr(run_figures, "FIGURES", (*good, bad))
    out = tmp_path / "out"
    command = ["analyze", str(small), "--out", str(out)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    assert f"failed with {error}" in done.output and "last" in done.output
    assert "run the same command again" in done.output
    assert "Traceback" in caplog.text and "last failed" in caplog.text
    results = json.loads((out / "results.json").read_text("utf-8"))
    assert list(results["figures"]) == ["fig1b", "fig4d", "paper"]
    assert results["skipped"][-1]["error"] == error
    # The next run computes that one alone.
    runs = []
    counted = Figure("fig1b", lambda *_: runs.append("fig1b"), needs=())
    mended = Figure("last", lambda *_: Result(7, {}), needs=())
    monkeypatch.setattr(run_figures, "FIGURES", (counted, good[1], mended))
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    again = json.loads((out / "results.json").read_text("utf-8"))
    assert runs == [] and again["figures"]["last"]["n"] == 7
    assert again["values"]["growth"] == results["values"]["growth"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "small"]


def test_a_file_that_cannot_be_read_is_no_fault_of_the_program(
    small, tmp_path, monkeypatch, caplog
):
    def unreadable(data, settings):
        (tmp_path / "labels.csv").read_text()

    monkeypatch.setattr(run_figures, "FIGURES", (Figure("last", unreadable, needs=()),))
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["analyze", str(small), "--out", str(out)])
    assert done.exit_code == 1
    expected = f"{tmp_path}/labels.csv: no such file or directory; put that right and run the same command again"
    assert expected in done.output
    assert "fault" not in done.output and "Traceback" not in caplog.text + done.output
    results = json.loads((out / "results.json").read_text("utf-8"))
    assert results["skipped"][0]["error"] == "FileNotFoundError"


def test_too_little_data_is_no_fault(small, tmp_path):
    write_parquet(small / "metadata-0.parquet", _few(small))
    done = CliRunner().invoke(
        main, ["analyze", str(small), "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 0
    assert "at least 4 months" in done.output and "failed" not in done.output


def _few(release):
    import pyarrow.parquet as pq

    return pq.read_table(release / "metadata-0.parquet").slice(0, 6)


def test_a_fault_in_the_last_step_keeps_the_figures(small, tmp_path, monkeypatch):
    module = sys.modules["twigma.analysis.analyze"]
    monkeypatch.setattr(module.comparison, "claims", lambda *_: 1 // 0)
    found = analyze(small, tmp_path / "out")
    assert {"fig1b", "fig4d"} <= set(found["figures"]) and "paper" not in found[
        "figures"
    ]
    assert found["skipped"][-1]["figure"] == "paper"


# ------------------------------------------------------------------ two at once


def test_a_report_is_written_by_one_process_at_a_time(planted, small, tmp_path):
    out = tmp_path / "new" / "out"
    first = start(planted, out)
    wait_for(tmp_path / "new" / ".out.unfinished", first)
    command = ["analyze", str(small), "--out", str(out)]
    second = CliRunner().invoke(main, command)
    assert first.poll() is None
    assert second.exit_code == 1
    expected = f"twigma: another process is writing the report {out}: wait for it, or stop it first\n"
    assert second.output == expected
    first.send_signal(signal.SIGKILL)
    first.communicate()
    # What was killed blocks nobody, though its figures are of other data.
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_the_report_is_held_until_it_is_complete(small, tmp_path, monkeypatch):
    out = tmp_path / "out"
    seen = []

    def beside(data, settings):
        with pytest.raises(RuntimeError, match="another process is writing"):
            analyze(small, out, seed=1)
        seen.append(True)
        return Result(1, {})

    monkeypatch.setattr(run_figures, "FIGURES", (Figure("last", beside, needs=()),))
    # Figures of other settings lie there, whose place is taken.
    folder = tmp_path / ".out.unfinished"
    folder.mkdir()
    (folder / "made_from.json").write_text("{}")
    analyze(small, out)
    assert seen == [True]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "small"]


def test_a_refused_run_leaves_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        analyze(tmp_path / "nowhere", tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ stopped


def start(planted, out, seed=0):
    command = [
        sys.executable,
        "-c",
        "from twigma.cli import main; main()",
        "analyze",
        str(planted.release),
    ]
    command += ["--work", str(planted.work), "--out", str(out), "--seed", str(seed)]
    for name, folder in planted.references.items():
        command += ["--reference", f"{name}={folder}"]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def stopped(planted, tmp_path_factory):
    """A run that was interrupted after its first figure, and killed in the middle when it was run again."""
    root = tmp_path_factory.mktemp("stopped")
    folder = root / ".out.unfinished"
    processes = []
    for figure, number in (
        ("fig1b", signal.SIGINT),
        ("fig2d_photographs", signal.SIGKILL),
    ):
        process = start(planted, root / "out")
        wait_for(folder / f"{figure}.json", process)
        process.send_signal(number)
        processes.append((process, process.communicate()[1]))
    return SimpleNamespace(root=root, folder=folder, processes=processes)


def test_ctrl_c_says_how_to_go_on(stopped):
    interrupted, said = stopped.processes[0]
    assert interrupted.returncode == 130
    assert "run the same command again to resume" in said
    assert "Traceback" not in said


def test_a_killed_run_leaves_its_figures_and_no_report(stopped):
    killed, said = stopped.processes[1]
    assert killed.returncode == -signal.SIGKILL
    assert "figures are there of a run that was stopped" in said
    assert not (stopped.root / "out").exists()
    finished = {path.stem for path in stopped.folder.glob("*.json")}
    assert {"made_from", "fig1b", "fig2d_photographs"} <= finished
    assert "fig4e_paintings" not in finished
    assert (stopped.folder / "search.photographs.parquet").exists()


def test_a_resumed_run_takes_what_is_finished_and_gives_the_same(
    stopped, planted, analysed, tmp_path, capsys
):
    unfinished = tmp_path / ".out.unfinished"
    shutil.copytree(stopped.folder, unfinished)
    # Marks by which what was computed before is known again.
    path = unfinished / "fig1b.json"
    stored = json.loads(path.read_text("utf-8"))
    count = stored["n"]
    path.write_text(json.dumps(stored | {"n": 12_345}), "utf-8")
    found = analyze(
        planted.release,
        tmp_path / "out",
        work=planted.work,
        references=planted.references,
    )
    assert "figures are there of a run that was stopped" in capsys.readouterr().err
    assert found["figures"]["fig1b"]["n"] == 12_345
    found["figures"]["fig1b"]["n"] = count
    assert found == analysed.results
    for one in (analysed.out / "results").iterdir():
        assert (
            tmp_path / "out" / "results" / one.name
        ).read_bytes() == one.read_bytes()
    assert not unfinished.exists()


# ------------------------------------------------------------------ stored


def test_what_is_stored_is_read_back(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [0.5, np.nan]})
    values = {"key": {"value": np.float32(0.5), "low": float("nan"), "n": np.int64(3)}}
    skipped = [{"figure": "f: part", "missing": ["x"], "how": ["y"]}]
    checkpoints = Checkpoints(tmp_path / "out", {"seed": 0})
    assert checkpoints.open() == []
    checkpoints.save("f", Outcome(Result(3, {"t": table}, values, ("note",)), skipped))
    checkpoints.save("g", Outcome(None, skipped))
    search = ReferenceSimilarity(
        np.float32([0.5, 0.25]), np.float32([0.75, 0.5]), np.array([4, 2]), 9
    )
    checkpoints.save_searches({"paintings": search})
    again = Checkpoints(tmp_path / "out", {"seed": 0})
    assert again.open() == ["f", "g"]
    found = again.load("f")
    pd.testing.assert_frame_equal(found.result.tables["t"], table)
    assert found.result.n == 3 and found.result.notes == ("note",)
    assert found.result.values["key"]["value"] == 0.5
    assert np.isnan(found.result.values["key"]["low"])
    assert found.skipped == skipped and again.load("g") == Outcome(None, skipped)
    assert again.load("h") is None
    np.testing.assert_equal(again.load_searches()["paintings"], search)
    # Half a table is computed again.
    path = again.folder / "f.t.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    assert again.load("f") is None
    # Of other settings nothing is taken; what is not ours stays.
    (again.folder / "mine.txt").write_text("mine")
    assert Checkpoints(tmp_path / "out", {"seed": 1}).open() == []
    names = sorted(path.name for path in again.folder.iterdir())
    assert names == ["made_from.json", "mine.txt"]


def test_a_link_in_its_place_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".out.unfinished").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is a link"):
        Checkpoints(tmp_path / "out", {}).open()
    assert list((tmp_path / "elsewhere").iterdir()) == []
