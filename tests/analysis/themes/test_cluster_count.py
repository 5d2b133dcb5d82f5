"""Fig 4b at several k: planted clusters and trends, scikit-learn's own numbers, and what is too little."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from twigma.analysis.themes.cluster_count import (
    adjusted_rand,
    by_size,
    granularity,
)
from twigma.core import columns

MONTHS, PER_MONTH, TRUE_K = 12, 150, 5


@pytest.fixture(scope="module")
def world():
    """Five clusters: one rises, one falls, three stay; the released labels number them the other way round."""
    rng = np.random.default_rng(3)
    month = np.repeat(np.arange(MONTHS), PER_MONTH)
    shares = [[0.1 + 0.02 * m, 0.34 - 0.02 * m, 0.2, 0.18, 0.18] for m in range(MONTHS)]
    cluster = np.concatenate(
        [
            rng.permutation(
                np.repeat(np.arange(5), np.rint(np.array(s) * PER_MONTH).astype(int))
            )
            for s in shares
        ]
    )
    centres = np.linalg.qr(rng.normal(size=(24, 24)))[0][:TRUE_K]
    x = centres[cluster] + 0.08 * rng.normal(size=(len(cluster), 24))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    dates = (np.datetime64("2022-01", "M") + month[: len(cluster)]).astype(
        "datetime64[ms]"
    )
    table = pa.table(
        {
            "created_at": pa.array(dates),
            "label_10_cluster": pa.array(5 - cluster, pa.int32()),
        }
    )
    return x, table, cluster


@pytest.fixture(scope="module")
def found(world):
    x, table, _ = world
    return granularity(x, table, (3, 5, 8), authors=np.arange(len(x)) // 2)


def test_the_planted_number_of_clusters_is_the_stable_one(found):
    scores = found.scores.set_index("k")
    assert scores.loc[5, "stability"] == pytest.approx(1) and scores.loc[5, "stable"]
    assert scores["silhouette"].idxmax() == 5
    assert not scores.loc[8, "stable"]  # no true cluster can be cut in a stable way
    assert scores.loc[5, "ari"] == pytest.approx(1) and scores.loc[5, "same_trend"] == 1
    assert scores.loc[3, "ari"] < 0.9 and scores.loc[8, "ari"] < 0.99


def test_planted_trends_are_found_in_the_matched_clusters(found):
    trends = found.trends[found.trends["k"] == 5].set_index("released")
    assert trends["arrow"].to_dict() == {5: "↑", 4: "↓", 3: "→", 2: "→", 1: "→"}
    assert (trends["of_it"] == 1).all()
    assert found.scores.set_index("k").loc[
        5, ["rising", "falling", "months"]
    ].tolist() == [1, 1, MONTHS]
    more = found.trends[found.trends["k"] == 8]
    assert more["released"].notna().sum() == TRUE_K  # the others are left over
    assert more["group"].tolist() == list(range(1, 9))


def test_without_released_labels_the_rest_stands(world, found):
    x, table, _ = world
    alone = granularity(x, table.select(["created_at"]), (5,))
    assert alone.scores[["ari", "same_trend"]].isna().all(axis=None)
    kept = ["k", "silhouette", "stability", "rising", "falling"]
    assert (
        alone.scores[kept].iloc[0].tolist()
        == found.scores.set_index("k", drop=False).loc[5, kept].tolist()
    )
    assert alone.trends["released"].isna().all()


def test_the_interval_of_the_rand_index_is_the_jackknifes(rng):
    one = rng.integers(0, 4, 400)
    other = np.where(rng.random(400) < 0.7, one, rng.integers(0, 4, 400))
    found = adjusted_rand(one, other)
    assert found.value == adjusted_rand_score(one, other)
    without = [
        adjusted_rand_score(np.delete(one, i), np.delete(other, i)) for i in range(400)
    ]
    half = 1.96 * np.sqrt(
        399 / 400 * np.sum((np.array(without) - np.mean(without)) ** 2)
    )
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.02)
    doubled = adjusted_rand(np.repeat(one, 2), np.repeat(other, 2), np.arange(800) // 2)
    # Of 400 blocks: their own variance, and the t distribution.
    wider = np.sqrt(400 / 399) * stats.t.ppf(0.975, 399) / stats.norm.ppf(0.975)
    assert doubled.high - doubled.low == pytest.approx(
        wider * (found.high - found.low), rel=1e-6
    )
    assert np.isnan(adjusted_rand(np.zeros(5, int), np.zeros(5, int)).low)


def test_clusters_are_numbered_by_size():
    assert by_size(np.array([0, 2, 2, 1, 1, 1])).tolist() == [3, 2, 2, 1, 1, 1]


def test_weights_of_a_sample_and_undated_rows(world):
    x, table, _ = world
    dates = table["created_at"].to_pandas().where(np.arange(len(x)) % 3 > 0)
    weighted = columns.add(
        table, created_at=pa.array(dates), sample_weight=np.ones(len(x)) * 2
    )
    found = granularity(x, weighted, (5,))
    assert found.scores["n"].iloc[0] == int(dates.notna().sum())
    assert (found.trends["arrow"] == "↑").sum() == 1


def test_too_few_images_are_named(world):
    x, table, _ = world
    with pytest.raises(ValueError, match="ten for each of two clusters"):
        granularity(x[:30], table.slice(0, 30), (5, 8))
    with pytest.raises(ValueError, match="expected columns"):
        granularity(x, table.drop_columns(["created_at"]))
