"""The tail of the reference's own similarities against scipy's fits, and its p values against new draws."""

import numpy as np
import pytest
from scipy import stats
from support.planted_copies import plant_copies, unit

from twigma.analysis.neighbours.search import nearest
from twigma.analysis.themes.nearest_null import NEAR, fit_tail, nearest_null


def drawn(n, scale, rng, start=0.6):
    """Similarities whose t is exponential above `start`, and pairs that are all distinct."""
    t = -np.log(1 - start) + rng.exponential(scale, n)
    similarity = 1 - np.exp(-t)
    kept = similarity[similarity < NEAR]
    return kept, np.arange(2 * len(kept)).reshape(-1, 2)


@pytest.mark.parametrize("scale", [0.1, 0.3, 0.6])
def test_the_tail_is_that_which_maximises_the_likelihood(rng, scale):
    similarity, pairs = drawn(20_000, scale, rng)
    tail, why = fit_tail(similarity, pairs)
    assert why == ""
    t, u = -np.log(1 - similarity), -np.log(1 - tail.threshold)
    end = -np.log(1 - NEAR) - u
    excess = (t - u)[t > u]
    assert tail.pairs == len(excess)
    scales = np.geomspace(scale / 2, scale * 2, 4001)
    likelihood = [
        stats.truncexpon.logpdf(excess, end / s, scale=s).sum() for s in scales
    ]
    best = scales[np.argmax(likelihood)]
    estimate = tail.scale / (1 + tail.precision**-0.5)
    assert estimate == pytest.approx(best, rel=1e-3)
    # The precision is what the curvature of the likelihood says: information times scale squared.
    step = best * 0.01
    at = [
        stats.truncexpon.logpdf(excess, end / s, scale=s).sum()
        for s in (best - step, best, best + step)
    ]
    curvature = -(at[0] - 2 * at[1] + at[2]) / step**2
    assert tail.precision == pytest.approx(curvature * best**2, rel=0.05)
    assert abs(estimate - scale) < 4 * scale / np.sqrt(tail.precision)


def test_p_is_the_tail_of_a_generalised_pareto(rng):
    tail, _ = fit_tail(*drawn(5000, 0.2, rng))
    similarity = np.array([0.5, tail.threshold, 0.93, 0.99, 1.0])
    p = tail.p(similarity)
    assert np.isnan(p[:2]).all()
    excess = np.log((1 - tail.threshold) / (1 - similarity[2:4]))
    expected = stats.genpareto.sf(excess, 1 / tail.precision, scale=tail.scale)
    np.testing.assert_allclose(p[2:4], expected, rtol=1e-10)
    assert 0 < p[4] < 1e-9


@pytest.mark.parametrize("isotropic", [True, False])
def test_p_is_calibrated_for_images_of_the_same_kind(isotropic):
    below = []
    for seed in range(5):
        world = plant_copies(8000, 4000, 0, isotropic=isotropic, seed=seed)
        tail = nearest_null(world.reference).tail
        p = tail.p(nearest(world.query, world.reference, 1)[0][:, 0])
        p = p[~np.isnan(p)]
        assert len(p) > 50
        below.append([(p < level).mean() for level in (0.5, 0.1, 0.01)])
    half, tenth, hundredth = np.mean(below, axis=0)
    assert 0.4 < half < 0.6
    assert tenth < 0.11 and hundredth < 0.015


def test_repeats_in_the_reference_leave_the_tail_as_it_is():
    once = plant_copies(10, 4000, 0).reference
    twice = plant_copies(10, 4000, 0, repeats=0.1).reference
    plain, repeated = nearest_null(once), nearest_null(twice)
    assert plain.near < 10 and repeated.near == pytest.approx(800, abs=10)
    assert repeated.tail.threshold == pytest.approx(plain.tail.threshold, abs=0.02)
    assert repeated.tail.scale == pytest.approx(plain.tail.scale, rel=0.3)


def test_two_that_are_each_others_nearest_are_one_pair():
    reference = plant_copies(10, 2000, 0).reference
    similarity = reference @ reference.T
    np.fill_diagonal(similarity, -1)
    other, best = similarity.argmax(axis=1), similarity.max(axis=1)
    tail = nearest_null(reference).tail
    rows = np.flatnonzero((best > tail.threshold + 1e-6) & (best < NEAR))
    pairs = {(min(i, other[i]), max(i, other[i])) for i in rows}
    assert tail.pairs == len(pairs) < len(rows)


def test_a_reference_as_close_as_copies_has_no_tail(rng):
    """Where similarities run on through NEAR, nothing says that a copy is closer."""
    centres = unit(rng.normal(size=(200, 32)))
    spread = rng.uniform(0.005, 0.08, size=(200, 1))
    rows = np.repeat(np.arange(200), 20)
    series = unit(centres[rows] + spread[rows] * rng.normal(size=(4000, 32)))
    null = nearest_null(series)
    assert null.near > 400
    assert null.tail is None
    assert null.why == "its closest images are close in no regular way"
