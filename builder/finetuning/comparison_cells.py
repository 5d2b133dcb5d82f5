"""Cells of images to compare: posts with about as many followers, at about the same time.

A like count depends first on how many people saw a post: how many follow its author, and how long it has been up. All
posts were looked up at about one time, so the time of a post also measures its age. Within a cell both are nearly
equal; where the best share of *every* cell is chosen, the share is level over followers and time by construction.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def comparison_cells(
    followers: NDArray[np.float64], times: NDArray[np.float64], smallest: int
) -> NDArray[np.int64]:
    """The cell of every image, numbered so that neighbours have neighbouring numbers: int64[n].

    Images are halved by followers or by time, whichever they spread over more, until a half would have fewer than
    `smallest`. Unknown followers and unknown times are strata of their own.

    Parameters
    ----------
    followers : float64[n], NaN where unknown.
    times : float64[n], any unit, NaN where unknown.
    smallest : fewest images of a cell, but where a stratum has fewer altogether.
    """
    cells = np.empty(len(followers), np.int64)
    number = 0
    for stratum in _strata(followers, times):
        axes = [_mid_ranks(followers[stratum]), _mid_ranks(times[stratum])]
        for cell in _halve(np.arange(len(stratum)), axes, smallest):
            cells[stratum[cell]] = number
            number += 1
    return cells


def name_peers(
    followers: bool, dates: bool, when: str = "at about the same time"
) -> str:
    """What an image is compared with, where any followers and any dates are known, or not.

    >>> name_peers(True, True), name_peers(False, True), name_peers(False, False)
    ('posts with as many followers at about the same time', 'posts at about the same time', 'all others')
    """
    if not followers and not dates:
        return "all others"
    words = ["posts"]
    if followers:
        words.append("with as many followers")
    if dates:
        words.append(when)
    return " ".join(words)


def _strata(
    followers: NDArray[np.float64], times: NDArray[np.float64]
) -> list[NDArray[np.int64]]:
    """Rows by whether followers and time are known; those without any row are left out."""
    code = 2 * np.isnan(followers) + np.isnan(times)
    return [np.flatnonzero(code == each) for each in np.unique(code)]


def _halve(
    rows: NDArray[np.int64], axes: Sequence[NDArray[np.float64]], smallest: int
) -> list[NDArray[np.int64]]:
    if len(rows) < 2 * smallest:
        return [rows]
    spans = [np.ptp(axis[rows]) for axis in axes]
    widest = axes[int(np.argmax(spans))]
    rows = rows[np.argsort(widest[rows], kind="stable")]
    middle = len(rows) // 2
    lower = _halve(rows[:middle], axes, smallest)
    return lower + _halve(rows[middle:], axes, smallest)


def _mid_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of every value, equal values sharing the middle of theirs, as a share of n: float64[n].

    >>> _mid_ranks(np.array([10.0, 30.0, 10.0, 20.0]))
    array([0.25 , 0.875, 0.25 , 0.625])
    """
    _, level, counts = np.unique(
        values, return_inverse=True, return_counts=True, equal_nan=True
    )
    middle = np.cumsum(counts) - counts / 2
    return np.asarray(middle[level] / max(1, len(values)))
