"""Eq (1): likes against followers and similarity by Poisson regression, with honest intervals; for `twigma analyze`.

The likelihood of a Poisson regression on groups depends on the data through the sums of each group's cell, so the
805,650 rows are fitted as 15 cells. What the cells cannot give is the spread: likes vary far more than a Poisson,
and together within an author. The paper's intervals (`mode="paper"`) ignore both; `mode="robust"` sums the scores
of each author (the sandwich estimator) and reports the dispersion.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.likes.count_regression import (
    Array,
    Data,
    Floats,
    Mode,
    negative_binomial,
    poisson,
)

FOLLOWER_EDGES = (500, 5000)  # Eq (1): reference below 500; 500 to 5,000; above 5,000
FOLLOWERS_OF = (0, 500, 5001)  # a number of each of the three groups
FOLLOWERS = ("followers 500-5000", "followers > 5000")
QUINTILES = (
    "quintile 1",
    "quintile 2",
    "quintile 3",
    "quintile 4",
)  # reference 5, the most similar
WINSOR = 0.99
FEW_CLUSTERS = 30


def eq1(
    likes: Any,
    followers: Any,
    quintile: Any,
    authors: Any = None,
    posts: Any = None,
    *,
    weights: Any = None,
    mode: Mode = "robust",
) -> pd.DataFrame:
    """Incidence rate ratios of Eq (1), section 3.2: log E[likes] = b0 + followers + similarity quintile.

    Parameters
    ----------
    likes, followers : one count per image; rows where either is null are dropped and counted.
    quintile : 1 (least similar) to 5 (most, the reference), from `neighbours.quintiles`.
    authors : author of each image: the clusters of the robust standard error. A row without an author is a
        cluster of its own.
    posts : post of each image: the clusters when there are no authors (with a warning).
    weights : of each image in a sample (`weights.sample_weights`): the scores are weighted, and the clustered
        interval is then that of the design with clusters drawn with replacement, wider than one that knows the strata.
    mode : "paper", naive Poisson intervals; "robust", the same ratios with cluster-robust intervals.

    Returns
    -------
    DataFrame with columns term, irr, low, high, p, se, n, dispersion, mode, se_kind, clusters, dropped,
    weighted: a row per term. `se` is that of log irr, `low` and `high` are exp(log irr ± 1.96 se), `p` is two-sided
    against irr = 1, `dispersion` is Pearson's χ²/(n − terms), 1 for Poisson counts.
    """
    if mode not in ("paper", "robust"):
        raise ValueError(f"eq1: expected mode 'paper' or 'robust', found {mode!r}")
    data = _prepare(likes, followers, quintile, authors, posts, weights, mode=mode)
    return poisson(data, mode)


def eq1_sensitivity(  # noqa: PLR0917
    likes: Any,
    followers: Any,
    quintile: Any,
    authors: Any = None,
    posts: Any = None,
    months: Any = None,
    similarity: Any = None,
    covariates: Mapping[str, Any] | None = None,
    weights: Any = None,
) -> pd.DataFrame:
    """Eq (1) refitted under other assumptions, each with cluster-robust intervals; columns of `eq1` and `variant`.

    Variants: "eq1"; "winsorised" (likes cut at their 99% quantile); "nb2" (negative binomial, variance μ + αμ²,
    `dispersion` is α); "post" (the first image of each post, where `posts` is given); "months" (a dummy per month:
    one snapshot means older posts had longer to be liked); "similarity" (the standardised mean similarity in place
    of the quintiles); "covariates" (a dummy per level of each covariate, such as NSFW or cluster). A variant that
    the data cannot tell apart (all images of one month, say) is left out, with a warning.
    """
    args = (likes, followers, quintile, authors, posts, weights)
    data = _prepare(*args)
    variants: dict[str, Callable[[], pd.DataFrame]] = {
        "eq1": lambda: poisson(data, "robust"),
        "winsorised": lambda: poisson(
            replace(data, y=np.minimum(data.y, np.quantile(data.y, WINSOR))), "robust"
        ),
        "nb2": lambda: negative_binomial(data),
    }
    if posts is not None:
        first = ~pd.Series(posts).reset_index(drop=True).duplicated().to_numpy()
        variants["post"] = lambda: poisson(
            _prepare(*(_take(a, first) for a in args)), "robust"
        )
    if months is not None:
        variants["months"] = lambda: poisson(
            _prepare(*args, extra={"month": months}), "robust"
        )
    if covariates:
        variants["covariates"] = lambda: poisson(
            _prepare(*args, extra=covariates), "robust"
        )
    if similarity is not None:
        variants["similarity"] = lambda: poisson(
            _prepare(*args, similarity=similarity), "robust"
        )
    return pd.concat(_estimable(variants), ignore_index=True)


def _estimable(
    variants: Mapping[str, Callable[[], pd.DataFrame]],
) -> list[pd.DataFrame]:
    """The tables of those variants that can be estimated; Eq (1) itself has to be."""
    tables = []
    for name, fit in variants.items():
        try:
            tables.append(fit().assign(variant=name))
        except ValueError as error:
            if name == "eq1":
                raise
            warnings.warn(
                f"variant {name!r} of Eq (1) is left out: {error}", stacklevel=3
            )
    return tables


# ------------------------------------------------------------------ data


def _take(values: Any, keep: Array) -> Any:
    return None if values is None else pd.Series(values).reset_index(drop=True)[keep]


def _prepare(  # noqa: PLR0917
    likes: Any,
    followers: Any,
    quintile: Any,
    authors: Any,
    posts: Any,
    weights: Any,
    *,
    mode: str = "robust",
    extra: Mapping[str, Any] | None = None,
    similarity: Any = None,
) -> Data:
    """Drop incomplete rows, code the design's cells and the clusters; ValueError if Eq (1) cannot be estimated."""
    y, f, q = (_numbers(values) for values in (likes, followers, quintile))
    further = {
        f"extra {name}": pd.Series(v).reset_index(drop=True)
        for name, v in (extra or {}).items()
    }
    if similarity is not None:
        s = _numbers(similarity)
        further["s"] = pd.Series((s - np.nanmean(s)) / np.nanstd(s))
    keep = _complete(y, f, q, further)
    if not keep.all():
        y, f, q = y[keep], f[keep], q[keep]
        further = {
            name: values[keep].reset_index(drop=True)
            for name, values in further.items()
        }
    _check(y, q)
    weight = None if weights is None else np.asarray(weights, dtype=np.float64)[keep]
    cluster, clusters, se_kind = (np.zeros(0, np.int32), 0, "naive")
    if mode == "robust":
        cluster, clusters, se_kind = _clusters(authors, posts, keep)
    cell, cells = _cells(f, q, further)
    columns = _columns(cells)
    return Data(
        y=y,
        weight=None if weight is None else weight / weight.mean(),
        cell=cell,
        design=np.column_stack([np.ones(len(cells)), *columns.values()]),
        terms=("intercept", *columns),
        cluster=cluster,
        clusters=clusters,
        se_kind=se_kind,
        dropped=int(len(keep) - len(y)),
    )


