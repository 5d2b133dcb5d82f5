"""The likes of the demo world: drawn from the paper's Eq (1) with known rate ratios and author frailty.

`demo/world/build.py` draws them; the report recovers them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twigma.demo.drawing.scenery import Rng
from twigma.demo.world.posts import Authors, Post

# The paper's rate ratios for ArtBench; quintile 1 is the least similar.
QUINTILE_IRR = (1.19, 1.12, 0.992, 1.02, 1.0)
FOLLOWER_IRR = (1.0, 1.5, 2.6)  # under 500, 500 to 5,000, over 5,000 followers
MEAN_LIKES = 30.0
NEIGHBOURS = 5


def similarity(
    images: NDArray[np.float16], references: NDArray[np.float16]
) -> NDArray[np.float64]:
    """Mean cosine similarity to the five nearest references, by brute force: float64[n] (paper, Fig 2d)."""
    cosine = images.astype(np.float32) @ references.astype(np.float32).T
    nearest = np.sort(cosine, axis=1)[:, -NEIGHBOURS:]
    return np.asarray(nearest.mean(axis=1, dtype=np.float64))


def quintiles(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Fifths by rank, 1 (smallest) to 5."""
    order = np.argsort(values, kind="stable")
    rank = np.argsort(order, kind="stable")
    return rank * 5 // max(1, len(values)) + 1


def bracket(followers: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, 2 for under 500, 500 to 5,000, over 5,000 followers."""
    return (followers >= 500).astype(np.int64) + (followers > 5000)


def draw_likes(posts: Sequence[Post], authors: Authors, rng: Rng) -> None:
    """Set the likes of every post: Poisson with rate base x follower ratio x quintile ratio x author frailty."""
    author = np.array([post.author for post in posts])
    quintile = np.array([post.quintile for post in posts])
    by_followers = np.array(FOLLOWER_IRR)[bracket(authors.followers[author])]
    by_quintile = np.array(QUINTILE_IRR)[quintile - 1]
    rate = by_followers * by_quintile * authors.frailty[author]
    likes = rng.poisson(rate / rate.mean() * MEAN_LIKES)
    for post, count in zip(posts, likes.tolist(), strict=True):
        # X counts the likes of a retweet at the post that it repeats.
        post.likes = 0 if post.carries == "retweet" else count
