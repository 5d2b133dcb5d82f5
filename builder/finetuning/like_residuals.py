"""Which images are liked, compared fairly, and how they are split for training; behind `twigma liked`.

A like count says first how many people saw a post: how many follow its author, and how long it has stood there. So
log(1 + likes) is regressed on followers and month, and what is left over is compared. One look-up serves all posts, so
the month of a post stands for its age as well.
"""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
SHARES = (
    0.8,
    0.9,
)  # of the images in order of time: where validation begins, and where test does


def select_liked(
    table: pa.Table, reasons: pa.ChunkedArray, quantile: float, per_author: int
) -> pa.ChunkedArray:
    """Add to `reasons` (null: still in) why an image is not among the liked: its likes, or its author's other images.

    Of the images still in, those at or above the `quantile` of `residual_likes` are liked; of one author's the
    `per_author` with the highest residual, ties going to the earlier image name.
    """
    found = np.array(reasons.to_pylist(), object)
    rows = np.flatnonzero(found == None)  # noqa: E711 - element by element
    if not len(rows):
        return reasons
    residual = residual_likes(table.take(pa.array(rows)))
    low = residual < np.quantile(residual, quantile)
    found[rows[low]] = (
        "likes not in the top of posts with as many followers in that month"
    )
    rows, residual = rows[~low], residual[~low]
    authors = _authors(table.take(pa.array(rows)))
    best = np.lexsort(
        (np.asarray(table["image_name"].take(pa.array(rows)), str), -residual)
    )
    found[rows[best[_rank_within(authors[best]) >= per_author]]] = (
        "over the number of images of one author"
    )
    return pa.chunked_array([pa.array(found, pa.string())])


def residual_likes(table: pa.Table) -> NDArray[np.float64]:
    """What log(1 + likes) has over the least-squares fit on log(1 + followers) and month, float64[n].

    The fit counts each post once. Unknown followers and unknown months are levels of their own, so rows that lack
    them are compared with each other.
    """
    likes = np.log1p(table["like_count"].to_numpy().astype(float))
    design = np.column_stack([_followers(table), _months(table)])
    first = np.unique(_posts(table), return_index=True)[1]
    weights, *_ = np.linalg.lstsq(design[first], likes[first], rcond=None)
    return np.asarray(likes - design @ weights)


def split(
    table: pa.Table, reasons: pa.ChunkedArray, seed: int
) -> tuple[list[str | None], pa.ChunkedArray]:
    """The split of every row that is in, and `reasons` with the rows that would tie two splits together taken out.

    Splits follow each other in time (80 %, 10 %, 10 % of the images), and an author's images are all in the split of
    the first of them: later ones are left out. Images without a time go by a keyed hash of their author.
    """
    found = np.array(reasons.to_pylist(), object)
    rows = np.flatnonzero(found == None)  # noqa: E711 - element by element
    picked = table.take(pa.array(rows))
    window = _windows(picked, seed)
    home: dict[str, int] = {}
    authors = _authors(picked)
    for author, at in zip(authors, window, strict=True):
        home[author] = min(at, home.get(author, at))
    which: list[str | None] = [None] * len(table)
    for row, author, at in zip(rows, authors, window, strict=True):
        if at == home[author]:
            which[row] = SPLITS[at]
        else:
            found[row] = "its author is in an earlier split"
    return which, pa.chunked_array([pa.array(found, pa.string())])


def _windows(table: pa.Table, seed: int) -> NDArray[np.int64]:
    """0, 1 or 2 for every image: by time where it has one, by its author otherwise."""
    times = table["created_at"].cast(pa.int64()).fill_null(-1).to_numpy()
    dated = times >= 0
    hashed = [
        hashlib.sha256(f"{seed}/{author}".encode()).digest()[:8]
        for author in _authors(table)
    ]
    position = np.array([int.from_bytes(digest, "big") / 2**64 for digest in hashed])
    window = np.searchsorted(SHARES, position, side="right")
    if dated.any():
        cuts = np.quantile(times[dated], SHARES, method="higher")
        window[dated] = np.searchsorted(cuts, times[dated], side="right")
    return window


def _authors(table: pa.Table) -> NDArray[np.str_]:
    """The author of every image; an unknown one is nobody else's."""
    unknown = pc.binary_join_element_wise(
        "post ", table["id"].fill_null(""), table["image_name"], ""
    )
    known = (
        table["author_id"]
        if "author_id" in table.column_names
        else pa.nulls(len(table), pa.string())
    )
    return np.asarray(pc.coalesce(known, unknown).to_numpy(zero_copy_only=False), str)


def _posts(table: pa.Table) -> NDArray[np.str_]:
    return np.asarray(
        pc.coalesce(table["id"], table["image_name"]).to_numpy(zero_copy_only=False),
        str,
    )


def _followers(table: pa.Table) -> NDArray[np.float64]:
    """log(1 + followers), 0 where unknown, and an indicator of where it is known; float64[n, 2]."""
    known = "follower_count" in table.column_names
    column = table["follower_count"] if known else pa.nulls(len(table), pa.int64())
    count: NDArray[np.float64] = column.cast(pa.float64()).to_numpy(
        zero_copy_only=False
    )
    return np.column_stack(
        [np.log1p(np.nan_to_num(count)), (~np.isnan(count)).astype(float)]
    )


def _months(table: pa.Table) -> NDArray[np.float64]:
    """One indicator a month, unknown being one of them; float64[n, months]."""
    month = np.asarray(
        pc.fill_null(pc.strftime(table["created_at"], format="%Y-%m"), "").to_pylist(),
        str,
    )
    indicators: NDArray[np.bool_] = np.equal(month[:, None], np.unique(month)[None, :])
    return indicators.astype(np.float64)


def _rank_within(groups: NDArray[np.str_]) -> NDArray[np.int64]:
    """How many earlier elements each element has in its own group."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], groups[order], side="left")
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - starts
    return rank
