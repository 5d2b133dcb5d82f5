"""Prompt length against variation: planted correlation, scipy's tau, and what is too little."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from twigma.analysis import prompts


def test_distance_is_the_mean_over_pairs(rng):
    x = rng.normal(size=(25, 8))
    labels = np.array(["a b c"] * 12 + ["one"] * 10 + ["too few"] * 2 + [None], dtype=object)
    found = prompts.prompt_variation(x, labels, m=10)
    assert found["words"].tolist() == [3, 1]
    group = x[12:22]
    expected = np.mean([np.linalg.norm(group[i] - group[j]) for i in range(10) for j in range(i)])
    assert found["distance"][1] == pytest.approx(expected)


def test_tau_is_scipy_and_its_interval_covers(rng):
    hits = 0
    for _ in range(200):
        x, y = rng.multivariate_normal([0, 0], [[1, -0.45], [-0.45, 1]], 100).T
        found = prompts.kendall(pd.DataFrame({"words": x, "distance": y}))
        assert found["value"] == pytest.approx(stats.kendalltau(x, y).statistic)
        hits += found["low"] < 2 / np.pi * np.arcsin(-0.45) < found["high"]
    assert 0.9 <= hits / 200 <= 0.99


def test_too_few_prompts_are_named():
    with pytest.raises(ValueError, match="at least 8 prompts"):
        prompts.kendall(pd.DataFrame({"words": [1, 2], "distance": [0.1, 0.2]}))
