"""Paper-in-a-box of the planted world: in results.json, as a table, and on the page, where each verdict is right."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Result, Settings
from twigma.analysis.paper import stated
from twigma.analysis.paper.comparison import paper_box
from twigma.analysis.paper.verdicts import AGREES, DIFFERS, UNKNOWN
from twigma.analysis.report import report


@pytest.fixture(scope="module")
def box(analysed):
    return pd.read_parquet(analysed.out / "results" / "paper.parquet").set_index(
        ["figure", "quantity"]
    )


def test_the_planted_world_is_not_the_papers_and_grows_as_it_does(box, analysed):
    assert box["verdict"][("Fig 1b", "growth of posts a month")] == AGREES
    assert (
        box["verdict"][("2.1", "images")] == DIFFERS
        and box["ours"][("2.1", "images")] == 971
    )
    assert (
        box["verdict"][("Fig 1b", "months")] == DIFFERS
        and box["ours"][("Fig 1b", "months")] == 14
    )
    ratio = box.loc[("Eq (1)", "rate ratio, ArtBench, quintile 1")]
    assert (
        ratio["ours"]
        == analysed.results["values"]["eq1/paintings/robust/quintile 1"]["value"]
    )
    assert ratio["verdict"] == DIFFERS  # 1.5 is planted, and its interval is narrow
    assert (
        box["verdict"][("2.1", "posts found")] == UNKNOWN
        and "twigma status" in box["reason"][("2.1", "posts found")]
    )
    fig4b = box.loc["Fig 4b"]
    assert (
        set(fig4b["verdict"]) == {UNKNOWN}
        and fig4b["reason"].str.contains("published table").all()
    )


def test_results_json_and_the_page_hold_the_same(box, analysed):
    found = json.loads((analysed.out / "results.json").read_text("utf-8"))
    entry = found["values"]["paper/Fig 2c/KL(LAION‖ArtBench), the paper's recipe"]
    row = box.loc[("Fig 2c", "KL(LAION‖ArtBench), the paper's recipe")]
    assert (entry["paper"], entry["value"], entry["verdict"]) == (
        5.42,
        row["ours"],
        row["verdict"],
    )
    page = report(analysed.out).read_text("utf-8")
    counts = box["verdict"].value_counts()
    assert f"Of {len(box)} numbers the paper states, {counts[AGREES]} agree" in page
    assert page.count(f"<td>{UNKNOWN}</td>") == counts[UNKNOWN]


def test_a_release_alone_says_what_each_number_needs(planted):
    data = load.load(planted.release, None, {})
    skipped = [
        {"figure": "fig2c", "missing": ["a reference set"], "how": ["make one"]},
        {
            "figure": "fig3ab: same prompt",
            "missing": ["reference set prompts"],
            "how": ["make it"],
        },
        {"figure": "fig1b", "missing": [], "how": ["growth needs at least 3 months"]},
    ]
    table = (
        paper_box(data, Settings(), {}, skipped).tables["paper"].set_index("quantity")
    )
    assert (
        table["reason"]["KL(LAION‖ArtBench), the paper's recipe"]
        == "no a reference set: make one"
    )
    assert (
        table["reason"]["mean distance, same prompt / different prompt"]
        == "no reference set prompts: make it"
    )
    assert (
        table["reason"]["growth of posts a month"] == "growth needs at least 3 months"
    )


def test_the_published_table_is_compared_by_cluster_and_a_sample_by_its_list(planted):
    data = load.load(planted.release, None, {})
    months = pd.DataFrame(
        {
            "month": ["a"] * 27,
            "posts": 623_707 / 27,
            "images": 805_650 / 27,
            "sampled": 1,
        }
    )
    trends = {
        f"trend/{c}": {"value": -0.4, "p_adjusted": 0.001, "n": 27}
        for c in (1, 3, 4, 8, 9)
    }
    results = {"fig1b": Result(27, {"fig1b": months}), "fig4b": Result(1, {}, trends)}
    table = (
        paper_box(data, Settings(), results, []).tables["paper"].set_index("quantity")
    )
    for quantity in ("posts", "images", "months", "share of cluster 3 over the months"):
        assert table["verdict"][quantity] == AGREES, quantity
    assert table["verdict"]["share of cluster 8 over the months"] == DIFFERS
    assert table["ours"]["images"] == stated.IMAGES and np.isnan(table["low"]["images"])


def test_roles_may_have_other_names(planted):
    data = load.load(planted.release, None, {})
    values = {"kl_paper/mine/theirs": {"value": 5.4, "low": 5.3, "high": 5.5, "n": 10}}
    settings = dataclasses.replace(Settings(), photographs="mine", paintings="theirs")
    table = (
        paper_box(data, settings, {"fig2c": Result(1, {}, values)}, [])
        .tables["paper"]
        .set_index("figure")
    )
    assert table["verdict"]["Fig 2c"] == AGREES and table["ours"]["Fig 2c"] == 5.4
