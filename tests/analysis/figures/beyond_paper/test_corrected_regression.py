"""The chapter on corrected regressions: its numbers are those of the estimators, its words follow the intervals."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from twigma.analysis.annotation import labelled_images, read_answers
from twigma.analysis.annotation.draw_sheets import draw_sheets
from twigma.analysis.annotation.read_labels import distinct_images
from twigma.analysis.figures.beyond_paper import corrected_regression as chapter
from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.measurement.covariates import rate_ratio
from twigma.analysis.page.section import Results


@pytest.fixture(scope="module")
def sheets(planted, tmp_path_factory):
    """Labels of 300 images for the NSFW score: nine tenths of cluster 4, and a tenth of the others."""
    folder = tmp_path_factory.mktemp("regressions") / "nsfw"
    draw_sheets(
        planted.release,
        folder,
        column="nsfw_score",
        n=300,
        work=planted.work,
        annotators=1,
    )
    rows = planted.rows
    names = rows["image_name"].to_pylist()
    clusters = dict(zip(names, rows["label_10_cluster"].to_pylist(), strict=True))
    key = pd.read_csv(folder / "key.csv", dtype=str).set_index("item")["image_name"]
    sheet = pd.read_csv(folder / "annotator-1.csv", dtype=str)
    drawn = key[sheet["item"]]
    yes = [name.endswith("3") != (clusters[name] == 4) for name in drawn]
    sheet["label"] = np.where(yes, "1", "2")
    sheet.to_csv(folder / "annotator-1.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def data(planted, sheets):
    return load.load(planted.release, planted.work, {}, sheets)


@pytest.fixture(scope="module")
def result(data):
    return chapter.compute_regressions(data, Settings())


def results_of(result):
    facts = {"n": result.n, "tables": list(result.tables), "values": [], "notes": []}
    return Results(result.tables, result.values, {"corrected_regression": facts})


def test_numbers_are_those_of_the_estimators(data, sheets, result):
    rows = distinct_images(data.images.table, "nsfw_score")
    labelled = labelled_images(read_answers(sheets), rows)
    expected = rate_ratio(labelled, rows["like_count"].to_numpy(float))
    for row in expected.itertuples():
        key = f"corrected_regression/nsfw_score/likes/nothing/it is/{row.estimator}"
        assert result.values[key]["value"] == pytest.approx(row.value)
        assert result.values[key]["high"] == pytest.approx(row.high, nan_ok=True)
    found = result.tables["corrected_regression"]
    terms = found.loc[found["outcome"] == "share", "term"].unique().tolist()
    assert terms == ["month", "cluster 2", "cluster 3", "cluster 4"]
    held = found.loc[found["outcome"] == "likes", "adjusted"].unique().tolist()
    assert held == ["nothing", "followers", "followers and month"]


def test_a_cluster_that_people_call_sensitive_stands_out_once_corrected(result):
    """Eight tenths more of cluster 4 than of the first."""
    key = "corrected_regression/nsfw_score/share/month and cluster/cluster 4/corrected"
    entry = result.values[key]
    assert entry["low"] > 0.5
    section = chapter.describe_regressions(results_of(result))
    differs = section.claim.split("the share by nsfw_score differs by ")[1].split(";")[
        0
    ]
    assert "cluster 4" in differs.split(".")[0]
    first, second = section.tables
    assert first.rows[0][1].text == "month"
    assert second.rows[0][1].text == "nothing"
    assert len(first.header) == len(second.header) == 6


def changed(result, estimator, outcome, low, high):
    table = result.tables["corrected_regression"].copy()
    rows = (table["estimator"] == estimator) & (table["outcome"] == outcome)
    table.loc[rows, ["value", "low", "high"]] = (low + high) / 2, low, high
    new = dataclasses.replace(result, tables={"corrected_regression": table})
    return chapter.describe_regressions(results_of(new)).claim


def test_words_follow_the_intervals(result):
    """Of the share against 0, of the ratio against 1."""
    assert "nsfw_score is not shown to differ; only the model" in changed(
        result, "corrected", "share", -0.1, 0.1
    )
    assert "only the model alone says so of" not in changed(
        result, "model alone", "share", -0.1, 0.1
    )
    unsure = changed(result, "corrected", "share", np.nan, np.nan)
    assert "only the model alone says so of" not in unsure
    assert "for month, cluster 2, cluster 3 and cluster 4 there are too few" in unsure
    every = changed(result, "corrected", "share", 0.1, 0.2)
    assert "differs by month, cluster 2, cluster 3 and cluster 4" in every
    assert "(no difference is shown)" in changed(result, "corrected", "likes", 0.9, 1.2)
    for low, high in ((1.1, 1.3), (0.5, 0.8)):
        told = changed(result, "corrected", "likes", low, high)
        assert "(no difference is shown)" not in told
    without = changed(result, "corrected", "likes", np.nan, np.nan)
    assert "(no difference is shown)" in without
