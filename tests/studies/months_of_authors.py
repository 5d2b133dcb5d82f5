"""Intervals and tests over time (Fig 1b, 4a, 4b, model releases), for `studies.coverage`.

An author posts in some months only, as in the last world of `docs/studies/trends.md`: what authors do together in time
is what a month is not independent of.
"""

import numpy as np
import pandas as pd

from studies.coverage import Interval, Measured, World, study
from twigma.analysis.inference.blocks import effective_blocks_of
from twigma.analysis.likes.event_study import event_study
from twigma.analysis.themes.drift import drift
from twigma.analysis.themes.timeline import growth
from twigma.analysis.themes.trends import trend_table

MONTHS, THEMES = 27, 10
LENGTH = 6  # months that an author posts in, on average
TIMES = 5  # as many images as in other worlds: a month needs some of every theme
RATE = 0.05  # growth a month
LOYAL = 0.8
FIRST = np.datetime64("2021-01-01", "ms")
DAYS = 27 * 30

GROWTH, SLOPE = "growth a month (Fig 1b)", "slope of a theme (Fig 4b)"
SLOPES_NULL, ARROWS = "slope of a theme: p (Fig 4b)", "any arrow of ten (Fig 4b, 4c)"
DRIFT, JUMP = "drift: p (Fig 4a)", "jump at a release"
JUMP_NULL = "jump at a release: p"


def months_of(rng, author, growing=0.0):
    """The month of each image: an author's lie between a first month and a last."""
    authors = author.max() + 1
    length = rng.geometric(1 / LENGTH, authors)
    # Authors that begin before the first month are there in it too.
    begins = np.arange(-3 * LENGTH, MONTHS)
    weights = (1 + growing) ** begins
    start = rng.choice(begins, authors, p=weights / weights.sum())
    month = start[author] + np.floor(rng.random(len(author)) * length[author])
    return month.astype(int)


@study(intervals=[GROWTH], blind=True)
def growth_of_posts(world: World) -> Measured:
    """Posts of authors who begin more and more often."""
    author = np.repeat(world.owner, TIMES)
    month = months_of(world.rng, author, RATE)
    inside = (month >= 0) & (month < MONTHS)
    posts = np.bincount(month[inside], minlength=MONTHS)
    found = growth(pd.DataFrame({"posts": posts}))
    effective = effective_blocks_of(author, len(author))
    return {GROWTH: Interval(found.value, found.low, found.high, RATE, effective)}


@study(
    intervals=[SLOPE],
    tests=[SLOPES_NULL, ARROWS],
    blind=True,
    worlds=200,
    page="trends",
)
def trends_of_themes(world: World) -> Measured:
    """Ten themes without a trend, most images of an author in one."""
    rng = world.rng
    author = np.repeat(world.owner, TIMES)
    month = months_of(rng, author)
    own = rng.integers(THEMES, size=author.max() + 1)[author]
    free = rng.integers(THEMES, size=len(author))
    theme = np.where(rng.random(len(author)) < LOYAL, own, free)
    inside = (month >= 0) & (month < MONTHS)
    counts = np.zeros((MONTHS, THEMES))
    np.add.at(counts, (month[inside], theme[inside]), 1)
    images = counts.sum(axis=1)
    shares = np.full_like(counts, np.nan)
    np.divide(counts, images[:, None], out=shares, where=images[:, None] > 0)
    labels = np.tile(np.arange(THEMES), MONTHS)
    table = pd.DataFrame(
        {
            "month": np.repeat(
                pd.period_range("2021-01", periods=MONTHS, freq="M"), THEMES
            ),
            "group": labels,
            "share": shares.ravel(),
            "n": counts.ravel(),
        }
    )
    trends = trend_table(table)
    row = trends.iloc[0]
    limits = (row["slope"], row["slope_low"], row["slope_high"])
    effective = effective_blocks_of(author, len(author))
    return {
        SLOPE: Interval(*limits, 0.0, effective),
        SLOPES_NULL: float(row["p"]),
        ARROWS: float(trends["p_adjusted"].min()),
    }


def dates_of(rng, author):
    """A date of each image; those of an author lie close together."""
    day = rng.uniform(0, DAYS, author.max() + 1)[author]
    day = np.clip(day + 40 * rng.normal(size=len(author)), 0, DAYS)
    return FIRST + (86_400_000 * day).astype("m8[ms]")


@study(tests=[DRIFT], worlds=200)
def drift_of_the_map(world: World) -> Measured:
    """Places and dates that have nothing to do with one another, but through authors."""
    rng, author = world.rng, world.owner
    dates = dates_of(rng, author)
    places = rng.normal(size=(author.max() + 1, 2))[author]
    places = places + 0.3 * rng.normal(size=places.shape)
    return {DRIFT: drift(places, dates, world.told(author)).p}


@study(intervals=[JUMP], tests=[JUMP_NULL])
def jump_of_a_mean(world: World) -> Measured:
    """A mean that does not jump; authors differ in their level, and post throughout the time."""
    rng = world.rng
    author = np.repeat(world.owner, TIMES)
    dates = dates_of(rng, author)
    values = rng.normal(size=author.max() + 1)[author] + rng.normal(size=len(author))
    middle = str(FIRST + np.timedelta64(DAYS // 2, "D"))[:10]
    events = event_study(
        dates, values, events={"release": middle}, blocks=world.told(author)
    ).events
    row = events.iloc[0]
    effective = effective_blocks_of(author, len(author))
    found = Interval(row["jump"], row["low"], row["high"], 0.0, effective)
    return {JUMP: found, JUMP_NULL: float(row["p"])}
