"""No interval leaves what its quantity can be, and two rows or blocks have none, whatever is estimated."""

import numpy as np
import pandas as pd
import pytest

from twigma.analysis.comparison import hubness, joint_map, manifold
from twigma.analysis.inference.blocks import half_width, jackknife
from twigma.analysis.inference.proportions import block_share
from twigma.analysis.inference.sample_weights import weighted_mean
from twigma.analysis.likes.quintiles import likes_by_quintile
from twigma.analysis.measurement import Labelled, krippendorff_alpha, share
from twigma.analysis.paper.own_numbers import share_difference
from twigma.analysis.themes.cluster_count import adjusted_rand
from twigma.analysis.themes.concordance import concordance
from twigma.analysis.variation.conditional_vendi import conditional_vendi
from twigma.analysis.variation.distance import mean_pairwise_distance
from twigma.analysis.variation.groups import grouped_distance, same_different_ratio
from twigma.analysis.variation.spread import METRICS, variation_table

SEEDS = range(40)


def unit(rng, n, d=16):
    x = rng.normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def within(value, low, high, least, most):
    """Whether there is no interval, or one of this range that holds its value."""
    if np.isnan(low) and np.isnan(high):
        return True
    tolerance = 1e-9
    return least - tolerance <= low <= value <= high <= most + tolerance


# Of a random generator, (value, low, high, least, most) of a number from few authors.
def rand(rng):
    one, other = rng.integers(0, 2, 8), rng.integers(0, 2, 8)
    found = adjusted_rand(one, other, np.arange(8) % 3)
    return found.value, found.low, found.high, -0.5, 1.0


def distance(rng):
    x = unit(rng, 8)
    x[:5] = x[0]
    found = mean_pairwise_distance(x, groups=[0, 0, 0, 0, 1, 2, 2, 2])
    return found.value, found.low, found.high, 0.0, np.sqrt(16 / 7)


def difference(rng):
    member = np.arange(9) < 4
    flagged = (rng.random(9) < 0.8).astype(float)
    found = share_difference(flagged, member, np.arange(9.0) // 3)
    return found.value, found.low, found.high, -1.0, 1.0


def likes(rng):
    found = weighted_mean(rng.exponential(size=6) ** 4, np.ones(6), [0, 0, 0, 1, 2, 2])
    return found.value, found.low, found.high, 0.0, np.inf


def quintile(rng):
    counts = rng.poisson(rng.exponential(size=6) ** 4)
    row = likes_by_quintile(np.ones(6), counts).iloc[0]
    return row["mean"], row["low"], row["high"], 0.0, np.inf


def skewness(rng):
    found = hubness.hubness(unit(rng, 5), unit(rng, 9), k=2)
    return found.value, found.low, found.high, -7 / np.sqrt(8), 7 / np.sqrt(8)


def balls(rng):
    found = manifold.manifold(unit(rng, 9), unit(rng, 9), 3, blocks_x=np.arange(9) // 3)
    return found.density.value, found.density.low, found.density.high, 0.0, np.inf


def ratio(rng):
    row = same_different_ratio(unit(rng, 8), np.arange(8) // 2).iloc[0]
    return row["ratio"], row["low"], row["high"], 0.0, np.inf


FEW = {
    function.__name__: function
    for function in (
        rand,
        distance,
        difference,
        likes,
        quintile,
        skewness,
        balls,
        ratio,
    )
}


@pytest.mark.parametrize("name", FEW)
def test_intervals_of_few_authors_are_of_possible_numbers(name):
    for seed in SEEDS:
        found = FEW[name](np.random.default_rng(seed))
        assert within(*found), (name, seed, found)


@pytest.mark.parametrize("n", [3, 8])
def test_measures_of_variation_are_possible(n):
    most = {"iev": n, "vendi": n, "entropy": np.log(2)}
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        x = unit(rng, n)
        blocks = {"a": np.arange(n) % 3}
        row = variation_table({"a": x}, blocks=blocks).iloc[0]
        for metric in METRICS:
            least = 1.0 if metric in ("iev", "vendi") else 0.0
            limits = row[f"{metric}_low"], row[f"{metric}_high"]
            assert np.isfinite(limits).all(), metric
            assert within(row[metric], *limits, least, most.get(metric, np.inf)), metric


@pytest.mark.parametrize("images", [2, 8])
def test_two_images_or_two_authors_have_no_interval(images, rng):
    blocks = None if images == 2 else {"a": np.arange(images) % 2}
    row = variation_table({"a": unit(rng, images)}, blocks=blocks).iloc[0]
    for metric in METRICS:
        assert np.isfinite(row[metric]), metric
        assert np.isnan([row[f"{metric}_low"], row[f"{metric}_high"]]).all(), metric


def test_two_groups_prompts_and_owners_have_no_interval(rng):
    x = unit(rng, 12)
    two = np.arange(12) // 6
    tables = [
        grouped_distance(x, two),
        same_different_ratio(x, two),
        conditional_vendi(x, two.astype(str), m=6),
    ]
    for table in tables:
        assert table[["low", "high"]].isna().all(axis=None)
    labels = pd.DataFrame(rng.integers(0, 2, (12, 2)))
    found = [
        krippendorff_alpha(labels, owners=two),
        block_share(two == 0, np.arange(12) % 2),
        manifold.manifold(x, unit(rng, 12), 3, blocks_reference=two).coverage,
    ]
    for one in found:
        assert np.isnan([one.low, one.high]).all()
    points = pd.DataFrame({"set": ["a"] * 12 + ["b"] * 12, "x": 0.0, "y": 0.0})
    points[["x", "y"]] = rng.normal(size=(24, 2))
    overlap = joint_map.overlaps(points, {"a": two}).iloc[0]
    assert np.isnan([overlap["low"], overlap["high"]]).all()
    assert np.isnan(half_width(jackknife(np.array([0.2, 0.4]), 0.3, [1, 1])))


def test_agreement_of_few_images_is_possible():
    least = {"ari": -0.5, "homogeneity": 0.0, "completeness": 0.0, "keywords": -1.0}
    words = [frozenset(word) for word in ("ab", "b", "a", "c", "bc", "ab")]
    for seed in SEEDS:
        group = np.random.default_rng(seed).integers(0, 3, 6).astype(str)
        sheet = pd.DataFrame({"item": list("abcdef"), "cluster": [1, 1, 1, 2, 2, 2]})
        sheet = sheet.assign(annotator="one", group=group, keywords=words)
        for row in concordance(sheet).itertuples():
            bounds = (least[row.measure], 1.0)
            assert within(row.value, row.low, row.high, *bounds), row


def test_corrected_shares_are_shares(rng):
    n = 400
    flag = (np.arange(n) < 12).astype(float)
    label = np.where(rng.random(n) < 0.3, flag, np.nan)
    label[:8] = 1
    data = Labelled(flag, label, np.full(n, 0.3), np.arange(n) // 80)
    for row in share(data).itertuples():
        assert within(row.value, row.low, row.high, 0.0, 1.0), row
