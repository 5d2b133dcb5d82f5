"""Prompt length against variation: planted correlation, scipy's tau, and what is too little."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from twigma.analysis.variation import prompts


def test_distance_is_the_mean_over_pairs(rng):
    x = rng.normal(size=(25, 8))
    labels = np.array(
        ["a b c"] * 12 + ["one"] * 10 + ["too few"] * 2 + [None], dtype=object
    )
    found = prompts.prompt_variation(x, labels, m=10)
    assert found["words"].tolist() == [3, 1]
    group = x[12:22]
    expected = np.mean(
        [np.linalg.norm(group[i] - group[j]) for i in range(10) for j in range(i)]
    )
    assert found["distance"][1] == pytest.approx(expected)


def test_tau_is_scipy_and_its_interval_covers(rng):
    hits = 0
    for _ in range(200):
        x, y = rng.multivariate_normal([0, 0], [[1, -0.45], [-0.45, 1]], 100).T
        found = prompts.kendall(pd.DataFrame({"words": x, "distance": y}))
        assert found["value"] == pytest.approx(stats.kendalltau(x, y).statistic)
        hits += found["low"] < 2 / np.pi * np.arcsin(-0.45) < found["high"]
    assert 0.9 <= hits / 200 <= 0.99


def test_tau_without_each_prompt_is_scipys(rng):
    x, y = rng.integers(3, 9, 60), rng.integers(0, 30, 60)
    expected = [
        stats.kendalltau(np.delete(x, i), np.delete(y, i)).statistic for i in range(60)
    ]
    np.testing.assert_allclose(prompts.tau_without_each(x, y), expected, rtol=1e-12)


def test_the_interval_covers_with_many_ties():
    """Words of one to three: Fieller's formula would hold the truth in under 90%."""
    rng = np.random.default_rng(1)

    def draw(n):
        x, y = rng.multivariate_normal([0, 0], [[1, -0.6], [-0.6, 1]], n).T
        return np.digitize(x, [-0.8, 0.3]), np.round(y, 1)

    truth = np.mean([stats.kendalltau(*draw(4000)).statistic for _ in range(10)])
    held, fieller = 0, 0
    for _ in range(400):
        x, y = draw(80)
        found = prompts.kendall(pd.DataFrame({"words": x, "distance": y}))
        held += found["low"] < truth < found["high"]
        half = 1.96 * np.sqrt(0.437 / 76)
        fieller += abs(np.arctanh(found["value"]) - np.arctanh(truth)) < half
    assert 0.92 <= held / 400 <= 0.98 and fieller < held


def test_planted_tau_is_recovered():
    """Three hundred prompts of ten images: their true spread falls with the words, tau -.3 in all."""
    rng = np.random.default_rng(7)
    words, spread = rng.multivariate_normal(
        [0, 0], [[1, np.sin(-0.3 * np.pi / 2)], [np.sin(-0.3 * np.pi / 2), 1]], 300
    ).T
    words = np.maximum(1, np.rint(20 + 6 * words)).astype(int)
    scale = 0.05 * np.exp(0.3 * spread)
    centres = rng.normal(size=(300, 64))
    x = np.repeat(centres / np.linalg.norm(centres, axis=1, keepdims=True), 10, axis=0)
    x += np.repeat(scale, 10)[:, None] * rng.normal(size=x.shape)
    labels = np.repeat(
        [f"{i} " + "w " * (n - 1) for i, n in enumerate(words)], 10
    ).astype(object)
    found = prompts.kendall(
        prompts.prompt_variation(x / np.linalg.norm(x, axis=1, keepdims=True), labels)
    )
    assert found["value"] == pytest.approx(-0.29, abs=0.1)
    assert found["p"] < 0.001 and found["n"] == 300


def test_blurred_images_and_repeats_are_told():
    table = pa.table(
        {
            "group": ["a", "a", "a", "b", None, "a"],
            "seed": [1, 1, 2, 1, 1, 1],
            "cfg": [7.0] * 6,
            "step": [50] * 6,
            "sampler": ["k"] * 6,
            "image_nsfw": [2.0, 0.1, None, 0.3, 0.2, 0.1],
        }
    )
    found = prompts.left_out(table)
    assert found["blurred"].tolist() == [True, False, False, False, False, False]
    assert found["repeated"].tolist() == [False] * 5 + [
        True
    ]  # of the second: the first was blurred
    marked = prompts.left_out(
        pa.table({"group": ["a", "a"], "duplicate_of": [None, "1"]})
    )
    assert marked["repeated"].tolist() == [False, True]
    assert not prompts.left_out(table.select(["group", "seed"])).any(axis=None)


def test_too_few_prompts_are_named():
    with pytest.raises(ValueError, match="at least 8 prompts"):
        prompts.kendall(pd.DataFrame({"words": [1, 2], "distance": [0.1, 0.2]}))
