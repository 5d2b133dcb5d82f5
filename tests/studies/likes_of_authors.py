"""Intervals of likes (Fig 2d, Eq 1 and what stands beside it), for `studies.coverage`.

The likes are those of `docs/studies/eq1_coverage.md`: the images of an author share a gamma factor, and each has one.
"""

import numpy as np
from scipy.stats import norm
from support.simulated_likes import RATES

from studies.coverage import Interval, Measured, World, study
from twigma.analysis.inference.blocks import effective_blocks_of
from twigma.analysis.likes.eq1 import eq1
from twigma.analysis.likes.nsfw import nsfw_likes
from twigma.analysis.likes.quintiles import least_to_most, likes_by_quintile

BASE, VARIANCE = 2.95, 1.5  # log mean likes; of each gamma factor
FOLLOWED = (0.3, 0.4)  # of 500 followers, and of more than 5,000 beyond that
RATIO = 1.3  # of likes of NSFW images
LOYAL = 0.5  # share of an author's images in the author's own quintile

MEAN, LEAST, EQ1 = (
    "mean likes of a quintile (Fig 2d)",
    "quintile 1 over 5 (Fig 2d)",
    "Eq (1), quintile 1",
)
EQ1_NULL = "Eq (1), quintile 1: p"
ADJUSTED = {
    "nothing": "likes of NSFW images",
    "author": "likes of NSFW images, within authors",
}


def likes_of(rng, author, log_rate):
    """Likes and followers of each image, [n]; `log_rate` [n] is what multiplies them."""
    authors = author.max() + 1
    followers = rng.permutation(followers_of(authors))[author]
    log_mean = BASE + log_rate
    log_mean = log_mean + FOLLOWED[0] * (followers >= 500)
    log_mean = log_mean + FOLLOWED[1] * (followers > 5000)
    shape = 1 / VARIANCE
    of_author = rng.gamma(shape, VARIANCE, authors)[author]
    of_image = rng.gamma(shape, VARIANCE, len(author))
    return rng.poisson(np.exp(log_mean) * of_author * of_image), followers


def quintiles_of(rng, author):
    """Quintile of each image, half of an author's in one of the author's own."""
    lean = rng.integers(1, 6, author.max() + 1)[author]
    free = rng.integers(1, 6, len(author))
    return np.where(rng.random(len(author)) < LOYAL, lean, free)


def followers_of(authors):
    """Followers of each author, at even quantiles, so that all groups of Eq (1) are there among twelve authors."""
    even = norm.ppf((np.arange(authors) + 0.5) / authors)
    return np.exp(6.5 + 2 * even).astype(int)


def true_mean(authors) -> float:
    """Mean likes of quintile 1, where an author is any of them."""
    followers = followers_of(authors)
    log_factor = FOLLOWED[0] * (followers >= 500) + FOLLOWED[1] * (followers > 5000)
    return float(np.exp(BASE + RATES[0]) * np.exp(log_factor).mean())


def eq1_term(world: World, author, quintile, log_rate):
    """The row of quintile 1 in Eq (1)."""
    likes, followers = likes_of(world.rng, author, log_rate)
    posts = None if world.known else np.arange(len(author))
    table = eq1(
        likes=likes,
        followers=followers,
        quintile=quintile,
        cluster=world.told(author),
        posts=posts,
    )
    return likes, table.set_index("term").loc["quintile 1"]


@study(intervals=[MEAN, LEAST, EQ1], tests=[EQ1_NULL], page="eq1_coverage")
def likes_by_similarity(world: World) -> Measured:
    """Quintile means, their ratio, and Eq (1) with the paper's ratios."""
    author = world.owner
    quintile = quintiles_of(world.rng, author)
    likes, term = eq1_term(world, author, quintile, RATES[quintile - 1])
    blocks = author if world.known else np.arange(len(author))
    means = likes_by_quintile(quintile, likes, blocks=blocks).set_index("quintile")
    first, ratio = means.loc[1], least_to_most(quintile, likes, blocks=blocks)
    effective = effective_blocks_of(author, len(author))
    truth = float(np.exp(RATES[0]))
    flat = eq1_term(world, author, quintile, np.zeros(len(author)))[1]
    return {
        MEAN: Interval(
            first["mean"],
            first["robust_low"],
            first["robust_high"],
            true_mean(len(world.sizes)),
            effective,
        ),
        LEAST: Interval(ratio.value, ratio.low, ratio.high, truth, effective),
        EQ1: Interval(term["irr"], term["low"], term["high"], truth, effective),
        EQ1_NULL: float(flat["p"]),
    }


@study(intervals=list(ADJUSTED.values()), blind=True)
def likes_of_sensitive_images(world: World) -> Measured:
    """Authors differ in how many of their images are NSFW; there is no ratio within authors of one image each."""
    author = world.owner
    rate = world.rng.beta(0.5, 1.5, len(world.sizes))[author]
    nsfw = world.rng.random(len(author)) < rate
    likes = likes_of(world.rng, author, np.log(RATIO) * nsfw)[0]
    table = nsfw_likes(likes, nsfw, cluster=author).set_index("adjusted")
    effective = effective_blocks_of(author, len(author))
    found = {}
    for adjusted, name in ADJUSTED.items():
        found[name] = Interval(np.nan, np.nan, np.nan, RATIO, effective)
        if adjusted in table.index:
            row = table.loc[adjusted]
            limits = (row["irr"], row["low"], row["high"])
            found[name] = Interval(*limits, RATIO, effective)
    return found
