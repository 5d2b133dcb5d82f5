"""The pseudo-outcome against its formula, and against the properties that make it right whatever the model says."""

import numpy as np
import pytest

from twigma.analysis.measurement.pseudo_outcomes import pseudo_outcomes


@pytest.fixture
def drawn(rng):
    """A binary label, a model that errs, and a sample drawn by its value."""
    n = 4000
    y = (rng.random(n) < 0.2).astype(float)
    f = np.where(rng.random(n) < 0.8, y, 1 - y)
    probability = 0.05 + 0.2 * f
    r = rng.random(n) < probability
    return y, f, probability, r


def test_with_a_fixed_slope_it_is_the_formula(drawn):
    y, f, probability, r = drawn
    label = np.where(r, y, np.nan)
    for slope in (0.0, 0.4, 1.0):
        found = pseudo_outcomes(f, label, probability, slope=slope).values
        expected = slope * f + r / probability * (y - slope * f)
        assert np.allclose(found, expected, atol=1e-12, rtol=0)


def test_the_slope_is_the_weighted_least_squares_of_the_other_folds(drawn):
    sm = pytest.importorskip("statsmodels.api")
    y, f, probability, r = drawn
    label = np.where(r, y, np.nan)
    found = pseudo_outcomes(f, label, probability, folds=2, seed=3)
    fold = np.random.default_rng(3).permutation(len(y)) % 2
    for k in (0, 1):
        rows = r & (fold != k)
        weights = (1 - probability[rows]) / probability[rows] ** 2
        fit = sm.WLS(y[rows], sm.add_constant(f[rows]), weights).fit()
        assert np.isclose(found.slopes[k, 0], fit.params[1], atol=1e-10)
        g = fit.params[0] + fit.params[1] * f
        expected = g + r / probability * (y - g)
        here = fold == k
        assert np.allclose(found.values[here], expected[here], atol=1e-9)


def test_no_other_slope_varies_less(drawn):
    y, f, probability, r = drawn
    label = np.where(r, y, np.nan)
    best = pseudo_outcomes(f, label, probability, folds=2).slopes.mean()

    def variance(a, slope):
        g = a + slope * f
        return ((1 - probability) / probability * (y - g) ** 2).mean()

    grid = [
        (variance(a, slope), slope)
        for a in np.linspace(0, 0.3, 31)
        for slope in np.linspace(0, 1, 101)
    ]
    assert abs(min(grid)[1] - best) < 0.12


def test_it_is_unbiased_for_every_sample_there_could_be():
    """Every subset of six images, each with its own chance: the mean over them is that of the labels, exactly."""
    y = np.array([1.0, 0, 0, 1, 1, 0])
    f = np.array([0.2, 0.9, 0.9, 0.1, 0.8, 0.7])
    probability = np.array([0.3, 0.5, 0.6, 0.4, 0.7, 0.5])
    total = 0.0
    for code in range(64):
        r = np.array([bool(code >> bit & 1) for bit in range(6)])
        chance = np.prod(np.where(r, probability, 1 - probability))
        values = 0.7 * f  # of a sample with fewer than two labels, which is refused
        values = values + r / probability * (y - 0.7 * f)
        if r.sum() >= 2:
            label = np.where(r, y, np.nan)
            values = pseudo_outcomes(f, label, probability, slope=0.7).values
        total += chance * values.mean()
    assert np.isclose(total, y.mean(), atol=1e-12)


def test_an_author_is_in_one_fold_and_a_useless_model_gets_no_weight(rng):
    n = 20_000
    author = rng.integers(0, 400, n)
    y = (rng.random(n) < 0.3).astype(float)
    label = np.where(rng.random(n) < 0.5, y, np.nan)
    found = pseudo_outcomes(rng.random(n), label, np.full(n, 0.5), author)
    assert np.abs(found.slopes).max() < 0.05
    same = pseudo_outcomes(np.ones(n), label, np.full(n, 0.5), author)
    # Of images without a label g is left: one number for all images of an author.
    unlabelled = np.isnan(label)
    for name in (3, 7):
        values = same.values[unlabelled & (author == name)]
        assert np.ptp(values) == 0


def test_labels_of_all_images_are_the_outcome(rng):
    y = rng.random(200)
    found = pseudo_outcomes(rng.random(200), y, np.ones(200))
    assert np.allclose(found.values, y, atol=1e-12)


def test_several_values_of_the_model_vary_less_than_one(drawn, rng):
    y, f, probability, r = drawn
    label = np.where(r, y, np.nan)
    other = y + 0.5 * rng.normal(size=len(y))
    one = pseudo_outcomes(f, label, probability).values
    both = pseudo_outcomes(np.column_stack([f, other]), label, probability)
    assert both.slopes.shape == (5, 2)
    assert both.values.var() < 0.95 * one.var()


@pytest.mark.parametrize(
    ("f", "label", "probability", "message"),
    [
        ([0.1, 0.2], [1, np.nan], [0.5, 0.5], "at least 2 labels, found 1 among 2"),
        ([0.1, np.nan], [1, 0], [0.5, 0.5], "a model's value for every image"),
        ([0.1, 0.2], [1, 0], [0.0, 0.5], "above 0 and at most 1"),
        ([0.1, 0.2], [1, 0], [0.5, 2.0], "found 0.5 to 2.0"),
    ],
)
def test_what_cannot_be_corrected_is_refused(f, label, probability, message):
    with pytest.raises(ValueError, match=message):
        pseudo_outcomes(f, label, probability)
