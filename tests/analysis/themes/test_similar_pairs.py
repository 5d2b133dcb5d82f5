"""Similar pairs against brute force, and planted copies that have to be found."""

import numpy as np
import pytest
from scipy import stats
from support.planted_copies import found, plant_copies, unit

from twigma.analysis.neighbours.search import nearest
from twigma.analysis.themes.nearest_null import NEAR, nearest_null
from twigma.analysis.themes.similar_pairs import neighbour_pairs, similar_pairs


def listed(copies, **options):
    query, reference = copies.query, copies.reference
    return similar_pairs(
        query, reference, range(len(query)), range(len(reference)), **options
    )


def test_pairs_are_found_by_brute_force(rng):
    reference = unit(rng.normal(size=(400, 16)))
    query = unit(rng.normal(size=(500, 16)))
    query[7] = unit(reference[[3]] + 0.01 * rng.normal(size=(1, 16)))[0]
    names, others = [f"q{i}" for i in range(500)], [f"r{i}" for i in range(400)]
    found = neighbour_pairs(query, reference, names, others, n=5)
    similarity = query @ reference.T
    best = similarity.max(axis=1)
    order = np.argsort(-best)[:5]
    nearest = similarity.argmax(axis=1)
    assert found["image_name"].tolist() == [f"q{i}" for i in order]
    assert found["reference_name"].tolist() == [f"r{nearest[i]}" for i in order]
    np.testing.assert_allclose(found["similarity"], best[order], atol=1e-6)
    assert found["mutual"].tolist() == [
        similarity[:, nearest[i]].argmax() == i for i in order
    ]
    assert found["hub"].tolist() == [int((nearest == nearest[i]).sum()) for i in order]
    assert found["near"].tolist() == [True, False, False, False, False]
    tail = nearest_null(reference).tail
    tested = best > tail.threshold
    assert 5 < tested.sum() < 500
    depth = np.log((1 - tail.threshold) / (1 - best[tested]))
    k = tail.precision
    p = stats.genpareto.sf(depth, 1 / k, scale=tail.scale)
    np.testing.assert_allclose(found["p"][1:], np.sort(p)[1:5], rtol=1e-3)
    adjusted = np.full(500, np.nan)
    adjusted[tested] = stats.false_discovery_control(p)
    np.testing.assert_allclose(found["p_adjusted"][1:], adjusted[order][1:], rtol=1e-3)
    assert found["image_name"][0] == "q7" and found["p_adjusted"][0] < 0.001


@pytest.mark.parametrize("repeats", [0, 0.1])
@pytest.mark.parametrize(("share", "cosine"), [(0.002, 1), (0.01, 0.97), (0.1, 1)])
def test_planted_copies_are_found_and_little_else(share, cosine, repeats):
    results = []
    for seed in range(3):
        copies = plant_copies(
            5000, 3000, share, cosine=cosine, repeats=repeats, seed=seed
        )
        results.append(found(copies, listed(copies)))
    power, false = np.mean(results, axis=0)
    assert power >= 0.95
    assert false <= 0.1  # 0.05 is the mean of many worlds: see the slow test


def test_without_copies_nothing_is_found():
    rates = []
    for seed in range(8):
        copies = plant_copies(4000, 2000, 0, seed=seed)
        rates.append(found(copies, listed(copies))[1] > 0)
    assert np.sum(rates) <= 2


def test_every_near_identical_pair_is_listed_whatever_its_p():
    """Also where the reference is so close to itself that nothing can be tested."""
    copies = plant_copies(2000, 40, 0.05)
    result = listed(copies)
    assert result.null.tail is None and "fewer than 60" in result.null.why
    assert set(result.listed["row"]) == set(np.flatnonzero(copies.planted))
    assert result.listed["near"].all() and result.listed["p_adjusted"].isna().all()
    counts = result.counts()
    assert counts["near"]["value"] == 100 and counts["closer"]["value"] is None


def test_what_stands_out_is_listed_most_similar_first():
    copies = plant_copies(3000, 2000, 0.01, cosine=0.9, isotropic=True)
    near = plant_copies(3000, 2000, 0.01, isotropic=True)
    copies.query[near.planted] = near.query[near.planted]
    result = listed(copies)
    table = result.listed
    assert (np.diff(table["similarity"]) <= 0).all()
    assert (table["near"] == (table["similarity"] >= NEAR)).all()
    assert (table["near"] | (table["p_adjusted"] < 0.05)).all()
    assert (~table["near"]).any()
    labels = np.array(["ada", "bo", None])[np.arange(3000) % 3]
    counts = result.counts(labels)
    assert counts["closer"]["value"] == (table["p_adjusted"] < 0.05).sum()
    assert counts["closer"]["authors"] == 2


def test_weights_count_in_the_false_discovery_rate():
    copies = plant_copies(3000, 2000, 0.002, cosine=0.9, isotropic=True)
    weights = np.where(copies.planted, 1, 3)
    plain, weighted = listed(copies), listed(copies, weights=weights)
    p = nearest_null(copies.reference).tail.p(
        nearest(copies.query, copies.reference, 1)[0][:, 0]
    )
    # As of every image repeated as often as it counts.
    repeated = np.repeat(np.arange(3000), weights)
    tested = repeated[~np.isnan(p[repeated])]
    adjusted = dict(zip(tested, stats.false_discovery_control(p[tested]), strict=True))
    expected = [adjusted[row] for row in weighted.top["row"]]
    np.testing.assert_allclose(weighted.top["p_adjusted"], expected, rtol=1e-6)
    assert (weighted.top["p_adjusted"] > 1.01 * plain.top["p_adjusted"]).any()


@pytest.mark.slow
@pytest.mark.parametrize("repeats", [0, 0.1])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.1])
def test_power_and_false_discoveries_at_size(share, repeats):
    """100,000 images against 20,000: the table of docs/studies/copies.md."""
    results = []
    for seed in range(4):
        copies = plant_copies(100_000, 20_000, share, repeats=repeats, seed=seed)
        results.append(found(copies, listed(copies)))
    power, false = np.mean(results, axis=0)
    assert power >= 0.95
    assert false <= 0.05
