"""Copies of sheets, rows that name another image, and what is left out, for sheets of clusters and of labels."""

import doctest
import shutil

import pandas as pd
import pytest
from click.testing import CliRunner

from twigma.analysis.annotation import read_answers
from twigma.analysis.annotation.draw_sheets import draw_sheets
from twigma.analysis.inputs import annotators
from twigma.analysis.inputs.annotation_sheets import (
    filled_sheets,
    read_sheets,
    sheets,
)
from twigma.cli import main

COPIES = [
    "annotator-1 (1)",
    "annotator-1(2)",
    "annotator-1 - Copy",
    "annotator-1 - Kopie (2)",
    "annotator-1 copy",
    "annotator-1 (another copy)",
]


def change(path, **columns):
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows.assign(**columns).to_csv(path, index=False)


@pytest.fixture(params=["themes", "labels"])
def folder(request, planted, tmp_path):
    """Two sheets that are filled in, all but the last row of the second one."""
    folder = tmp_path / "sheets"
    if request.param == "themes":
        sheets(planted.release, folder, annotators=2, images=6)
        column, values = "group", "ab"
    else:
        # Two values, so that one score is no more likely than another.
        draw_sheets(planted.release, folder, column="nsfw_score", n=24, annotators=2)
        column, values = "label", "12"
    for number in (1, 2):
        path = folder / f"annotator-{number}.csv"
        rows = pd.read_csv(path, dtype=str)
        answers = [values[(int(item) * number) % 2] for item in rows["item"]]
        change(path, **{column: answers})
    return folder


def read(folder):
    """The annotators whose answers count, and what is told of them."""
    if (folder / "measurement.json").exists():
        answers = read_answers(folder)
        return list(answers.labels.columns), answers.remarks
    filled = filled_sheets(folder)
    return sorted(set(filled.table["annotator"])), filled.remarks


def test_whole_sheets_have_no_remarks(folder):
    names, remarks = read(folder)
    assert len(names) == 2 and remarks == ()


@pytest.mark.parametrize("name", COPIES)
def test_a_second_copy_is_no_annotator(folder, name):
    shutil.copy(folder / "annotator-1.csv", folder / f"{name}.csv")
    with pytest.raises(ValueError, match="is named as a copy of 'annotator-1'"):
        read(folder)
    # Of a blank sheet it is somebody's only one.
    change(folder / "annotator-1.csv", group="", label="")
    assert len(read(folder)[0]) == 2


def test_the_same_answers_under_two_names_are_told(folder):
    shutil.copy(folder / "annotator-1.csv", folder / "annotator-Ada.csv")
    names, remarks = read(folder)
    assert len(names) == 3
    expected = "annotator-1 and annotator-Ada have the same answers, all 24 of them: delete one if it is a copy"
    assert remarks == (expected,)


def test_a_row_that_names_another_image_is_named(folder):
    path = folder / "annotator-2.csv"
    rows = pd.read_csv(path, dtype=str)
    name, item = rows.loc[4, ["image_name", "item"]]
    rows.loc[4, "image_name"] = f"{name}5"
    rows.to_csv(path, index=False)
    expected = (
        rf"annotator-2\.csv, line 6, column image_name: expected '{name}', the image of item {item} in key\.csv, "
        rf"or nothing, found '{name}5'"
    )
    with pytest.raises(ValueError, match=expected):
        read(folder)
    rows.loc[4, "image_name"] = ""
    rows.to_csv(path, index=False)
    assert len(read(folder)[0]) == 2
    rows.drop(columns=["image_name"]).to_csv(path, index=False)
    assert len(read(folder)[0]) == 2


def test_rows_that_are_gone_and_blank_ones_are_counted(folder):
    path = folder / "annotator-2.csv"
    rows = pd.read_csv(path, dtype=str)[:-3]
    answer = "group" if "group" in rows else "label"
    rows.loc[:1, answer] = ""
    rows.to_csv(path, index=False)
    left_out = "annotator-2: 5 of 24 images are left out (2 without an answer, 3 not on the sheet)"
    assert read(folder)[1] == (left_out,)


def test_analyze_tells_it_once_in_a_plain_sentence(folder, planted, tmp_path, recwarn):
    path = folder / "annotator-2.csv"
    pd.read_csv(path, dtype=str)[:-1].to_csv(path, index=False)
    command = ["analyze", str(planted.release), "--sheets", str(folder)]
    done = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "one")])
    assert done.exit_code == 0, done.output
    sentence = (
        f"{folder}: annotator-2: 1 of 24 images are left out (1 not on the sheet)"
    )
    assert done.stderr.count(sentence) == 1
    done = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "two"), "-q"])
    assert done.exit_code == 0 and done.stderr == ""
    assert not [w for w in recwarn if "left out" in str(w.message)]
    results = (tmp_path / "two" / "results.json").read_text("utf-8")
    assert "1 of 24 images are left out" in results


def test_from_python_it_is_a_notice(planted, tmp_path, capsys):
    sheets(planted.release, tmp_path / "s", annotators=1, images=6)
    path = tmp_path / "s" / "annotator-1.csv"
    rows = pd.read_csv(path, dtype=str).assign(group="a")
    rows[1:].to_csv(path, index=False)
    assert len(read_sheets(tmp_path / "s")) == 23
    assert "1 of 24 images are left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cell", "name", "is_same"),
    [
        ("1.48E+18", "1480123456789012345", True),
        ("1,48E+18", "1480123456789012345", True),
        ("1.49E+18", "1480123456789012345", False),
        ("1480123456789010000", "1480123456789012345", True),
        ("1480123456789012346", "1480123456789012345", False),
        ("1480123456789020000", "1480123456789017345", True),
        ("1480123456789020000", "1480123456789012345", False),
        ("7", "007", True),
        ("7.0", "7", True),
        ("10024", "10023", False),
        ("10020", "10023", False),
        ("pic_1055", "pic_105", False),
        ("1E+05", "pic_105", False),
    ],
)
def test_a_number_may_be_rounded_and_no_other_name(cell, name, is_same):
    assert annotators._is_same(cell, name) is is_same


def test_examples():
    assert doctest.testmod(annotators).failed == 0
