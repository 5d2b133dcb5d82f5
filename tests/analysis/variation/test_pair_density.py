"""Distances of pairs against SciPy's of all pairs; groups count the same; few rows give all pairs."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from twigma.analysis.variation import pair_density as module
from twigma.analysis.variation.pair_density import pair_density


def mean_of(table):
    middle = (table["low"] + table["high"]) / 2
    return float((middle * table["density"] * (table["high"] - table["low"])).sum())


def test_small_sets_have_all_their_pairs(rng):
    x = rng.normal(size=(40, 5))
    found = pair_density({"a": x})
    edges = [*found["low"], found["high"].iloc[-1]]
    expected = np.histogram(pdist(x), edges, density=True)[0]
    assert found["density"].to_numpy() == pytest.approx(expected)


def test_large_sets_are_sampled_well(rng, monkeypatch):
    monkeypatch.setattr(module, "PAIRS", 20_000)
    x = rng.normal(size=(600, 5))
    sampled = pair_density({"a": x})
    assert mean_of(sampled) == pytest.approx(pdist(x).mean(), rel=0.02)
    assert (pair_density({"a": x}, seed=1)["density"] != sampled["density"]).any()


def test_groups_count_the_same(rng):
    """One large spread group and one small tight one: half of the mass lies near zero."""
    wide, tight = rng.normal(size=(60, 8)), np.ones((4, 8))
    x = np.concatenate([wide, tight])
    labels = ["wide"] * 60 + ["tight"] * 4
    found = pair_density({"all": x}, {"same": (x, labels)})
    own = found[found["set"] == "same"]
    mass = own["density"] * (own["high"] - own["low"])
    assert mass.iloc[0] == pytest.approx(0.5)
    assert found.groupby("set")["low"].agg(tuple).nunique() == 1
