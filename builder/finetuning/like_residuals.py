"""Which images are liked, compared fairly, and how they are split for training; behind `twigma liked`.

A like count depends first on how many people saw a post: how many follow its author, and how long it has been up. So
log(1 + likes) is regressed on followers and month, and the residuals are compared. All posts were looked up at about
one time, so the month of a post also measures its age.
"""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
SHARES = (0.8, 0.9)  # of the images in order of time: validation and test begin here
UNPOPULAR = "likes not in the top of posts with as many followers in that month"
TOO_MANY = "over the number of images of one author"
LATER_SPLIT = "its author is in an earlier split"


def select_liked(
    table: pa.Table, reasons: pa.ChunkedArray, quantile: float, per_author: int
) -> pa.ChunkedArray:
    """Add to `reasons` why an image is not among the liked: its likes, or its author's other images.

    Parameters
    ----------
    table : n rows with like_count, follower_count, created_at, id, image_name, author_id.
    reasons : string[n], null for the images still in.
    quantile : of the residual likes of the images still in, at or above which an image is liked.
    per_author : most images of one author; those with the highest residual, ties going to the earlier image name.
    """
    result = np.array(reasons.to_pylist(), object)
    rows = _null_rows(result)
    if not len(rows):
        return reasons
    residual = residual_likes(table.take(pa.array(rows)))
    low = residual < np.quantile(residual, quantile)
    result[rows[low]] = UNPOPULAR
    rows, residual = rows[~low], residual[~low]
    liked = table.take(pa.array(rows))
    names = np.asarray(liked["image_name"], str)
    best_first = np.lexsort((names, -residual))
    rank = _rank_within(_authors(liked)[best_first])
    result[rows[best_first[rank >= per_author]]] = TOO_MANY
    return pa.chunked_array([pa.array(result, pa.string())])


def _null_rows(values: NDArray[np.object_]) -> NDArray[np.int64]:
    return np.flatnonzero(values == None)  # noqa: E711 - element by element


def residual_likes(table: pa.Table) -> NDArray[np.float64]:
    """Residuals of the least-squares fit of log(1 + likes) on log(1 + followers) and month, float64[n].

    The fit counts each post once. Unknown followers and unknown months are levels of their own, so such rows are
    compared with each other.
    """
    likes = np.log1p(table["like_count"].to_numpy().astype(float))
    design = np.column_stack([_followers(table), _months(table)])
    _, first = np.unique(_posts(table), return_index=True)
    coefficients, *_ = np.linalg.lstsq(design[first], likes[first], rcond=None)
    return np.asarray(likes - design @ coefficients)


def split(
    table: pa.Table, reasons: pa.ChunkedArray, seed: int
) -> tuple[list[str | None], pa.ChunkedArray]:
    """The split of every row that is in, and `reasons` with the rows that would tie two splits together taken out.

    Splits follow each other in time (80 %, 10 %, 10 % of the images), and an author's images are all in the split of
    the first of them: later ones are left out. Images without a time go by a keyed hash of their author.
    """
    result = np.array(reasons.to_pylist(), object)
    rows = _null_rows(result)
    selected = table.take(pa.array(rows))
    windows = _windows(selected, seed)
    authors = _authors(selected)
    first_window: dict[str, int] = {}
    for author, window in zip(authors, windows, strict=True):
        first_window[author] = min(window, first_window.get(author, window))
    which: list[str | None] = [None] * len(table)
    for row, author, window in zip(rows, authors, windows, strict=True):
        if window == first_window[author]:
            which[row] = SPLITS[window]
        else:
            result[row] = LATER_SPLIT
    return which, pa.chunked_array([pa.array(result, pa.string())])


def _windows(table: pa.Table, seed: int) -> NDArray[np.int64]:
    """0, 1 or 2 for every image: by time where it has one, by its author otherwise."""
    times = table["created_at"].cast(pa.int64()).fill_null(-1).to_numpy()
    dated = times >= 0
    positions = [_hash_position(f"{seed}/{author}") for author in _authors(table)]
    window = np.searchsorted(SHARES, positions, side="right")
    if dated.any():
        cuts = np.quantile(times[dated], SHARES, method="higher")
        window[dated] = np.searchsorted(cuts, times[dated], side="right")
    return window


def _hash_position(key: str) -> float:
    """A number from 0 to 1 that depends on the key alone."""
    digest = hashlib.sha256(key.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _authors(table: pa.Table) -> NDArray[np.str_]:
    """The author of every image; where it is unknown, a name that no other image has."""
    own_name = pc.binary_join_element_wise(
        "post ", table["id"].fill_null(""), table["image_name"], ""
    )
    if "author_id" not in table.column_names:
        return _strings(own_name)
    return _strings(pc.coalesce(table["author_id"], own_name))


def _posts(table: pa.Table) -> NDArray[np.str_]:
    """The post of every image; an image on no post is one of its own."""
    return _strings(pc.coalesce(table["id"], table["image_name"]))


def _strings(values: pa.ChunkedArray) -> NDArray[np.str_]:
    return np.asarray(values.to_numpy(zero_copy_only=False), str)


def _followers(table: pa.Table) -> NDArray[np.float64]:
    """log(1 + followers), 0 where unknown, and an indicator of where it is known; float64[n, 2]."""
    if "follower_count" not in table.column_names:
        return np.zeros((len(table), 2))
    column = table["follower_count"].cast(pa.float64())
    count: NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
    known = (~np.isnan(count)).astype(float)
    return np.column_stack([np.log1p(np.nan_to_num(count)), known])


def _months(table: pa.Table) -> NDArray[np.float64]:
    """One indicator a month, unknown being one of them; float64[n, months]."""
    text = pc.strftime(table["created_at"], format="%Y-%m")
    month = np.asarray(pc.fill_null(text, "").to_pylist(), str)
    months = np.unique(month)
    indicators: NDArray[np.bool_] = np.equal(month[:, None], months[None, :])
    return indicators.astype(np.float64)


def _rank_within(groups: NDArray[np.str_]) -> NDArray[np.int64]:
    """How many earlier elements each element has in its own group."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], groups[order], side="left")
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - starts
    return rank
