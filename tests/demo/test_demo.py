"""The product end to end: the demo recovers what was planted, resumes, and survives being killed."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from golden.canonical import canonical
from golden.compare import difference
from golden.run import run_demo
from support import releasing

from twigma.demo.demo import demo

FOLDER = Path(__file__).resolve().parents[1] / "golden"
GOLDEN = (
    "results.json",
    "tables.json",
    "page.txt",
    "card.txt",
    "release.json",
    "printed.txt",
)
PARTS = (
    "1a",
    "1b",
    "1c",
    "2a",
    "2b",
    "2c",
    "2d",
    "3a",
    "3a, b",
    "3b",
    "3c",
    "3d",
    "4a",
    "4b",
    "4c",
    "4d",
    "4e",
)
OTHERS = ("Data", "Eq (1)", "Events", "Likes", "Sets", "The paper")
FIGURES = sorted([*OTHERS, *(f"Fig {part}" for part in PARTS)])
SMALL = """
import sys
from pathlib import Path
from twigma.builder.release import release
from twigma.demo.demo import add_columns, rehydrate
from twigma.demo.training.lessons import one_thread
from twigma.demo.world import build_world

out = Path(sys.argv[1])
with one_thread():
    build_world(out / "world", posts=300, references=75)
    rehydrate(out / "world", out / "work")
    add_columns(out / "work")
    release(out / "work", out / "twigma")
"""  # the demo of a small world up to its release


def _run(code, out):
    return subprocess.run(
        [sys.executable, "-c", code, str(out)], capture_output=True, text=True
    )


def _metadata(out):
    return releasing.read(out / "twigma")


def _files(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "demo-out"
    done = run_demo(out)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return out, done


@pytest.mark.timeout(900)
def test_every_planted_truth_is_recovered(whole):
    _, done = whole
    assert "planted" in done.stdout
    assert "recovered" in done.stdout
    assert "NO" not in done.stdout.split()


def test_plain_datasets_loads_the_release(whole):
    out, _ = whole
    code = "from datasets import load_dataset; print(load_dataset('twigma'))"
    env = {
        k: v for k, v in os.environ.items() if not k.startswith(("COV_", "TWIGMA"))
    } | {"HF_HOME": str(out.parent / "hf")}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=out, capture_output=True, text=True, env=env
    )
    assert found.returncode == 0, found.stderr
    assert "all_captions" in found.stdout
    assert f"num_rows: {len(_metadata(out))}" in found.stdout


def test_the_released_rows_have_string_ids_and_one_row_an_image(whole):
    table = _metadata(whole[0])
    assert (
        str(table.schema.field("id").type)
        == str(table.schema.field("image_name").type)
        == "string"
    )
    assert len(set(table["image_name"].to_pylist())) == len(table)


def test_the_report_is_one_file_with_every_figure(whole):
    out, _ = whole
    page = (out / "report" / "index.html").read_text("utf-8")
    results = json.loads((out / "report" / "results.json").read_text("utf-8"))
    assert "<script" not in page
    assert "http-equiv" in page
    sections = re.findall(r'<section id="s\d+">\n<h2><span>(.*?)</span>', page)
    assert sorted(set(sections)) == FIGURES
    assert page.count('<img src="data:image/svg+xml') == 15
    assert len(results["figures"]) == 31
    assert [entry["figure"] for entry in results["skipped"]] == [
        "fig2c_sensitivity",
        "concordance",
        "corrected",
        "corrected_regression",
    ]


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_made_is_what_was_made_before(whole, name):
    """After a change on purpose: `python -m tests.golden --update`, and review the diff."""
    out, done = whole
    text = canonical(out, done.stdout)[name]
    differs = difference((FOLDER / name).read_text("utf-8"), text, name)
    if differs:
        pytest.fail(
            f"{differs}\n\nif this is on purpose: python -m tests.golden --update",
            pytrace=False,
        )


@pytest.mark.timeout(300)
def test_a_second_run_changes_nothing(whole):
    out, _ = whole
    before = _files(out / "twigma") | _files(out / "report")
    again = run_demo(out)
    assert again.returncode == 0, again.stderr[-3000:]
    assert _files(out / "twigma") | _files(out / "report") == before


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_truths_are_recovered_with_what_this_cpu_has(tmp_path):
    """With bf16, where it has that: other embeddings, so another world."""
    done = run_demo(tmp_path / "demo-out", arithmetic={})
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@pytest.mark.parametrize("name", ["work", "world"])
def test_a_folder_of_yours_is_not_taken_for_the_demos(tmp_path, name):
    releasing.make_work(tmp_path / name)
    before = releasing.contents(tmp_path)
    with pytest.raises(
        ValueError, match="is not of an earlier demo and was left as it is"
    ):
        demo(tmp_path)
    assert releasing.contents(tmp_path) == before


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_and_run_again_gives_the_same_table(tmp_path):
    assert _run(SMALL, tmp_path / "clean").returncode == 0
    for seconds in (12, 25):
        child = subprocess.Popen(
            [sys.executable, "-c", SMALL, str(tmp_path / "killed")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
        time.sleep(0.2)
    done = _run(SMALL, tmp_path / "killed")
    assert done.returncode == 0, done.stderr[-3000:]
    clean, killed = _metadata(tmp_path / "clean"), _metadata(tmp_path / "killed")
    assert clean.equals(killed)
    assert len(clean) > 100
