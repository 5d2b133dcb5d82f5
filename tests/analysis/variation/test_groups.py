"""Distances within and between groups against brute force, and planted variance between and within groups."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from twigma.analysis.variation.groups import grouped_distance, same_different_ratio


def planted_prompts(rng, groups=200, m=10, d=64, between=3.0):
    codes = np.repeat(np.arange(groups), m)
    return np.sqrt(between) * rng.normal(size=(groups, d))[codes] + rng.normal(
        size=(groups * m, d)
    ), codes


def test_planted_prompt_variance():
    x, codes = planted_prompts(np.random.default_rng(8))
    row = same_different_ratio(x, codes).iloc[0]
    assert abs(row["ratio"] - 0.5) < 0.02 and abs(row["r2"] - 0.75) < 0.01
    assert row["low"] < 0.5 < row["high"] and row["groups"] == 200 and row["n"] == 2000


def test_groups_equal_brute_force():
    rng = np.random.default_rng(9)
    codes = rng.integers(0, 12, size=120)
    codes[:2] = 50, 51  # two groups of one row, and three rows without a group
    labels = np.array([f"g{c}" for c in codes], dtype=object)
    labels[2:5] = None
    x = rng.normal(size=(120, 5)) + codes[:, None] % 3
    kept = [
        np.flatnonzero(labels == g)
        for g in sorted({g for g in labels if g and g not in ("g50", "g51")})
    ]
    within = np.array([pdist(x[rows]).mean() for rows in kept])
    pairs = np.array([len(rows) * (len(rows) - 1) / 2 for rows in kept])
    table = grouped_distance(x, labels).set_index("weighting")
    assert abs(table["value"]["group"] - within.mean()) < 1e-12
    assert abs(table["value"]["pair"] - within @ pairs / pairs.sum()) < 1e-12
    assert (
        set(table["groups"]) == {12}
        and set(table["n"]) == {115}
        and set(table["pairs"]) == {int(pairs.sum())}
    )
    half = 1.96 * within.std() / np.sqrt(12)
    assert abs(table["high"]["group"] - within.mean() - half) < 0.2 * half
    row = same_different_ratio(x, labels).iloc[0]
    between = np.mean(
        [
            cdist(x[a], x[b]).mean()
            for i, a in enumerate(kept)
            for j, b in enumerate(kept)
            if i != j
        ]
    )
    assert (
        abs(row["different"] - between) < 1e-12
        and abs(row["same"] - within.mean()) < 1e-12
    )
    assert abs(row["ratio"] - within.mean() / between) < 1e-12


def test_ratio_interval_covers():
    rng = np.random.default_rng(10)
    big = same_different_ratio(*planted_prompts(rng, groups=1000, m=5, d=8)).iloc[0][
        "ratio"
    ]
    found = [
        same_different_ratio(*planted_prompts(rng, groups=60, m=5, d=8)).iloc[0]
        for _ in range(150)
    ]
    assert 0.90 <= np.mean([row["low"] <= big <= row["high"] for row in found]) <= 0.99


def test_ratio_of_many_rows_is_that_of_some_whole_groups():
    x, labels = planted_prompts(np.random.default_rng(12), groups=1000, m=5, d=8)
    every, some = (
        same_different_ratio(x, labels).iloc[0],
        same_different_ratio(x, labels, n=1002, seed=1).iloc[0],
    )
    assert (every["groups"], some["groups"], some["n"]) == (1000, 200, 1000)
    assert some["low"] <= every["ratio"] <= some["high"]
    assert some["high"] - some["low"] == pytest.approx(
        np.sqrt(5) * (every["high"] - every["low"]), rel=0.25
    )
    again, other = (
        same_different_ratio(x, labels, n=1002, seed=seed).iloc[0] for seed in (1, 2)
    )
    assert again["ratio"] == some["ratio"] != other["ratio"]
    with pytest.raises(ValueError, match="a label for each of 5000 rows"):
        same_different_ratio(x, labels[:-1], n=1000)
