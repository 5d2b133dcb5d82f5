"""Entropy at several k: planted shares of separated clusters, scipy's formula, and the order of the sets."""

import numpy as np
import pytest
from scipy import stats

from twigma.analysis.variation.entropy_bins import entropies
from twigma.analysis.variation.spread import variation_table

CENTRES, DIM, N = 50, 40, 4000


@pytest.fixture(scope="module")
def sets():
    """Two sets on the same fifty separated centres: one uses them all alike, the other a few for the most part."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(CENTRES, DIM))
    shares = {
        "even": np.full(CENTRES, 1 / CENTRES),
        "uneven": np.random.default_rng(2).dirichlet(np.full(CENTRES, 0.3)),
    }
    made = {}
    for name, p in shares.items():
        x = centres[rng.choice(CENTRES, N, p=p)] + 0.02 * rng.normal(size=(N, DIM))
        made[name] = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    return made, shares


def test_planted_entropy_is_recovered_at_the_true_k(sets):
    made, shares = sets
    found = entropies(made, (10, 50)).query("k == 50").set_index("set")
    for name, p in shares.items():
        assert found.loc[name, "miller_madow"] == pytest.approx(
            stats.entropy(p), abs=0.03
        )
        assert (
            found.loc[name, "low"]
            < found.loc[name, "entropy"]
            < found.loc[name, "high"]
        )
        assert found.loc[name, "normalised"] == pytest.approx(
            found.loc[name, "entropy"] / np.log(50)
        )
    assert (
        found.loc["uneven", "low"]
        < stats.entropy(shares["uneven"])
        < found.loc["uneven", "high"]
    )
    assert found["n"].tolist() == [N, N]


def test_the_order_of_the_sets_is_told_at_every_k_that_tells_the_groups_apart(sets):
    found = entropies(sets[0], (50, 100, 200), n=3000)
    assert found.groupby("set")["rank"].unique().map(list).to_dict() == {
        "even": [1],
        "uneven": [2],
    }
    assert found["k"].unique().tolist() == [50, 100, 200]
    higher = found.pivot(index="k", columns="set", values="entropy")
    assert (higher.diff().dropna() > 0).all(
        axis=None
    )  # a finer codebook never tells less


def test_blocks_widen_the_interval(sets):
    x = sets[0]["uneven"][:400]
    copied = {"a": np.repeat(x, 5, axis=0)}
    alone = entropies(copied, (10,)).iloc[0]
    together = entropies(
        copied, (10,), blocks={"a": np.repeat(np.arange(400), 5)}
    ).iloc[0]
    # Of the squared half widths, the part of the images is five times as large, but for the factors of 400 blocks; that
    # of the codebooks is the same.
    factor = 400 / 399 * (stats.t.ppf(0.975, 399) / stats.norm.ppf(0.975)) ** 2
    halves = [(row["high"] - row["low"]) / 2 for row in (alone, together)]
    of_books = stats.t.ppf(0.975, 4) * alone["codebook_sd"] / 5**0.5
    images = [half**2 - of_books**2 for half in halves]
    assert images[1] == pytest.approx(5 * factor * images[0], rel=1e-6)


def test_both_figures_show_the_same_entropy(sets):
    """Fig 3b and the entropies by number of bins have the same codebooks."""
    by_bins = entropies(sets[0], (100,), n=2000, seed=1).set_index("set")
    table = variation_table(sets[0], n=2000, seed=1).set_index("set")
    assert table["entropy"].tolist() == by_bins["entropy"].tolist()
    assert table["entropy_high"].tolist() == by_bins["high"].tolist()


def test_a_codebook_larger_than_the_data_is_left_out(sets):
    x = sets[0]["even"][:100]
    assert entropies({"a": x, "b": x})["k"].unique().tolist() == [10]
    with pytest.raises(ValueError, match="ten for each of"):
        entropies({"a": x[:20], "b": x[:20]})
