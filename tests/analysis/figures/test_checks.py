"""The checks of clusters, bins and near duplicates in the whole analysis, and what the page says of them."""

import numpy as np
import pandas as pd
import pytest

from twigma.analysis.figures import checks, sections_checks
from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.page.section import Results


@pytest.fixture(scope="module")
def data(planted):
    return load.load(planted.release, planted.work, planted.references)


def test_planted_trends_are_there_at_other_numbers_of_clusters(analysed):
    scores = pd.read_parquet(analysed.out / "results" / "clusters_k.parquet").set_index(
        "k"
    )
    assert scores.index.tolist() == [5, 8, 10, 15, 20]
    assert (scores.loc[:10, ["rising", "falling"]] >= 1).all(axis=None)
    assert (
        scores["silhouette"].idxmax() == 5 and scores["ari"].idxmax() == 5
    )  # four are planted
    assert (scores["ari_low"] < scores["ari"]).all() and scores["same_trend"].between(
        0, 1
    ).all()
    trends = pd.read_parquet(analysed.out / "results" / "clusters_k_trends.parquet")
    matched = trends[(trends["k"] == 5) & (trends["of_it"] > 0.9)].set_index(
        "released"
    )["arrow"]
    assert (matched.get(1), matched.get(4)) == ("↓", "↑")
    assert (
        analysed.results["values"]["clusters/5"]["value"] == scores.loc[5, "stability"]
    )


def test_entropy_with_a_hundred_bins_is_that_of_fig_3b(analysed):
    table = pd.read_parquet(analysed.out / "results" / "fig3b.parquet")
    k, values = int(table["k"].iloc[0]), analysed.results["values"]
    bins = pd.read_parquet(analysed.out / "results" / "entropy_k.parquet")
    assert (
        bins["k"].unique().tolist() == [10, 50] and k == 60
    )  # a tenth of the images here
    assert (
        values["entropy_k/50/twigma"]["value"] < values["entropy/twigma"]["value"] + 0.3
    )


def test_blocks_and_groups_are_those_of_the_images(data):
    blocks = checks.blocks(data)
    assert set(blocks) == {"twigma", "paintings", "prompts"}
    assert len(blocks["twigma"]) == len(data.images.rows)
    groups = checks.grouped(data, Settings())
    assert {name: x.shape for name, (x, _) in groups.items()} == {
        "same artist": (150, 32),
        "same prompt": (150, 32),
    }


def test_the_page_says_what_was_found(analysed):
    tables = {
        path.stem: pd.read_parquet(path)
        for name in ("clusters_k", "clusters_k_trends", "entropy_k", "near_duplicates")
        for path in [analysed.out / "results" / f"{name}.parquet"]
    }
    found = Results(tables, {}, {})
    stable = sections_checks.granularity(found).claim
    assert stable.startswith(
        "No number of clusters is stable among 5, 8, 10, 15 and 20: "
    )
    scores = tables["clusters_k"].set_index("k")
    assert (
        f"{scores['rising'][5]} rise and {scores['falling'][5]} fall with 5" in stable
    )
    order = tables["entropy_k"].set_index(["k", "rank"])["set"]
    orders = [
        "{}, {}, {} and {} with {}".format(*order[k].sort_index(), k) for k in (10, 50)
    ]
    said = f"The order of the sets by entropy depends on the number of bins: {'; '.join(orders)}."
    assert sections_checks.entropies(found).claim == said
    nothing = "No set has near duplicates among its images here."
    assert sections_checks.near_duplicates(found).claim == nothing


def test_words_for_every_outcome():
    clusters = {
        "silhouette": 0.3,
        "least_stability": 0.9,
        "ari": 0.8,
        "ari_low": np.nan,
        "ari_high": np.nan,
    }
    clusters |= {"rising": 1, "falling": 2, "same_trend": np.nan, "months": 9, "n": 100}
    scores = pd.DataFrame(
        [
            {"k": k, "stability": s, "stable": s > 0.9, **clusters}
            for k, s in ((5, 0.99), (8, 0.5))
        ]
    )
    columns = ["k", "group", "arrow", "tau", "p_adjusted", "released", "of_it"]
    trends = pd.DataFrame([(5, 1, "→", 0.1, 0.9, pd.NA, np.nan)], columns=columns)
    found = Results({"clusters_k": scores, "clusters_k_trends": trends}, {}, {})
    section = sections_checks.granularity(found)
    assert (
        section.claim.startswith("Of 5 and 8 clusters, 5 are stable")
        and "1 rise and 2 fall with 5" in section.claim
    )
    none = Results(
        {"clusters_k": scores.assign(stable=False), "clusters_k_trends": trends}, {}, {}
    )
    assert (
        "No number of clusters is stable among 5 and 8:"
        in sections_checks.granularity(none).claim
    )
    row = {
        "set": "a",
        "metric": "vendi",
        "value": 1.0,
        "low": 0.5,
        "high": 1.5,
        "without": 3.0,
        "without_low": 2.0,
    }
    row |= {"without_high": 4.0, "removed": 10, "drawn": 100, "n": 90, "near": 0.995}
    moved = sections_checks.near_duplicates(
        Results({"near_duplicates": pd.DataFrame([row])}, {}, {})
    )
    assert (
        moved.claim
        == "Near duplicates are 10% of a; without them these leave the interval: vendi of a."
    )
    calm = pd.DataFrame([row | {"without_low": 0.5}])
    assert (
        "no number leaves"
        in sections_checks.near_duplicates(
            Results({"near_duplicates": calm}, {}, {})
        ).claim
    )
    rank = {
        "entropy": 1.0,
        "low": 0.9,
        "high": 1.1,
        "miller_madow": 1.0,
        "chao_shen": 1.0,
        "normalised": 0.5,
        "n": 9,
    }
    orders = pd.DataFrame([{"k": k, "set": s, "rank": i, **rank} for k, pair in ((10, "ab"), (50, "ba"))
                           for i, s in enumerate(pair, 1)])  # fmt: skip
    said = sections_checks.entropies(Results({"entropy_k": orders}, {}, {})).claim
    assert said.endswith(
        "depends on the number of bins: a and b with 10; b and a with 50."
    )
