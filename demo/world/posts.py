"""What the demo world plants before anything is drawn: growth, drift of the themes, authors, and what posts carry.

`demo/world/build.py` draws the world from it.
"""

import calendar
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twigma.demo.drawing import pictures
from twigma.demo.drawing.pictures import THEMES, Picture
from twigma.demo.drawing.scenery import Rng
from twigma.demo.world import snowflake

# The paper's period, month by month.
_PERIOD = [divmod(month, 12) for month in range(27)]
MONTHS = [datetime.date(2021 + year, month + 1, 1) for year, month in _PERIOD]
# Per month, on the log scale: ten times as many posts in the last month as in the first.
GROWTH = 0.09
# By theme: share in the middle month, relative change from there to the last month.
SHARES = {
    "woman": (0.12, -0.75),
    "castle": (0.12, -0.75),
    "forest": (0.12, -0.75),
    "robot": (0.14, 1.0),
    "spaceship": (0.13, 1.0),
    "cat": (0.09, 0.0),
    "dragon": (0.08, 0.0),
    "ocean": (0.07, 0.0),
    "city": (0.07, 0.0),
    "flower": (0.06, 0.0),
}
VEILED = {"woman": 0.45, "dragon": 0.45}
VEILED_ELSEWHERE = 0.02
CARRIED = {  # what a post with photos carries: share of such posts
    "several": 0.13,
    "media_id": 0.025,
    "identical": 0.02,
    "reencoded": 0.025,
    "404": 0.02,
    "410": 0.006,
    "html": 0.005,
    "truncated": 0.005,
    "flaky503": 0.006,
    "slow": 0.003,
}
COPIES = ("media_id", "identical", "reencoded")
DEAD = ("404", "410", "html", "truncated")
OTHERS = {  # further posts, as a share of those with photos
    "deleted": 0.05,
    "protected": 0.022,
    "suspended": 0.022,
    "absent": 0.015,
    "video": 0.02,
    "animated_gif": 0.01,
    "text": 0.008,
    "retweet": 0.015,
}
FRAILTY_VARIANCE = 0.08


@dataclass
class Post:
    """A post while the world is made; `carries` is "photo", a key of CARRIED or a key of OTHERS."""

    created_at: datetime.datetime
    id: int
    author: int
    carries: str
    wanted: int = 1  # photos
    photos: list[int] = field(default_factory=list)  # rows of the photos
    quintile: int = 5
    text: str = ""
    tagged: bool = False
    sensitive: bool = False
    likes: int = 0


def month_counts(posts: int) -> list[int]:
    """Posts per month under exponential growth, rounded so that they add up."""
    weight = np.exp(GROWTH * np.arange(len(MONTHS)))
    ends = np.rint(np.cumsum(weight) / weight.sum() * posts).astype(int)
    return [int(count) for count in np.diff(ends, prepend=0)]


def theme_shares(month: int) -> NDArray[np.float64]:
    """Shares of the themes, in the order of THEMES, in a month counted from 0."""
    x = (month - 13) / 13
    shares = np.empty(len(THEMES))
    for row, theme in enumerate(THEMES):
        middle, change = SHARES[theme]
        shares[row] = middle * (1 + change * x)
    return np.asarray(shares / shares.sum())


def draw_themes(month: int, count: int, rng: Rng) -> list[str]:
    """Themes of the pictures of a month: systematic sampling, so that a month's shares differ little from its odds."""
    ends = np.cumsum(theme_shares(month))
    points = (np.arange(count) + rng.random()) / count
    # The last end may fall short of 1 by rounding.
    at = np.searchsorted(ends, points).clip(max=len(THEMES) - 1)
    return [THEMES[theme] for theme in rng.permutation(at)]


def draw_picture(theme: str, rng: Rng) -> Picture:
    """A picture of a post."""
    veiled = bool(rng.random() < VEILED.get(theme, VEILED_ELSEWHERE))
    return pictures.sample(rng, theme, veil=veiled)


# ------------------------------------------------------------------- authors


