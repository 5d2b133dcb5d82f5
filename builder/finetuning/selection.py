"""Which images are liked: the best share of every comparison cell, at most so many of an author.

`share_table.py` measures what was chosen.
"""

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twigma.builder.finetuning.comparison_cells import (
    comparison_cells,
    name_peers,
)
from twigma.builder.finetuning.like_residuals import (
    follower_percentiles,
    residual_likes,
)
from twigma.builder.finetuning.row_keys import (
    author_numbers,
    exclude,
    follower_counts,
    images_at,
    included_rows,
    post_times,
    tie_breakers,
)

CHOSEN_PER_CELL = 5  # a cell is as large as it takes to choose this many
# Of the quantile: an image of a lower percentile replaces none, though the share is not reached then.
LOWEST = 0.5
NO_LIKES = "no likes"
TOO_MANY = "over the number of images of one author"


def select_liked(
    table: pa.Table,
    reasons: pa.ChunkedArray,
    quantile: float,
    per_author: int,
    seed: int,
) -> pa.ChunkedArray:
    """Add to `reasons` why an image is not among the liked: its likes, or its author's other images.

    Of every cell of images with about as many followers at about the same time, the share 1 - `quantile` is chosen: the
    highest likes relative to followers and month. An image without likes counts in its cell, and is never chosen. An
    image over the number of its author is replaced by the next of its cell, down to half the quantile.

    Parameters
    ----------
    table : n rows with like_count, follower_count, created_at, id, image_name, author_id.
    reasons : string[n], null for the images still in.
    quantile : share of a cell that is not chosen.
    per_author : most images of one author; those with the highest percentile.
    seed : decides between equal percentiles.
    """
    rows = included_rows(reasons)
    if not len(rows):
        return reasons
    # In an order of the images themselves: which of equals is chosen does not depend on the table.
    rows = rows[np.argsort(tie_breakers(images_at(table, rows), seed))]
    candidates = images_at(table, rows)
    share = 1 - quantile
    followers = follower_counts(candidates)
    enough = math.ceil(CHOSEN_PER_CELL / share)
    times = post_times(candidates)
    cells = comparison_cells(followers, times, enough)
    residuals = residual_likes(candidates)
    percentiles = follower_percentiles(residuals, followers, enough)
    best_first = np.argsort(-percentiles, kind="stable")
    has_likes = candidates["like_count"].to_numpy() > 0
    eligible = has_likes & (percentiles >= quantile * LOWEST)
    ranking = Ranking(cells, best_first, eligible, author_numbers(candidates))
    chosen, over = choose(ranking, share, per_author)
    rest = ~chosen & ~over
    reasons = exclude(reasons, rows[rest & has_likes], _unpopular(followers, times))
    reasons = exclude(reasons, rows[rest & ~has_likes], NO_LIKES)
    return exclude(reasons, rows[over], TOO_MANY)


def _unpopular(followers: NDArray[np.float64], times: NDArray[np.float64]) -> str:
    """Why an image is left out whose likes are too few, by what they were compared among."""
    has_followers = bool(np.isfinite(followers).any())
    has_dates = bool(np.isfinite(times).any())
    peers = name_peers(has_followers, has_dates, "at that time")
    return f"likes not in the top of {peers}"


@dataclass(frozen=True)
class Ranking:
    """Cell and author of each of n images (numbers from 0), whether it may be chosen, and all rows best first."""

    cells: NDArray[np.int64]
    best_first: NDArray[np.int64]
    eligible: NDArray[np.bool_]
    authors: NDArray[np.int64]


def choose(
    ranking: Ranking, share: float, per_author: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The chosen images, and those that `per_author` alone kept from being chosen; bool[n] each.

    The eligible images of a cell are taken, best first, until the share of all its images is reached.
    """
    cells, authors = ranking.cells, ranking.authors
    quotas = cell_quotas(np.bincount(cells), share)
    over = np.zeros(len(cells), bool)
    while True:
        is_open = ranking.eligible & ~over
        open_rows = ranking.best_first[is_open[ranking.best_first]]
        place = _rank_within(cells[open_rows])
        chosen_rows = open_rows[place < quotas[cells[open_rows]]]
        surplus = chosen_rows[_rank_within(authors[chosen_rows]) >= per_author]
        if not len(surplus):
            break
        over[surplus] = True
    chosen = np.zeros(len(cells), bool)
    chosen[chosen_rows] = True
    return chosen, over


def cell_quotas(sizes: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """How many images to choose of each cell; what rounding takes from one cell its neighbour gets.

    >>> cell_quotas(np.array([54, 54, 54]), 0.1)
    array([5, 6, 5])
    """
    ends = np.floor(np.cumsum(sizes) * share + 0.5).astype(np.int64)
    quotas: NDArray[np.int64] = np.diff(ends, prepend=0)
    return quotas


def _rank_within(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many earlier elements each element has in its own group."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], groups[order], side="left")
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - starts
    return rank
