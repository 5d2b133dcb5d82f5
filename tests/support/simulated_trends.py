"""Families of ten monthly shares without a trend, and how often a test draws an arrow all the same.

The slow test of `analysis/themes/trends.py` asserts the rates; `docs/studies/trends.py` prints more of them.
"""

import numpy as np
import pandas as pd
from scipy import stats

from twigma.analysis.inference.multiple_testing import benjamini_hochberg
from twigma.analysis.themes.trend_regression import family_slopes
from twigma.analysis.themes.trends import mann_kendall

MONTHS, GROUPS = 27, 10
AT = np.arange(MONTHS)
# From 60 images a month to 4,000, as a platform that grows.
IMAGES = np.rint(np.geomspace(60, 4000, MONTHS)).astype(int)
WORLDS = (
    "AR 0",
    "AR .6",
    "AR .8",
    "AR .9",
    "AR .6, few images",
    "AR .8, few images",
    "five AR 0, five AR .8",
    "AR .8, heavy tails",
    "shares of ten, AR .8",
    "authors who come and go",
)
COSINES = 4


def autocorrelated(rng, correlation, size=(GROUPS,), draw=None):
    """Stationary AR(1) series of variance 1, [*size, months]."""
    shocks = rng.normal(size=(*size, MONTHS)) if draw is None else draw((*size, MONTHS))
    series = np.empty_like(shocks)
    series[..., 0] = shocks[..., 0] / np.sqrt(1 - correlation**2)
    for month in range(1, MONTHS):
        series[..., month] = correlation * series[..., month - 1] + shocks[..., month]
    return series * np.sqrt(1 - correlation**2)


def null_family(world, rng):
    """Ten series [groups, months] without a trend, and the images of each month, or None."""
    if world.endswith("few images"):
        correlation = 0.6 if ".6" in world else 0.8
        noise = 1 / IMAGES
        noise = rng.normal(size=(GROUPS, MONTHS)) * np.sqrt(noise / noise.mean())
        return autocorrelated(rng, correlation) + noise, IMAGES
    if world == "five AR 0, five AR .8":
        series = autocorrelated(rng, 0.8)
        series[:5] = rng.normal(size=(5, MONTHS))
        return series, None
    if world == "AR .8, heavy tails":
        return autocorrelated(rng, 0.8, draw=lambda s: rng.standard_t(3, size=s)), None
    if world == "shares of ten, AR .8":
        wander = np.sqrt(0.05) * autocorrelated(rng, 0.8)
        odds = np.exp(wander + 0.3 * rng.normal(size=(GROUPS, 1)))
        shares = odds / odds.sum(axis=0)
        pairs = zip(IMAGES, shares.T, strict=True)
        return np.array([rng.multinomial(n, p) / n for n, p in pairs]).T, IMAGES
    if world == "authors who come and go":
        return of_authors(rng)
    return autocorrelated(rng, float(world.split()[1])), None


def of_authors(rng, authors=400):
    """Shares of images by authors with a theme of their own, some months of activity, and 1 to 100 images in each."""
    start = rng.integers(-6, MONTHS, authors)
    length = rng.geometric(1 / 6, authors)
    theme = rng.integers(GROUPS, size=authors)
    a_month = np.minimum(1 + rng.pareto(1.2, authors) * 2, 100)
    counts = np.zeros((GROUPS, MONTHS))
    for one in range(authors):
        active = (start[one] <= AT) & (start[one] + length[one] > AT)
        images = rng.poisson(a_month[one] * active)
        own = rng.binomial(images, 0.8)
        counts[theme[one]] += own
        for month in np.flatnonzero(images - own):
            rest = rng.integers(GROUPS, size=images[month] - own[month])
            counts[:, month] += np.bincount(rest, minlength=GROUPS)
    images = counts.sum(axis=0)
    return counts / np.maximum(images, 1), images


def by_mann_kendall(series, images):
    """P values of the plain rank test."""
    return np.array([mann_kendall(row).p for row in series])


def by_cosines(series, images):
    """P values of a line by least squares, its variance from four cosines of the scores (Müller 2007; fixed b)."""
    centred = AT - AT.mean()
    design = np.column_stack([np.ones(MONTHS), centred])
    residual = series - series @ design @ np.linalg.inv(design.T @ design) @ design.T
    frequency = np.pi * np.outer(AT + 0.5, np.arange(1, COSINES + 1)) / MONTHS
    weights = np.sqrt(2 / MONTHS) * np.cos(frequency)
    spread = ((residual * centred) @ weights) ** 2
    error = np.sqrt(spread.mean(axis=1) * MONTHS)
    return 2 * stats.t.sf(np.abs(series @ centred) / error, COSINES)


def one_by_one(series, images):
    """P values of our regression, each series without the others."""
    return np.array([family_slopes(row[None], AT, images)[0].p for row in series])


def by_family(series, images):
    """P values of our regression."""
    return np.array([slope.p for slope in family_slopes(series, AT, images)])


TESTS = {
    "Mann–Kendall": by_mann_kendall,
    "line, four cosines": by_cosines,
    "ours, each series alone": one_by_one,
    "ours": by_family,
}


def false_arrows(world, families, tests=TESTS, seed=0):
    """A row per test: share of the families with a false arrow, and of the single tests with p < .05."""
    rng = np.random.default_rng([seed, WORLDS.index(world)])
    drawn = [null_family(world, rng) for _ in range(families)]
    rows = []
    for name in tests:
        p = np.array([TESTS[name](series, images) for series, images in drawn])
        arrows = np.array([benjamini_hochberg(each) < 0.05 for each in p])
        rows.append(
            {
                "world": world,
                "test": name,
                "family": arrows.any(axis=1).mean(),
                "single": (p < 0.05).mean(),
            }
        )
    return pd.DataFrame(rows)


def power(correlation, rise, families, tests=TESTS, seed=0):
    """A row per test: share of two trends of ten that get an arrow; they rise by `rise` standard deviations."""
    rng = np.random.default_rng([seed, 99])
    found = {name: [] for name in tests}
    for _ in range(families):
        series = autocorrelated(rng, correlation)
        series[:2] += rise * AT / (MONTHS - 1)
        for name in tests:
            p = benjamini_hochberg(TESTS[name](series, None))
            found[name].append((p[:2] < 0.05).mean())
    rows = [(name, np.mean(values)) for name, values in found.items()]
    return pd.DataFrame(rows, columns=["test", "power"]).assign(
        correlation=correlation, rise=rise
    )