def _numbers(values: Any) -> Array:
    """Whole numbers as they are, others as float with NaN where there is none."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        return values
    return pd.to_numeric(pd.Series(values)).to_numpy(dtype=float, na_value=np.nan)


def _complete(
    y: Floats, f: Array, q: Array, further: Mapping[str, "pd.Series[Any]"]
) -> npt.NDArray[np.bool_]:
    """Which rows have everything the regression needs."""
    known = not any(
        values.dtype.kind == "f" and np.isnan(values.sum()) for values in (y, f, q)
    )  # one NaN suffices
    keep: npt.NDArray[np.bool_] = (
        np.ones(len(y), bool) if known else ~np.isnan(y + f + q)
    )
    for values in further.values():
        keep &= values.notna().to_numpy()
    return keep


def _check(y: Floats, q: Array) -> None:
    if not len(y):
        raise ValueError(
            "eq1: no row has likes, followers and a quintile; hydrate the posts to get them"
        )
    if y.min() < 0 or np.isinf(y.max()):
        raise ValueError("eq1: expected likes of at least 0 and finite")
    if q.min() < 1 or q.max() > 5 or (q.astype(np.int8) != q).any():
        wrong = q[~((q >= 1) & (q <= 5) & (q % 1 == 0))]
        raise ValueError(
            f"eq1: expected quintiles 1 to 5, found {sorted(set(wrong.tolist()))[:5]}"
        )


def _cells(
    f: Array, q: Array, further: Mapping[str, "pd.Series[Any]"]
) -> tuple[Array, pd.DataFrame]:
    """The cell of each row, where rows of one cell share every term; and the cells: f, q and what is further."""
    group = (f >= FOLLOWER_EDGES[0]).view(np.int8) + (f > FOLLOWER_EDGES[1]).view(
        np.int8
    )
    by_quintile = "s" not in further
    cell: Array = 5 * group + q.astype(np.int8) - np.int8(1) if by_quintile else group
    for values in further.values():
        codes, levels = pd.factorize(values)
        cell = pd.factorize(cell.astype(np.int64) * len(levels) + codes)[0]
    used = np.flatnonzero(_seen(cell))
    if len(used) <= used[-1]:
        cell = np.searchsorted(used, cell)
    if not further:  # what a cell is stands in its number
        return cell, pd.DataFrame(
            {"f": np.array(FOLLOWERS_OF)[used // 5], "q": used % 5 + 1}
        )
    first = np.zeros(len(used), dtype=np.int64)
    first[cell[::-1]] = np.arange(len(cell))[::-1]
    rows = {"f": f[first], "q": q[first]} | {
        name: values.to_numpy()[first] for name, values in further.items()
    }
    return cell, pd.DataFrame(rows)


def _columns(cells: pd.DataFrame) -> dict[str, Floats]:
    """The terms but the intercept, as columns of the design, from one row of each cell."""
    low, high = FOLLOWER_EDGES
    columns: dict[str, pd.Series] = {
        FOLLOWERS[0]: cells["f"].between(low, high),
        FOLLOWERS[1]: cells["f"] > high,
    }
    if "s" in cells:
        columns["similarity (per sd)"] = cells["s"]
    else:
        columns |= {name: cells["q"] == i for i, name in enumerate(QUINTILES, 1)}
    for name in cells.columns[cells.columns.str.startswith("extra ")]:
        levels = sorted(cells[name].unique())
        columns |= {
            f"{name.removeprefix('extra ')} {level}": cells[name] == level
            for level in levels[1:]
        }
    return {name: values.to_numpy(float) for name, values in columns.items()}


def _clusters(
    authors: Any, posts: Any, keep: Array
) -> tuple[npt.NDArray[np.int32], int, str]:
    """Cluster codes of the kept rows, how many clusters, and the name of the standard error they give."""
    if authors is not None and not _all_null(authors):
        labels, kind = authors, "author-clustered"
    elif posts is not None:
        labels, kind = posts, "post-clustered"
    else:
        labels, kind = np.arange(len(keep)), "heteroskedastic"
    if kind != "author-clustered":
        warnings.warn(
            f"eq1: no author ids, so intervals are {kind} and may be too narrow",
            stacklevel=4,
        )
    codes = _codes(labels)
    codes = codes if keep.all() else codes[keep]
    alone = codes < 0
    if alone.any():
        codes[alone] = codes.max() + 1 + np.arange(alone.sum())
    count = int(np.count_nonzero(_seen(codes)))
    if count < 2:
        raise ValueError(
            f"eq1: a clustered standard error needs at least 2 clusters, found {count}; use mode='paper'"
        )
    if count < FEW_CLUSTERS:
        warnings.warn(
            f"eq1: only {count} clusters, so intervals may be too narrow", stacklevel=4
        )
    return codes, count, kind


def _seen(codes: Array) -> npt.NDArray[np.bool_]:
    """Which numbers from 0 to the largest are among the codes."""
    return np.bincount(codes) > 0


def _all_null(labels: Any) -> bool:
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu":
        return False
    return not pd.Series(labels).notna().any()


def _codes(labels: Any) -> npt.NDArray[np.int32]:
    """A number from 0 for each label, -1 where it is null; whole numbers that lie close together are their own."""
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and len(labels):
        low, high = int(labels.min()), int(labels.max())
        if high - low < 2 * len(labels):
            return np.subtract(labels, low, dtype=np.int32, casting="unsafe")
    return pd.factorize(pd.Series(labels).reset_index(drop=True))[0].astype(np.int32)
