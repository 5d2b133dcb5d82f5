"""Fig 4b at other numbers of clusters, in the whole analysis and on the page."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from twigma.analysis.figures.beyond_paper.cluster_counts import describe_cluster_counts
from twigma.analysis.page.section import Results
from twigma.analysis.themes.cluster_count import granularity


def test_planted_trends_are_there_at_other_numbers_of_clusters(analysed):
    folder = analysed.out / "results"
    scores = pd.read_parquet(folder / "clusters_k.parquet").set_index("k")
    assert scores.index.tolist() == [5, 8, 10, 15, 20]
    # Four are planted, which finer clusters cut in pieces.
    assert (scores.loc[5, ["rising", "falling"]] >= 1).all()
    assert scores["silhouette"].idxmax() == 5 and scores["ari"].idxmax() == 5
    assert (scores["ari_low"] < scores["ari"]).all()
    assert scores["same_trend"].between(0, 1).all()
    trends = pd.read_parquet(folder / "clusters_k_trends.parquet")
    matched = trends[(trends["k"] == 5) & (trends["of_it"] > 0.9)]
    arrows = matched.set_index("released")["arrow"]
    assert (arrows.get(1), arrows.get(4)) == ("↓", "↑")
    values = analysed.results["values"]
    assert values["clusters/5"]["value"] == scores.loc[5, "stability"]


def test_the_page_says_which_clusters_move(analysed):
    names = ("clusters_k", "clusters_k_trends")
    folder = analysed.out / "results"
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in names}
    claim = describe_cluster_counts(Results(tables, {}, {})).claim
    assert claim.startswith(
        "No number of clusters is stable among 5, 8, 10, 15 and 20: "
    )
    scores = tables["clusters_k"].set_index("k")
    moving = f"{scores['rising'][5]} rise and {scores['falling'][5]} fall with 5"
    assert moving in claim


def test_words_for_stable_and_unstable_numbers():
    clusters = {
        "silhouette": 0.3,
        "least_stability": 0.9,
        "ari": 0.8,
        "ari_low": np.nan,
        "ari_high": np.nan,
        "rising": 1,
        "falling": 2,
        "same_trend": np.nan,
        "months": 9,
        "n": 100,
    }
    scores = pd.DataFrame(
        [
            {"k": 5, "stability": 0.99, "stable": True, **clusters},
            {"k": 8, "stability": 0.5, "stable": False, **clusters},
        ]
    )
    columns = ["k", "group", "arrow", "tau", "p_adjusted", "released", "of_it"]
    trends = pd.DataFrame([(5, 1, "→", 0.1, 0.9, pd.NA, np.nan)], columns=columns)
    tables = {"clusters_k": scores, "clusters_k_trends": trends}
    claim = describe_cluster_counts(Results(tables, {}, {})).claim
    assert claim.startswith("Of 5 and 8 clusters, 5 are stable")
    assert "1 rise and 2 fall with 5" in claim
    tables["clusters_k"] = scores.assign(stable=False)
    claim = describe_cluster_counts(Results(tables, {}, {})).claim
    assert "No number of clusters is stable among 5 and 8:" in claim


@pytest.mark.parametrize("months", [1, 3])
def test_too_few_months_are_named_and_no_cluster_is_said_to_stay(months, rng):
    at = np.arange(120) % months
    dates = (np.datetime64("2022-01", "M") + at).astype("datetime64[ms]")
    labels = pa.array(rng.integers(1, 4, 120), pa.int32())
    images = pa.table({"created_at": pa.array(dates), "label_10_cluster": labels})
    found = granularity(rng.normal(size=(120, 6)), images, (3, 5))
    moves = found.scores[["rising", "falling", "same_trend"]]
    assert moves.isna().all(axis=None)
    tables = {"clusters_k": found.scores, "clusters_k_trends": found.trends}
    section = describe_cluster_counts(Results(tables, {}, {}))
    reason = f"A trend needs at least 4 months with images, found {months}."
    assert section.claim.endswith(reason) and "fall" not in section.claim
    cells = [cell.text for cell in section.tables[0].rows[0]]
    assert cells[-3:] == ["–", "–", "–"]
    noun = "month" if months == 1 else "months"
    assert section.basis.startswith(f"120 images in {months} {noun};")
