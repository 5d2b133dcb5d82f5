"""What the page says and draws of themes over time: gaps, arrows with evidence, autocorrelation, authors."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from twigma.analysis.figures.fig4_themes import (
    FIG4B,
    describe_themes,
    describe_trends,
    draw_trends,
)
from twigma.analysis.inputs.images import Images
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.page.section import Results
from twigma.analysis.run_figures import compute

FACTS = {"fig4a": {"n": 50}, "fig4b": {"n": 90}, "fig4c": {"n": 80}}


def trends(arrows=("↑", "→"), dependent=(False, True)):
    rows = {
        "group": [1, 2],
        "tau": [0.5, 0.2],
        "slope": [0.01, 0.002],
        "slope_low": [0.005, -0.01],
        "slope_high": [0.015, 0.014],
        "p_adjusted": [0.002, 0.7],
        "arrow": list(arrows),
        "autocorrelation": [0.1, 0.62],
        "autocorrelated": list(dependent),
        "n": [4, 4],
    }
    return pd.DataFrame(rows)


def shares():
    months = [f"2022-0{month}" for month in range(1, 6)]
    share = [0.5, 0.6, np.nan, 0.7, 0.6]
    one = pd.DataFrame({"month": months, "cluster": 1, "share": share})
    other = one.assign(cluster=2, share=1 - one["share"])
    table = pd.concat([one, other], ignore_index=True)
    return table.assign(n=np.where(table["share"].isna(), 0, 10))


def section(table):
    tables = {"fig4b": shares(), "fig4b_trends": table}
    return describe_trends(Results(tables, {}, FACTS))


def test_autocorrelation_is_shown_and_no_arrow_without_evidence():
    found = section(trends())
    assert found.claim == (
        "Rising clusters: 1; falling: none. Beside a line, a month resembles the one before in cluster 2; the tests "
        "allow for it."
    )
    rows = [
        [cell.text.replace("\u00a0", " ") for cell in row]
        for row in found.tables[0].rows
    ]
    assert rows[0] == ["1", "↑", "1.00 [0.50, 1.50]", "p = 0.002", "0.500", "0.10"]
    assert rows[1] == ["2", "", "0.20 [−1.00, 1.40]", "p = 0.7", "0.200", "0.62"]
    assert "4 months, 1 of the period without images;" in found.basis
    assert "On the authors' published labels clusters" in found.paper
    alone = section(trends(dependent=(False, False)))
    assert alone.claim == "Rising clusters: 1; falling: none."


def test_lines_do_not_run_across_a_gap():
    ax = draw_trends({"fig4b": shares()}).axes[0]
    x, y = ax.lines[0].get_data()
    assert list(x) == [0, 1, 2, 3, 4] and np.isnan(y[2])
    assert y[[0, 1, 3, 4]] == pytest.approx([50, 60, 70, 60])


def test_words_have_arrows_with_evidence_only():
    words = pd.DataFrame({"cluster": [1, 2], "word": ["cat", "dog"], "count": [5, 3]})
    tables = {"fig4c_count": words, "fig4c_score": words, "fig4b_trends": trends()}
    found = describe_themes(Results(tables, {}, FACTS))
    assert [[cell.text for cell in row[:2]] for row in found.tables[0].rows] == [
        ["1", "↑"],
        ["2", ""],
    ]


def test_trends_over_too_few_months_are_skipped_with_the_reason():
    at = np.datetime64("2022-01", "M") + np.arange(90) % 3
    columns = {
        "image_name": [str(n) for n in range(90)],
        "created_at": pa.array(at.astype("datetime64[ms]")),
        "label_10_cluster": pa.array(np.arange(90) // 30 + 1, pa.int32()),
    }
    images = Images("twigma", pa.table(columns), None, np.arange(0))
    found = compute(FIG4B, Inputs(images, {}), Settings())
    assert found.result is None
    (skipped,) = found.skipped
    assert skipped["how"] == [
        "a trend needs at least 4 months with images, found 3: add images of other months"
    ]
