"""Likes of a known Eq (1), and how often the 95% intervals of its rate ratios hold what was planted.

The slow test of `analysis/likes/eq1.py` asserts it; `docs/studies/eq1_coverage.py` draws it.
"""

import warnings

import numpy as np
import pandas as pd

from twigma.analysis.likes.eq1 import eq1

PLANTED = {
    "quintile 1": 1.19,
    "quintile 2": 1.12,
    "quintile 3": 0.992,
    "quintile 4": 1.02,
}
RATES = np.log([*PLANTED.values(), 1.0])
KINDS = (
    "Poisson",
    "negative binomial",
    "author and post frailty",
    "80 authors",
    "300 authors, heavy tails",
)
INTERVALS = ("naive", "quasi", "HC0", "by post", "by author", "jackknife")
FEW = {"80 authors": 80, "300 authors, heavy tails": 300}


def world(rng, n=21_000, authors=2000, frailty=0.0, base=2.5):
    """Likes of an Eq (1) with the planted ratios; authors share a quintile more often than chance."""
    author = rng.integers(authors, size=n)
    followers = np.exp(rng.normal(6.5, 2, size=authors)).astype(int)[author]
    lean = rng.integers(1, 6, size=authors)
    quintile = np.where(rng.random(n) < 0.5, lean[author], rng.integers(1, 6, size=n))
    eta = (
        base + RATES[quintile - 1] + 0.3 * (followers >= 500) + 0.4 * (followers > 5000)
    )
    if frailty:
        shape = 1 / frailty
        eta = (
            eta
            + np.log(rng.gamma(shape, frailty, size=authors))[author]
            + np.log(rng.gamma(shape, frailty, size=n))
        )
    return rng.poisson(np.exp(eta)), followers, quintile, author


def posted(rng, kind, posts=7700, authors=2000):
    """(likes, followers, quintile, author, post) of about 10,000 images: 1.3 a post, 26 likes on average, as the paper.

    "Poisson"; "negative binomial", each image on its own with θ = 0.3; "author and post frailty", gamma factors of
    variance 1.5 each, shared by the images of an author and of a post. The same with "80 authors" of 3,000 images; and
    with "300 authors, heavy tails", whose posts follow a Pareto law of exponent 1.5.
    """
    if kind in FEW:
        posts, authors = 2300, FEW[kind]
    post = np.repeat(np.arange(posts), 1 + rng.poisson(0.3, posts))
    n, of_post = len(post), rng.integers(authors, size=posts)
    if kind == "300 authors, heavy tails":
        size = 1 + rng.pareto(1.5, authors)
        of_post = rng.choice(authors, posts, p=size / size.sum())
    author = of_post[post]
    followers = np.exp(rng.normal(6.5, 2, size=authors)).astype(int)[author]
    lean = rng.integers(1, 6, size=authors)
    quintile = np.where(rng.random(n) < 0.5, lean[author], rng.integers(1, 6, size=n))
    mean = np.exp(
        2.95 + RATES[quintile - 1] + 0.3 * (followers >= 500) + 0.4 * (followers > 5000)
    )
    if kind == "negative binomial":
        mean = mean * rng.gamma(0.3, 1 / 0.3, n)
    elif kind != "Poisson":
        mean = (
            mean
            * rng.gamma(1 / 1.5, 1.5, authors)[author]
            * rng.gamma(1 / 1.5, 1.5, posts)[post]
        )
    return rng.poisson(mean), followers, quintile, author, post


def coverage(kind, repetitions=200, seed=9):
    """How often each interval holds each planted ratio: DataFrame (kind, interval, term, coverage, dispersion, n)."""
    rng, truth = np.random.default_rng(seed), np.log(list(PLANTED.values()))
    rows = []
    for _ in range(repetitions):
        likes, followers, quintile, author, post = posted(rng, kind)
        given = {"likes": likes, "followers": followers, "quintile": quintile}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that there are no authors
            scores = {**given, "errors": "sandwich"}
            fits = {
                "naive": eq1(**given, mode="paper"), "HC0": eq1(**scores), "by post": eq1(**scores, posts=post),
                "by author": eq1(**scores, cluster=author), "jackknife": eq1(**given, cluster=author),
            }  # fmt: skip
        half = 1.96 * fits["naive"]["se"] * np.sqrt(fits["naive"]["dispersion"])
        centre = np.log(fits["naive"]["irr"])
        fits["quasi"] = fits["naive"].assign(
            low=np.exp(centre - half), high=np.exp(centre + half)
        )
        for name in INTERVALS:
            table = fits[name].set_index("term").loc[list(PLANTED)]
            held = (np.log(table["low"]) <= truth) & (truth <= np.log(table["high"]))
            rows += [
                (kind, name, term, hit, table["dispersion"].iloc[0], len(likes))
                for term, hit in held.items()
            ]
    frame = pd.DataFrame(
        rows, columns=["kind", "interval", "term", "coverage", "dispersion", "n"]
    )
    return frame.groupby(["kind", "interval", "term"], sort=False).mean().reset_index()
