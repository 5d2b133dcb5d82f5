"""The chapter: its numbers are those of the estimators, its words follow the intervals, its chart draws the table."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from twigma.analysis.annotation import labelled_images, read_answers
from twigma.analysis.annotation.draw_sheets import draw_sheets
from twigma.analysis.annotation.read_labels import distinct_images
from twigma.analysis.figures.beyond_paper import corrected_measurement as chapter
from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Settings, missing_requirements
from twigma.analysis.measurement import share
from twigma.analysis.page.section import Results
from twigma.core import columns


@pytest.fixture(scope="module")
def sheets(planted, tmp_path_factory):
    """Labels by two annotators of 200 images: those of cluster 4 are sensitive, and the first tenth of the others."""
    folder = tmp_path_factory.mktemp("labels") / "nsfw"
    draw_sheets(planted.release, folder, column="nsfw_score", n=200, work=planted.work)
    clusters = dict(
        zip(
            planted.rows["image_name"].to_pylist(),
            planted.rows["label_10_cluster"].to_pylist(),
            strict=True,
        )
    )
    key = pd.read_csv(folder / "key.csv", dtype=str).set_index("item")["image_name"]
    for number in (1, 2):
        path = folder / f"annotator-{number}.csv"
        rows = pd.read_csv(path, dtype=str)
        names = key[rows["item"]]
        yes = [clusters[name] == 4 or name.endswith("3") for name in names]
        rows["label"] = np.where(yes, "1", "2")
        rows.loc[rows["item"].astype(int) < 4 * number, "label"] = "0"
        rows.to_csv(path, index=False)
    return folder


@pytest.fixture(scope="module")
def data(planted, sheets):
    return load.load(planted.release, planted.work, {}, sheets.parent)


@pytest.fixture(scope="module")
def result(data):
    return chapter.compute_corrected(data, Settings())


def results_of(result):
    facts = {"n": result.n, "tables": list(result.tables), "values": [], "notes": []}
    return Results(result.tables, result.values, {"corrected": facts})


def test_numbers_are_those_of_the_estimator(planted, sheets, data, result):
    rows = distinct_images(data.images.table, "nsfw_score")
    expected = share(labelled_images(read_answers(sheets), rows))
    for row in expected.itertuples():
        entry = result.values[f"corrected/nsfw_score/share/{row.estimator}"]
        assert entry["value"] == row.value and entry["high"] == row.high
    months = result.tables["corrected"].query("what == 'month'")
    assert months["group"].nunique() == 14
    by_cluster = result.tables["corrected"].query("what == 'cluster'")
    assert sorted(by_cluster["group"].unique()) == list("1234")
    assert result.values["alpha/nsfw_score"]["value"] == 1
    assert result.values["alpha/nsfw_score"]["n"] == 200 - 7
    assert any("10 answers were “cannot tell”" in note for note in result.notes)


def test_images_that_could_not_be_drawn_change_nothing_and_are_said(data, result):
    """A release that has grown since: what a label cannot speak for is left out, and the claim says so."""
    table = data.images.table
    later = table.slice(0, 90)
    names = pa.array([f"later-{at}" for at in range(90)])
    later = columns.add(later, image_name=names, nsfw_score=np.zeros(90, np.float32))
    grown = dataclasses.replace(
        data,
        images=dataclasses.replace(data.images, table=pa.concat_tables([table, later])),
    )
    again = chapter.compute_corrected(grown, Settings())
    same = again.tables["corrected"].drop(columns="not_drawable")
    pd.testing.assert_frame_equal(
        same, result.tables["corrected"].drop(columns="not_drawable")
    )
    assert set(again.tables["corrected"]["not_drawable"]) == {90}
    claim = chapter.describe_corrected(results_of(again)).claim
    assert "leaves out 90 images that the release did not have" in claim
    assert "leaves out" not in chapter.describe_corrected(results_of(result)).claim


def test_sheets_of_an_earlier_version_are_used_with_a_remark(sheets, data, tmp_path):
    shutil.copytree(sheets, tmp_path / "nsfw")
    (tmp_path / "nsfw" / "frame.parquet").unlink()
    about = json.loads((tmp_path / "nsfw" / "measurement.json").read_text())
    about["images"] -= 10
    (tmp_path / "nsfw" / "measurement.json").write_text(json.dumps(about))
    older = dataclasses.replace(data, sheets=tmp_path)
    notes = chapter.compute_corrected(older, Settings()).notes
    assert any("right only if the others are like them" in note for note in notes)


def test_months_without_images_have_a_place(result):
    tables = {name: table.copy() for name, table in result.tables.items()}
    months = sorted(tables["corrected"].query("what == 'month'")["group"].unique())
    found = tables["corrected"]
    tables["corrected"] = found[found["group"] != months[3]]
    (ax,) = chapter.draw_corrected(tables).axes
    drawn = max((line.get_xdata() for line in ax.lines), key=len)
    assert np.round(np.diff(drawn), 6).tolist() == [1, 1, 2, *[1] * (len(months) - 5)]


def test_the_section_says_what_the_labels_changed(result):
    section = chapter.describe_corrected(results_of(result))
    value = result.values["corrected/nsfw_score/share/corrected"]["value"]
    assert section.claim.startswith("nsfw_score above one half in ")
    assert f"corrected by labels it is {100 * value:.1f}" in section.claim
    assert "the model says less than there is" in section.claim
    captions = [each.caption for each in section.tables]
    assert captions[0] == "The model alone, the labels alone, and corrected"
    first = section.tables[0].rows[0]
    assert [cell.text for cell in first[:3]] == [
        "nsfw_score",
        "share (%)",
        "model alone",
    ]


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 0.4, "which the model's share is consistent with"),
        (0.25, 0.4, "the model says less than there is"),
        (0.1, 0.15, "the model says more than there is"),
        (np.nan, np.nan, "too few labels of either kind for an interval"),
    ],
)
def test_words_follow_the_interval(result, low, high, words):
    table = result.tables["corrected"].query("what == 'share'").copy()
    naive = table["estimator"] == "model alone"
    table.loc[naive, ["value", "low", "high"]] = 0.2, 0.19, 0.21
    middle = 0.12 if high == 0.15 else 0.3
    corrected = table["estimator"] == "corrected"
    table.loc[corrected, ["value", "low", "high"]] = middle, low, high
    changed = dataclasses.replace(result, tables={**result.tables, "corrected": table})
    assert words in chapter.describe_corrected(results_of(changed)).claim


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.001, 0.003, "It rises by 0.200\u00a0[0.100,"),
        (-0.003, -0.001, "It falls by −0.200"),
        (-0.001, 0.003, "No change over the months is visible"),
        (np.nan, np.nan, "No change over the months is visible"),
    ],
)
def test_a_trend_is_told_only_where_its_interval_tells(result, low, high, words):
    table = result.tables["corrected"].copy()
    trend = (table["what"] == "trend") & (table["estimator"] == "corrected")
    value = -0.002 if high == -0.001 else 0.002
    table.loc[trend, ["value", "low", "high"]] = value, low, high
    changed = dataclasses.replace(result, tables={**result.tables, "corrected": table})
    assert words in chapter.describe_corrected(results_of(changed)).claim


def test_the_chart_draws_the_table(result):
    figure = chapter.draw_corrected(result.tables)
    ax = figure.axes[0]
    found = result.tables["corrected"]
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
    for name in ("model alone", "corrected"):
        months = found[(found["what"] == "month") & (found["estimator"] == name)]
        assert np.allclose(drawn[name], 100 * months["value"])
    overall = found[found["what"] == "share"].set_index("estimator")["value"]
    heights = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    assert np.allclose(heights, 100 * overall[["model alone", "corrected"]])


def test_labels_alone_are_no_theme_sheets(planted, data, sheets):
    missing = missing_requirements(data, Settings(), ["sheets", "labels"])
    assert list(missing) == ["annotation sheets"]
    without = load.load(planted.release, None, {})
    missing = missing_requirements(without, Settings(), ["labels"])
    assert "twigma label" in missing["labels of a model's column"]


def test_without_authors_it_says_so(planted, sheets):
    data = load.load(planted.release, None, {}, sheets)
    notes = chapter.compute_corrected(data, Settings()).notes
    assert any("authors are not known" in note for note in notes)
