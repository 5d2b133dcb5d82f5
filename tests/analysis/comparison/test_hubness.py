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
