"""Worlds with a known share of sensitive images and detectors that err in known ways, for the tests and the study."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from twigma.analysis.measurement.estimates import (
    ALONE,
    CORRECTED,
    NAIVE,
    Labelled,
    monthly_trend,
    share,
)
from twigma.analysis.measurement.sampling import draw_sample, score_strata

SHARE, SLOPE, MONTHS = 0.12, 0.002, 27
DETECTORS = ("good", "biased", "drifting", "useless")
ESTIMATORS = (NAIVE, ALONE, CORRECTED)
DESIGNS = ("at random", "by score")


class World(NamedTuple):
    """Images of authors who differ in how often they post what is sensitive."""

    sensitive: np.ndarray  # bool [n]
    month: np.ndarray  # int [n], from 0
    author: np.ndarray  # int [n]


def world(rng, authors=3000, mean_images=9):
    """A share of .12 on average, rising by .002 a month; an author's is the share times a factor of mean 1."""
    images = rng.geometric(1 / mean_images, authors)
    author = np.repeat(np.arange(authors), images)
    month = rng.integers(0, MONTHS, len(author))
    factor = 6 * rng.beta(2, 10, authors)
    chance = (SHARE + SLOPE * (month - (MONTHS - 1) / 2)) * factor[author]
    return World(rng.random(len(author)) < chance, month, author)


def scores(detector, planted, rng):
    """Scores from 0 to 1, above one half where the detector flags an image."""
    month = planted.month
    hit, false = {
        "good": (0.85, 0.02),
        "biased": (0.6, 0.1),
        "drifting": (0.7, 0.01 + 0.12 * month / (MONTHS - 1)),
        "useless": (0.3, 0.3),
    }[detector]
    flagged = rng.random(len(month)) < np.where(planted.sensitive, hit, false)
    return (flagged + rng.random(len(month))) / 2


def labelled(planted, score, n, design, seed):
    """The world with labels of n images, drawn by our own sampling."""
    strata = np.zeros(len(score), np.int64)
    if design == "by score":
        strata = score_strata(score, 0.5)
    authors = planted.author if design == "by score" else None
    draw = draw_sample(strata, n, authors, seed=seed)
    label = np.full(len(score), np.nan)
    label[draw.rows] = planted.sensitive[draw.rows]
    flag = (score > 0.5).astype(float)
    return Labelled(flag, label, draw.probability, planted.author, seed=seed)


def coverage(worlds, n=500, designs=DESIGNS, detectors=DETECTORS, seed=0):
    """A row per design, detector, estimand and estimator: coverage of 95% intervals, mean width, mean estimate.

    `width` is that of the mean interval over that of the labels alone in the same worlds.
    """
    found = []
    for number in range(worlds):
        rng = np.random.default_rng([seed, number])
        planted = world(rng)
        for detector in detectors:
            score = scores(detector, planted, rng)
            for design in designs:
                data = labelled(planted, score, n, design, number)
                of_share = share(data).assign(what="share", truth=SHARE)
                trend = monthly_trend(data, planted.month)
                of_trend = trend.assign(what="trend", truth=SLOPE)
                both = pd.concat([of_share, of_trend])
                found.append(both.assign(design=design, detector=detector))
    rows = pd.concat(found, ignore_index=True)
    rows["covered"] = (rows["low"] <= rows["truth"]) & (rows["truth"] <= rows["high"])
    rows["width"] = rows["high"] - rows["low"]
    keys = ["design", "detector", "what", "estimator"]
    table = rows.groupby(keys, sort=False)[["covered", "width", "value"]].mean()
    alone = table["width"].xs(ALONE, level="estimator")
    of_alone = alone.reindex(table.index.droplevel("estimator"))
    table["width"] = table["width"] / of_alone.to_numpy()
    return table.reset_index()
