"""Hubs against counts made by hand, a planted hub, and CSLS written out over all pairs."""

import numpy as np
import pytest
from scipy import stats

from twigma.analysis.comparison.hubness import csls, hubness
from twigma.analysis.neighbours.search import nearest


def test_skewness_is_scipys_of_the_counts(rng):
    query, reference = rng.normal(size=(80, 6)), rng.normal(size=(30, 6))
    cosine = (query / np.linalg.norm(query, axis=1)[:, None]) @ (
        reference / np.linalg.norm(reference, axis=1)[:, None]
    ).T
    count = np.bincount(np.argsort(-cosine, axis=1)[:, :4].ravel(), minlength=30)
    found = hubness(query, reference, 4)
    assert found["value"] == pytest.approx(stats.skew(count))
    assert found["largest"] == count.max()
    assert found["never"] == (count == 0).mean()
    assert found["low"] < found["high"]


def test_a_planted_hub_hides_the_true_pairs_and_csls_finds_them(rng):
    reference = rng.normal(size=(200, 64))
    reference /= np.linalg.norm(reference, axis=1, keepdims=True)
    hub = np.r_[1.0, np.zeros(63)]
    query, with_hub = 0.7 * reference[:100] + 0.8 * hub, np.vstack([reference, hub])
    assert (nearest(query, with_hub, 1)[1][:, 0] == 200).all()
    found = hubness(query, with_hub, 1)
    assert (found["largest"], found["never"]) == (100, 200 / 201)
    assert found["value"] > 10 > hubness(reference[:100], reference, 1)["value"]
    assert (
        csls(query, with_hub, range(100))["reference"] == np.arange(100)
    ).mean() > 0.95


def test_csls_is_the_formula_over_all_pairs(rng):
    x, y, k = rng.normal(size=(25, 5)), rng.normal(size=(12, 5)), 12
    cosine = (x / np.linalg.norm(x, axis=1)[:, None]) @ (
        y / np.linalg.norm(y, axis=1)[:, None]
    ).T
    crowd = np.sort(cosine, axis=0)[-k:].mean(axis=0)
    score = 2 * cosine - np.sort(cosine, axis=1)[:, -k:].mean(axis=1)[:, None] - crowd
    found = csls(x, y, [3, 7, 20], k)
    assert found["reference"].tolist() == score[[3, 7, 20]].argmax(axis=1).tolist()
    np.testing.assert_allclose(found["csls"], score[[3, 7, 20]].max(axis=1), atol=1e-6)


def test_equal_rows_have_no_skewness_and_two_are_too_few():
    assert hubness(np.eye(4), np.ones((5, 4)), 4)["k"] == 4
    with pytest.raises(ValueError, match="at least 3"):
        hubness(np.eye(3), np.eye(3)[:2])


def test_of_many_queries_some_are_drawn(rng):
    query, reference = rng.normal(size=(400, 8)), rng.normal(size=(50, 8))
    some, all_ = hubness(query, reference, 3, n=100), hubness(query, reference, 3)
    assert (some["n"], all_["n"]) == (100, 400) and abs(
        some["value"] - all_["value"]
    ) < 1


@pytest.mark.parametrize("owned", [False, True])
def test_the_interval_is_of_the_skewness_without_each_owner(rng, owned):
    query, reference = rng.normal(size=(60, 6)), rng.normal(size=(20, 6))
    owner = np.repeat(np.arange(12), 5) if owned else None
    found = hubness(query, reference, 3, blocks=owner)
    index = nearest(query, reference, 3)[1]
    without = []
    for one in range(12 if owned else 60):
        kept = (owner if owned else np.arange(60)) != one
        without.append(stats.skew(np.bincount(index[kept].ravel(), minlength=20)))
    count = len(without)
    away = np.array(without) - found.value
    se = np.sqrt((count - 1) / count * (away**2).sum())
    limits = stats.t.interval(0.95, count - 1, found.value, se)
    assert [found.low, found.high] == pytest.approx(limits)
    assert found.blocks == pytest.approx(count) and found.owners_known == owned
