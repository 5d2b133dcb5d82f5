"""A density integrates to 1 and is NumPy's histogram."""

import numpy as np
import pytest

from twigma.analysis.vectors.density import density_table


def test_a_density_integrates_to_one(rng):
    values = rng.normal(size=500)
    weights = rng.uniform(size=500)
    table = density_table(values, weights, bins=7)
    mass = table["density"] * (table["high"] - table["low"])
    assert mass.sum() == pytest.approx(1)
    counts, edges = np.histogram(values, 7, weights=weights)
    assert mass.to_numpy() == pytest.approx(counts / weights.sum())
    assert [*table["low"], table["high"].iloc[-1]] == pytest.approx(edges)


def test_values_have_to_be_known():
    with pytest.raises(ValueError, match="all finite, found 2"):
        density_table([1.0, np.nan])
    with pytest.raises(ValueError, match="found 0"):
        density_table([])
