"""A folder of sheets that lost a file is told of in one sentence, before any figure is computed."""

import json
import shutil

import pandas as pd
import pytest
from click.testing import CliRunner

from twigma.analysis.annotation.sheet_folders import require_readable
from twigma.analysis.inputs.annotation_sheets import read_sheets
from twigma.analysis.inputs.annotation_sheets import sheets as theme_sheets
from twigma.cli import main
from twigma.core.files import write_parquet

from .conftest import fill


@pytest.fixture
def themes(planted, tmp_path):
    theme_sheets(planted.release, tmp_path / "themes", annotators=2, images=5)
    return tmp_path / "themes"


def refused(planted, folder):
    """What `analyze` says of a folder that it refuses; nothing is written."""
    out = folder.parent / "out"
    command = ["analyze", str(planted.release), "--out", str(out)]
    done = CliRunner().invoke(main, [*command, "--sheets", str(folder)])
    assert done.exit_code == 1 and not out.exists()
    assert not (folder.parent / ".out.unfinished").exists()
    assert done.output.count("\n") == 1 and "report" not in done.output
    return done.output


@pytest.mark.parametrize("kind", ["themes", "sheets"])
def test_sheets_without_their_key(kind, planted, request):
    folder = request.getfixturevalue(kind)
    (folder / "key.csv").unlink()
    expected = f"twigma: expected key.csv beside the sheets in {folder}, found none: put key.csv back from the folder"
    assert refused(planted, folder).startswith(expected)


def test_labels_without_what_they_measure(planted, sheets):
    (sheets / "measurement.json").unlink()
    expected = f"expected measurement.json beside the labels in {sheets}, found none"
    assert expected in refused(planted, sheets)


def test_no_folder_and_one_without_sheets(planted, tmp_path):
    nowhere = tmp_path / "nowhere"
    assert f"a folder of sheets at {nowhere}, found none" in refused(planted, nowhere)
    nowhere.mkdir()
    assert f"key.csv in {nowhere}, found neither" in refused(planted, nowhere)


def test_a_damaged_key_or_measurement_is_named(planted, sheets, themes):
    about = json.loads((sheets / "measurement.json").read_text())
    about["threshold"] = "high"
    (sheets / "measurement.json").write_text(json.dumps(about))
    assert f"{sheets}/measurement.json is damaged" in refused(planted, sheets)
    (themes / "key.csv").write_bytes(b"\x00\x01\x02" * 99)
    assert f"{themes}/key.csv: expected a list" in refused(planted, themes)


def test_folders_that_are_whole_pass(sheets, themes):
    require_readable(sheets)
    require_readable(themes)
    require_readable(sheets.parent)


def test_sheets_of_clusters_in_a_folder_below_are_read(planted, sheets, themes):
    """Beside label sheets and without them; of two folders neither is guessed."""
    for number in (1, 2):
        path = themes / f"annotator-{number}.csv"
        rows = pd.read_csv(path, dtype=str).assign(group="a")
        rows["keyword_1"] = [f"word{number}"] * len(rows)
        rows.loc[: number + 3, "group"] = "b"
        rows.to_csv(path, index=False)
    expected = read_sheets(themes)
    pd.testing.assert_frame_equal(read_sheets(themes.parent), expected)
    _, results = analyzed(planted, themes, "--sheets", str(themes.parent))
    assert results["figures"]["concordance"]["n"] == expected["item"].nunique()
    shutil.rmtree(sheets)
    pd.testing.assert_frame_equal(read_sheets(themes.parent), expected)
    shutil.copytree(themes, themes.parent / "more")
    shutil.rmtree(themes.parent / "out")
    message = refused(planted, themes.parent)
    assert "expected one folder of sheets of clusters" in message
    assert f"{themes.parent / 'more'} and {themes}: name one" in message


def test_two_folders_of_labels_for_one_column_are_refused(planted, sheets):
    labels = sheets.parent / "labels"
    for name in ("main", "pilot"):
        shutil.copytree(sheets, labels / name)
    assert (
        f"expected one folder of labels for nsfw_score in {labels}, found {labels / 'main'} and {labels / 'pilot'}: "
        "name one of them with --sheets"
    ) in refused(planted, labels)
    require_readable(labels / "main")
    about = json.loads((labels / "main" / "measurement.json").read_text())
    about["column"] = "label_10_cluster=2"
    (labels / "main" / "measurement.json").write_text(json.dumps(about))
    require_readable(labels)


def analyzed(planted, folder, *more):
    out = folder.parent / "out"
    command = ["analyze", str(planted.release), "--out", str(out), *more]
    done = CliRunner().invoke(main, command)
    return done, json.loads((out / "results.json").read_text("utf-8"))


def test_sheets_that_cannot_be_used_make_the_exit_code_1(planted, sheets):
    fill(sheets, 1, lambda value, item: "no", planted.truth)
    for _ in range(2):  # the second run takes the results that are there
        done, results = analyzed(planted, sheets, "--sheets", str(sheets))
        assert done.exit_code == 1
        assert "column label: expected 1 (yes), 2 (no)" in done.stdout
        expected = "what --sheets names could not be used for corrected, corrected_regression, for the reason above"
        assert expected in done.stderr
        assert "fig1b" in results["figures"]
        named = {entry["figure"]: entry.get("option") for entry in results["skipped"]}
        assert named["corrected"] == named["corrected_regression"] == "--sheets"
        assert named["concordance"] is None  # nobody named such sheets


def test_what_nobody_named_is_skipped_and_no_fault(planted, sheets):
    done, results = analyzed(planted, sheets)
    assert done.exit_code == 0 and "twigma:" not in done.stderr
    assert not any("option" in entry for entry in results["skipped"])
    fill(sheets, 1, lambda value, item: "1" if value else "2", planted.truth)
    done, results = analyzed(planted, sheets, "--sheets", str(sheets), "--json")
    assert done.exit_code == 0 and "corrected" in results["figures"]
    assert all(entry["option"] is None for entry in json.loads(done.stdout)["skipped"])


def test_a_reference_set_that_no_figure_can_use_is_refused(planted, tmp_path):
    names = planted.rows.select(["image_name", "id"])
    write_parquet(tmp_path / "mine" / "images.parquet", names)
    command = ["analyze", str(planted.release), "--out", str(tmp_path / "out")]
    mine = f"mine={tmp_path}/mine"
    done = CliRunner().invoke(main, [*command, "--reference", mine])
    assert done.exit_code == 1
    assert f"mine ({tmp_path}/mine) has no embeddings and no NSFW" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