@dataclass(frozen=True)
class Authors:
    """Authors by row: id, followers, how often they post, and their frailty (gamma, mean 1)."""

    ids: list[str]
    followers: NDArray[np.int64]
    activity: NDArray[np.float64]
    frailty: NDArray[np.float64]

    def table(self, rng: Rng) -> pa.Table:
        """`users.parquet`."""
        start = datetime.datetime(2008, 1, 1, 0, 0, 7)
        days = rng.integers(0, 4700, len(self.ids)).tolist()
        since = [start + datetime.timedelta(days=day) for day in days]
        names = []
        for number in range(len(self.ids)):
            words = "_".join(rng.choice(NAMES, 2))
            names.append(f"{words}{number}")
        return pa.table(
            {
                "id": self.ids,
                "username": names,
                "followers_count": self.followers,
                "created_at": pa.array(since, pa.timestamp("ms")),
            }
        )


NAMES = (
    "pixel",
    "dream",
    "neural",
    "ink",
    "lumen",
    "echo",
    "paper",
    "nova",
    "loop",
    "velvet",
    "quiet",
    "salt",
)


def draw_authors(count: int, rng: Rng) -> Authors:
    """Authors with log-normal followers and activity; frailties average 1 among those with as many followers."""
    ids = rng.choice(2**40, count, replace=False) + 10_000_000
    log_followers = rng.normal(np.log(900), 1.9, count)
    followers = np.exp(log_followers).astype(np.int64)
    activity = np.exp(rng.normal(0, 0.7, count))
    frailty = rng.gamma(1 / FRAILTY_VARIANCE, FRAILTY_VARIANCE, count)
    few, many = followers < 500, followers > 5000
    # Otherwise the frailties of a small world would shift its follower ratios.
    for some in (few, ~few & ~many, many):
        if some.any():
            frailty[some] /= np.average(frailty[some], weights=activity[some])
    return Authors([str(number) for number in ids], followers, activity, frailty)


# --------------------------------------------------------------------- posts


def draw_posts(posts: int, authors: Authors, rng: Rng) -> list[Post]:
    """All posts of the world by time: `posts` with photos in the planted counts a month, and the others."""
    months = np.repeat(np.arange(len(MONTHS)), month_counts(posts)).tolist()
    made = [_post(month, "photo", authors, rng) for month in months]
    made.sort(key=lambda post: post.id)
    _share_out(made, CARRIED, rng)
    for post in made:
        if post.carries == "several":
            post.wanted = int(rng.choice([2, 3, 4], p=[0.6, 0.25, 0.15]))
    odds = np.array(month_counts(posts)) / posts
    for carries, share in OTHERS.items():
        count = max(1, round(share * posts))
        others = rng.choice(len(MONTHS), count, p=odds).tolist()
        made += [_post(month, carries, authors, rng) for month in others]
    return sorted(made, key=lambda post: (post.created_at, post.id))


def _post(month: int, carries: str, authors: Authors, rng: Rng) -> Post:
    start = MONTHS[month]
    seconds = calendar.monthrange(start.year, start.month)[1] * 86_400
    passed = datetime.timedelta(seconds=int(rng.integers(60, seconds)))
    moment = datetime.datetime.combine(start, datetime.time()) + passed
    odds = authors.activity / authors.activity.sum()
    author = int(rng.choice(len(authors.ids), p=odds))
    return Post(moment, snowflake.snowflake(moment, rng), author, carries)


def _share_out(posts: Sequence[Post], shares: Mapping[str, float], rng: Rng) -> None:
    """Let exact numbers of these posts carry each thing; copies are left out of the first fifth."""
    free = [int(at) for at in rng.permutation(len(posts))]
    for carries, share in shares.items():
        # A copy needs earlier posts to copy from.
        first = len(posts) // 5 if carries in COPIES else 0
        allowed = [at for at in free if at >= first]
        for at in allowed[: max(1, round(share * len(posts)))]:
            posts[at].carries = carries
            free.remove(at)
