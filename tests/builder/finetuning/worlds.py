"""Posts whose likes depend on followers, authors and time in known ways, for the tests of the comparison."""

import datetime
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from twigma.core import columns
from twigma.demo.world.likes import draw_likes
from twigma.demo.world.posts import draw_authors, draw_posts

START = datetime.datetime(2021, 1, 1)
DAYS = 820


def demo(seed: int = 0) -> pa.Table:
    """The posts with photos of the demo's world: likes by follower bracket, similarity and author."""
    rng = np.random.default_rng(seed)
    authors = draw_authors(300, rng)
    posts = draw_posts(2400, authors, rng)
    posts = [post for post in posts if post.carries != "retweet"]
    for post in posts:
        post.quintile = int(rng.integers(1, 6))
    draw_likes(posts, authors, rng)
    days = [(post.created_at - START) / datetime.timedelta(days=1) for post in posts]
    author = np.array([post.author for post in posts])
    likes = np.array([post.likes for post in posts])
    return table(likes, authors.followers[author].astype(float), np.array(days), author)


def nonlinear_followers(seed: int = 0) -> pa.Table:
    """Likes that rise steeply at 400 followers, fall towards 10,000, and spread ever more; a tenth is unknown."""
    rng = np.random.default_rng(seed)
    author, followers = _authors(rng, 4000, 1500)
    level = np.log1p(followers)
    mean = 1.5 + 2.5 * (followers > 400) - 0.8 * np.maximum(level - np.log(2000), 0)
    spread = 0.2 + 0.15 * level
    likes = rng.poisson(np.exp(mean + spread * rng.normal(size=len(author))))
    followers[rng.random(len(author)) < 0.1] = np.nan
    return table(likes, followers, DAYS * rng.random(len(author)), author)


def heavy_authors(seed: int = 0) -> pa.Table:
    """A few authors with most posts, whose likes differ by factors of a hundred."""
    rng = np.random.default_rng(seed)
    activity = rng.pareto(1.1, 400)
    author = rng.choice(400, 5000, p=activity / activity.sum())
    followers = np.exp(rng.normal(6.5, 2, 400)).astype(int)[author].astype(float)
    frailty = rng.normal(0, 1.5, 400)[author]
    likes = rng.poisson(np.exp(0.4 * np.log1p(followers) + frailty))
    return table(likes, followers, DAYS * rng.random(5000), author)


def trend(seed: int = 0) -> pa.Table:
    """Likes that fall to a tenth over the time, while posts and followers become more."""
    rng = np.random.default_rng(seed)
    days = DAYS * np.sqrt(rng.random(6000))
    author = rng.integers(0, 3000, 6000)
    followers = np.exp(rng.normal(5 + days / 300, 1.5)).astype(int).astype(float)
    mean = 5 - 2.3 * days / DAYS + 0.3 * (np.log1p(followers) - 6)
    likes = rng.poisson(np.exp(mean + 0.7 * rng.normal(size=6000)))
    return table(likes, followers, days, author)


WORLDS: list[Callable[[int], pa.Table]] = [
    demo,
    nonlinear_followers,
    heavy_authors,
    trend,
]


def _authors(
    rng: np.random.Generator, posts: int, authors: int
) -> tuple[np.ndarray, np.ndarray]:
    author = rng.integers(0, authors, posts)
    followers = np.exp(rng.normal(6.5, 2, authors)).astype(int)
    return author, followers[author].astype(float)


def table(
    likes: np.ndarray, followers: np.ndarray, days: np.ndarray, author: np.ndarray
) -> pa.Table:
    """A table with the columns of the selection, one image a post; followers may be NaN."""
    n = len(likes)
    times = [START + datetime.timedelta(days=float(day)) for day in days]
    counts = [None if np.isnan(count) else int(count) for count in followers]
    values = {
        "id": [str(10**18 + row) for row in range(n)],
        "image_name": [str(2 * 10**18 + row) for row in range(n)],
        "created_at": times,
        "like_count": likes.tolist(),
        "follower_count": counts,
        "author_id": [str(each) for each in author],
    }
    arrays = {}
    for name, column in values.items():
        arrays[name] = pa.array(column, columns.COLUMNS[name].type)
    return pa.table(arrays)
