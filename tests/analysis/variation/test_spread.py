"""The table of all measures against each of them alone, and its intervals by groups."""

import numpy as np
import pytest

from twigma.analysis.variation import spread
from twigma.analysis.variation.distance import mean_pairwise_distance
from twigma.analysis.variation.groups import grouped_distance
from twigma.analysis.variation.measures import entropy, iev, pmv, vendi
from twigma.analysis.variation.pooled_entropy import codebooks
from twigma.analysis.variation.spread import variation_table
from twigma.analysis.vectors.codebook import assign, codebook


@pytest.fixture
def world():
    rng = np.random.default_rng(11)
    artist = np.repeat(np.arange(60), 10)
    sets = {
        "wide": rng.normal(size=(900, 24)),
        "narrow": 0.5 * rng.normal(size=(700, 24)) + 1,
        "paintings": rng.normal(size=(60, 24))[artist]
        + 0.5 * rng.normal(size=(600, 24)),
    }
    return sets, artist


def test_variation_table(world):
    sets, artist = world
    blocks = {"paintings": artist}
    table = variation_table(
        sets,
        {"same artist": (sets["paintings"], artist)},
        n=500,
        k=20,
        seed=1,
        blocks=blocks,
    )
    table = table.set_index("set")
    assert table.index.tolist() == ["wide", "narrow", "paintings", "same artist"]
    assert table["n"].tolist() == [500] * 4 and table["groups"].tolist() == [
        0,
        0,
        0,
        50,
    ]
    for name in spread.METRICS:
        assert (table[f"{name}_low"] <= table[name]).all() and (
            table[name] <= table[f"{name}_high"]
        ).all()
    assert table["distance"].idxmax() == "paintings" and table["pmv"].idxmin() in (
        "narrow",
        "same artist",
    )
    assert (table["entropy_normalised"] <= 1).all() and (
        table["entropy_miller_madow"] >= table["entropy"]
    ).all()
    again = variation_table(sets, n=500, k=20, seed=1).set_index("set")
    width = table["distance_high"] - table["distance_low"]
    rows = again["distance_high"] - again["distance_low"]
    assert width["paintings"] > 1.5 * rows["paintings"] and width[
        "wide"
    ] == pytest.approx(rows["wide"])


def test_variation_table_equals_its_parts(world):
    sets, artist = world
    x = sets["paintings"]
    table = variation_table(
        {"paintings": x}, {"same artist": (x, artist)}, k=10
    ).set_index("set")
    row, same = table.loc["paintings"], table.loc["same artist"]
    assert (
        row["distance"] == mean_pairwise_distance(x).value
        and row["iev"] == iev(x)
        and row["pmv"] == pmv(x)
    )
    labels = [assign(x, centroids) for centroids in codebooks(x, 10)]
    assert row["vendi"] == vendi(x) and row["codebooks"] == len(labels) == 5
    of_books = [entropy(each, 10).plug_in for each in labels]
    assert row["entropy"] == pytest.approx(np.mean(of_books), rel=1e-12)
    assert row["entropy_codebook_sd"] == pytest.approx(np.std(of_books, ddof=1))
    assert same["distance"] == pytest.approx(
        grouped_distance(x, artist)["value"][0], rel=1e-12
    )
    groups = [x[artist == a] for a in range(60)]
    assert same["iev"] == pytest.approx(np.mean([iev(g) for g in groups]), rel=1e-12)
    assert same["vendi"] == pytest.approx(
        np.mean([vendi(g) for g in groups]), rel=1e-12
    )
    of_groups = [
        entropy(each[artist == a], 10).plug_in for each in labels for a in range(60)
    ]
    assert same["entropy"] == pytest.approx(np.mean(of_groups))
    assert (row["blocks"], same["blocks"]) == (600, 60)


def test_the_papers_mode_has_one_codebook(world):
    x = world[0]["paintings"]
    row = variation_table({"x": x}, k=10, mode="paper", seed=3).iloc[0]
    labels = assign(x, codebook(x, 10, "paper", 3))
    assert row["entropy"] == entropy(labels, 10).plug_in
    assert (row["codebooks"], row["entropy_codebook_sd"]) == (1, 0)


def test_degenerate_inputs():
    x = np.random.default_rng(12).normal(size=(20, 3))
    with pytest.raises(ValueError, match="at least two groups"):
        variation_table({"x": x}, {"same": (x, np.zeros(20))})
    with pytest.raises(ValueError, match="found none"):
        variation_table({})
    x[:, 1] = 2
    with pytest.warns(UserWarning, match="do not vary"):
        row = variation_table({"x": x}, k=2).iloc[0]
    assert row["pmv"] == 0 and np.isnan(row["pmv_low"])
