"""Numbers that only the comparison needs, against statsmodels, brute force and planted people."""

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.api as sm
from scipy import stats

from twigma.analysis.inputs.images import images_of
from twigma.analysis.inputs.requirements import Result
from twigma.analysis.paper.own_numbers import (
    losses,
    overlaps,
    people,
    sensitive_clusters,
    share_difference,
)


def manifest(rows, **dropped):
    names = {name.replace("_", " "): count for name, count in dropped.items()}
    reasons = {f"not fetched: {name}": count for name, count in names.items()}
    reasons["duplicate: exact"] = 5
    return {"counts": {"rows": rows, "dropped": reasons}}


def test_losses_are_of_the_photos_that_were_tried():
    found = losses(manifest(120, not_found=8, timeout=2, never_tried=20))
    assert found == {"data/unavailable": {"value": 0.1, "n": 100}}
    assert losses(None) == losses({"source": {}}) == losses(manifest(0)) == {}
    assert losses(manifest(3, never_tried=3)) == {}


def test_an_overlap_is_found_in_either_order():
    table = pd.DataFrame({"set_a": ["a/b"], "set_b": ["c"], "overlap": [0.4], "n": [9]})
    found = overlaps({"fig2a": Result(9, {"fig2a_overlap": table})})
    assert found == {"overlap/c/a/b": {"value": 0.4, "n": 9}}
    assert overlaps({}) == {}


def test_the_difference_of_shares_is_that_of_a_clustered_regression(rng):
    """A linear probability model has this estimate; by authors its error is the sandwich's, up to small-sample factors.

    The jackknife's factor is about G/(G − 1), and Student's quantile that of as many authors as count.
    """
    n = 400
    author = rng.integers(0, 60, n)
    member = rng.random(n) < 0.2 + 0.2 * (author % 3 == 0)
    flagged = (rng.random(n) < 0.1 + 0.5 * member + 0.2 * (author % 5 == 0)).astype(
        float
    )
    found = share_difference(flagged, member, author.astype(object))
    fit = sm.OLS(flagged, sm.add_constant(member.astype(float))).fit()
    robust = fit.get_robustcov_results(
        "cluster", groups=author, use_correction=False, df_correction=False
    )
    assert found.value == pytest.approx(robust.params[1])
    sizes = np.bincount(author).astype(float)
    effective = (sizes**2).sum() ** 2 / (sizes**4).sum()
    quantile = stats.t.ppf(0.975, effective - 1)
    half = (found.high - found.low) / 2
    assert half == pytest.approx(quantile * robust.bse[1], rel=0.03)
    assert half > quantile * robust.bse[1]


def test_sensitive_clusters_need_scores_and_clusters(rng):
    n = 300
    labels = rng.integers(1, 11, n)
    score = np.where(labels == 5, 0.9, 0.1)
    columns = {
        "image_name": [str(i) for i in range(n)],
        "label_10_cluster": labels,
        "nsfw_score": score,
    }
    found = sensitive_clusters(images_of("twigma", pa.table(columns), None))
    assert found["nsfw_cluster/5"]["value"] == 1.0
    assert found["nsfw_cluster/8"]["value"] < 0
    columns["nsfw_score"] = pa.nulls(n, pa.float32())
    assert sensitive_clusters(images_of("twigma", pa.table(columns), None)) == {}


# ------------------------------------------------------------------ people


@pytest.fixture(scope="module")
def filled():
    """Four people who split clusters 1, 2 and 7 and merge 5 and 8, some of them not everywhere."""
    rng = np.random.default_rng(4)
    rows = []
    for annotator, cluster, image in itertools.product(range(4), range(1, 11), range(10)):  # fmt: skip
        group = f"group {5 if cluster == 8 else cluster}"
        if cluster in (1, 2, 7):
            group += " abc"[rng.integers(1, 4)]
        if cluster == 5 and image == 0:
            group = "by itself"
        rows.append((f"annotator-{annotator}", f"{cluster}-{image}", cluster, group, frozenset("abc")))  # fmt: skip
    names = ["annotator", "item", "cluster", "group", "keywords"]
    return pd.DataFrame(rows, columns=names)


def share_of_pairs(filled, one, other):
    """How often two different images of these clusters are in one group, pair by pair."""
    together, total = 0, 0
    for _, sheet in filled.groupby("annotator"):
        for a in sheet[sheet["cluster"] == one].itertuples():
            for b in sheet[sheet["cluster"] == other].itertuples():
                if a.item != b.item:
                    together += a.group == b.group
                    total += 1
    return together / total


def test_splits_and_merges_are_shares_of_pairs(filled):
    found = people(filled)
    for cluster in (1, 2, 7):
        expected = 1 - share_of_pairs(filled, cluster, cluster)
        assert found[f"people/split/{cluster}"]["value"] == pytest.approx(expected)
    merged = found["people/merged/5/8"]
    assert merged["value"] == pytest.approx(share_of_pairs(filled, 5, 8))
    for entry in (merged, found["people/split/7"]):
        assert 0.5 < entry["low"] < entry["value"] < entry["high"]
    for name, count in (
        ("annotators", 4),
        ("clusters", 10),
        ("images of each cluster", 10),
    ):
        assert found[f"people/{name}"]["value"] == count
    assert found["people/keywords of each image"]["value"] == 3


def test_the_interval_is_the_jackknife_over_images(filled):
    entry = people(filled)["people/split/1"]
    items = filled.loc[filled["cluster"] == 1, "item"].unique()
    without = []
    for item in items:
        left = filled[filled["item"] != item]
        without.append(1 - share_of_pairs(left, 1, 1))
    n = len(items)
    se = np.sqrt((n - 1) / n * np.sum((without - np.mean(without)) ** 2))
    assert (entry["high"] - entry["low"]) / 2 == pytest.approx(
        stats.t.ppf(0.975, n - 1) * se
    )


def test_an_image_that_one_person_left_out_counts_for_the_others(filled):
    some = filled.drop(filled.index[:3])  # images 0 to 2 of cluster 1, first annotator
    expected = 1 - share_of_pairs(some, 1, 1)
    assert people(some)["people/split/1"]["value"] == pytest.approx(expected)


def test_a_cluster_that_nobody_saw_is_left_out(filled):
    some = filled[filled["cluster"] != 5]
    assert "people/merged/5/8" not in people(some)
    assert people(some)["people/clusters"]["value"] == 9
