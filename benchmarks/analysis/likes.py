"""Eq (1), likes on followers and similarity: `twigma analyze`'s fit against statsmodels on every image.

Goal: at least 100 times statsmodels with naive intervals, 80 times with clustered ones, coefficients equal to 1e-8.
Run: `python -m benchmarks.analysis.likes`.
"""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import statsmodels.api as sm

from benchmarks.harness.interleaved import versus
from twigma.analysis.likes.count_regression import Mode
from twigma.analysis.likes.eq1 import eq1

ROWS, AUTHORS = 805_650, 80_000
RATES = np.log([1.19, 1.12, 0.992, 1.02, 1.0])  # of the quintiles, as in the paper

Floats = npt.NDArray[np.float64]


def world() -> tuple[Any, Any, Any, Any]:
    """Likes, followers, quintile and author of each image; likes vary more than a Poisson, together in an author."""
    rng = np.random.default_rng(0)
    author = rng.integers(AUTHORS, size=ROWS)
    followers = np.exp(rng.normal(6.5, 2, size=AUTHORS)).astype(int)[author]
    quintile = rng.integers(1, 6, size=ROWS)
    eta = (
        2.5 + RATES[quintile - 1] + 0.3 * (followers >= 500) + 0.4 * (followers > 5000)
    )
    return (
        rng.poisson(np.exp(eta) * rng.gamma(1, 1, size=AUTHORS)[author]),
        followers,
        quintile,
        author,
    )


def main() -> None:
    """Print the rows: naive intervals (the paper's) and clustered ones."""
    likes, followers, quintile, author = world()

    def peer(mode: Mode) -> tuple[Floats, Floats]:
        groups = [(followers >= 500) & (followers <= 5000), followers > 5000]
        design = np.column_stack(
            [np.ones(ROWS), *groups, *(quintile == q for q in (1, 2, 3, 4))]
        ).astype(float)
        clustered = {
            "cov_type": "cluster",
            "cov_kwds": {"groups": author, "use_correction": False},
        }
        fit = sm.GLM(likes, design, family=sm.families.Poisson()).fit(
            **(clustered if mode == "robust" else {})
        )
        return fit.params, fit.bse

    def difference(ours: pd.DataFrame, theirs: tuple[Floats, Floats]) -> str:
        coefficients = np.abs(np.log(ours["irr"]) - theirs[0]).max()
        return f"largest difference {coefficients:.0e} (se {np.abs(ours['se'] - theirs[1]).max():.0e})"

    names: dict[Mode, str] = {"paper": "naive", "robust": "clustered"}
    for mode, name in names.items():
        versus(
            f"Eq (1), {ROWS:,} images, {name} | statsmodels",
            functools.partial(
                eq1,
                likes=likes,
                followers=followers,
                quintile=quintile,
                cluster=author,
                mode=mode,
            ),
            functools.partial(peer, mode),
            quality=difference,
        )


if __name__ == "__main__":
    main()
