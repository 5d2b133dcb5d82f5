"""The planned width is the one that the estimator then has, over planted worlds."""

import numpy as np
import pytest

from twigma.analysis.measurement import (
    Labelled,
    expected_width,
    labels_needed,
    residual_variance,
    share,
)


def test_the_residual_is_that_of_a_regression(rng):
    n = 400_000
    y = rng.random(n) < 0.12
    f = rng.random(n) < np.where(y, 0.5, 0.055)
    slope, constant = np.polyfit(f.astype(float), y.astype(float), 1)
    left = np.var(y - constant - slope * f)
    assert residual_variance(0.12, 0.5, 0.055) == pytest.approx(left, rel=0.01)
    assert residual_variance(0.3, 0.4, 0.4) == pytest.approx(0.21)  # useless
    assert residual_variance(0.3, 1, 0) == pytest.approx(0)
    assert residual_variance(0.3, 0, 0) == pytest.approx(0.21)  # flags nothing


def test_the_planned_width_is_reached(rng):
    variance = residual_variance(0.2, 0.8, 0.05)
    labels = labels_needed(0.06, variance)
    widths = []
    n = 20_000
    for _ in range(30):
        y = rng.random(n) < 0.2
        f = (rng.random(n) < np.where(y, 0.8, 0.05)).astype(float)
        label = np.full(n, np.nan)
        rows = rng.choice(n, labels, replace=False)
        label[rows] = y[rows]
        found = share(Labelled(f, label, np.full(n, labels / n))).iloc[-1]
        widths.append(found["high"] - found["low"])
    assert np.mean(widths) == pytest.approx(0.06, rel=0.05)
    assert expected_width(labels, variance) <= 0.06
    assert expected_width(labels - 1, variance) > 0.06


def test_impossible_plans_are_refused():
    with pytest.raises(ValueError, match="a prevalence between 0 and 1"):
        residual_variance(0, 0.5, 0.1)
    with pytest.raises(ValueError, match="a width above 0"):
        labels_needed(0, 0.1)
