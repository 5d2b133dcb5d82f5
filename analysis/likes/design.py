"""The design of Eq (1): complete rows, the cell of each, the terms of each cell, and the clusters of the rows."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Array, Floats, as_column
from twigma.analysis.inference.blocks import FEW
from twigma.analysis.inference.intervals import block_codes
from twigma.analysis.likes.count_regression import Data
from twigma.core.safety.failures import DataError

LOW, HIGH = (
    500,
    5000,
)  # Eq (1): reference below 500 followers; 500 to 5,000; above 5,000
FOLLOWERS_OF = (0, 500, 5001)  # a number of each of the three groups
FOLLOWERS = ("followers 500-5000", "followers > 5000")
# Reference 5, the most similar.
QUINTILES = ("quintile 1", "quintile 2", "quintile 3", "quintile 4")
SIMILARITY = "similarity (per sd)"
AGE = "log(1 + days since posting)"
EXTRA = "extra "  # begins the name of a covariate's column among the cells

Series = Mapping[str, "pd.Series[Any]"]


@dataclass(frozen=True)
class Columns:
    """What Eq (1) regresses, one value an image, [n] each; None where there is none."""

    likes: Any
    followers: Any
    quintile: Any
    cluster: Any = None
    posts: Any = None
    weights: Any = None

    def take(self, rows: npt.NDArray[np.bool_]) -> "Columns":
        """The rows [m] where a mask, bool [n], is true."""
        taken = {}
        for name, values in vars(self).items():
            taken[name] = None if values is None else as_column(values)[rows]
        return Columns(**taken)


def prepare(
    columns: Columns,
    *,
    mode: str = "robust",
    covariates: Mapping[str, Any] | None = None,
    similarity: Any = None,
    age: Any = None,
) -> Data:
    """Drop incomplete rows, code the design's cells and the clusters.

    Parameters
    ----------
    covariates : labels [n] by name, a dummy per level. similarity : float [n], in place of the quintiles.
    age : days [n] from the post to its look-up, of which the logarithm is a term.

    Returns
    -------
    Data. ValueError if Eq (1) cannot be estimated.
    """
    y = _numbers(columns.likes)
    f = _numbers(columns.followers)
    q = _numbers(columns.quintile)
    further: dict[str, pd.Series[Any]] = {}
    for name, values in (covariates or {}).items():
        further[EXTRA + name] = pd.Series(values).reset_index(drop=True)
    if similarity is not None:
        s = _numbers(similarity)
        further["s"] = pd.Series((s - np.nanmean(s)) / np.nanstd(s))
    if age is not None:
        # By whole days, so that images share cells.
        further["age"] = pd.Series(np.floor(_numbers(age)))
    complete = _complete(y, f, q, further)
    if not complete.all():
        y, f, q = y[complete], f[complete], q[complete]
        for name, values in further.items():
            further[name] = values[complete].reset_index(drop=True)
    _check(y, q)
    weight = None
    if columns.weights is not None:
        weight = np.asarray(as_column(columns.weights), dtype=np.float64)[complete]
        weight = weight / weight.mean()
    cluster, count, se_kind = np.zeros(0, np.int32), 0, "naive"
    if mode == "robust":
        cluster, count, se_kind = cluster_codes(columns, complete)
    cell, cells = _cells(f, q, further)
    terms = _terms(cells)
    return Data(
        y=y,
        weight=weight,
        cell=cell,
        design=np.column_stack([np.ones(len(cells)), *terms.values()]),
        terms=("intercept", *terms),
        cluster=cluster,
        clusters=count,
        se_kind=se_kind,
        dropped=len(complete) - len(y),
    )


def _numbers(values: Any) -> Array:
    """Integers as they are, others as float with NaN where there is none."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        return values
    numbers = pd.to_numeric(pd.Series(values))
    return numbers.to_numpy(dtype=float, na_value=np.nan)


def _complete(y: Array, f: Array, q: Array, further: Series) -> npt.NDArray[np.bool_]:
    """Which rows have everything the regression needs, [n]."""
    complete = np.ones(len(y), bool)
    if any(_has_nan(values) for values in (y, f, q)):
        complete = ~np.isnan(y + f + q)
    for values in further.values():
        complete &= values.notna().to_numpy()
    return complete


def _has_nan(values: Array) -> bool:
    """By the sum, of which one NaN makes a NaN: no array as long as the data."""
    return values.dtype.kind == "f" and bool(np.isnan(values.sum()))


def _check(y: Array, q: Array) -> None:
    if not len(y):
        raise DataError(
            "eq1: no row has likes, followers and a quintile; hydrate the posts to get them"
        )
    if y.min() < 0 or np.isinf(y.max()):
        raise DataError("eq1: expected likes of at least 0 and finite")
    if q.min() < 1 or q.max() > 5 or (q.astype(np.int8) != q).any():
        right = (q >= 1) & (q <= 5) & (q % 1 == 0)
        wrong = sorted(set(q[~right].tolist()))
        raise DataError(f"eq1: expected quintiles 1 to 5, found {wrong[:5]}")


def _cells(f: Array, q: Array, further: Series) -> tuple[Array, pd.DataFrame]:
    """The cell of each row, [n], where rows of one cell share every term; and the cells: f, q and what is further."""
    # Bytes, since arrays of 800,000 numbers are what this costs.
    group = (f >= LOW).view(np.int8) + (f > HIGH).view(np.int8)
    cell: Array = group
    if "s" not in further:
        cell = 5 * group + q.astype(np.int8) - np.int8(1)
    for values in further.values():
        codes, levels = pd.factorize(values)
        cell = pd.factorize(cell.astype(np.int64) * len(levels) + codes)[0]
    used = np.flatnonzero(_used(cell))
    if len(used) <= used[-1]:
        cell = np.searchsorted(used, cell)
    if not further:  # the number of a cell says which it is
        followers = np.array(FOLLOWERS_OF)[used // 5]
        return cell, pd.DataFrame({"f": followers, "q": used % 5 + 1})
    # The first row of each cell is its representative: backwards, the first one is written last.
    first = np.zeros(len(used), dtype=np.int64)
    first[cell[::-1]] = np.arange(len(cell))[::-1]
    rows: dict[str, Any] = {"f": f[first], "q": q[first]}
    for name, values in further.items():
        rows[name] = values.to_numpy()[first]
    return cell, pd.DataFrame(rows)


def _terms(cells: pd.DataFrame) -> dict[str, Floats]:
    """The terms but the intercept, as columns of the design [cells], from one row of each cell."""
    columns: dict[str, pd.Series[Any]] = {
        FOLLOWERS[0]: cells["f"].between(LOW, HIGH),
        FOLLOWERS[1]: cells["f"] > HIGH,
    }
    if "s" in cells:
        columns[SIMILARITY] = cells["s"]
    else:
        for number, name in enumerate(QUINTILES, 1):
            columns[name] = cells["q"] == number
    if "age" in cells:
        columns[AGE] = np.log1p(cells["age"].clip(lower=0))
    for name in cells.columns[cells.columns.str.startswith(EXTRA)]:
        levels = sorted(cells[name].unique())
        for level in levels[1:]:  # the first is the reference
            columns[f"{name.removeprefix(EXTRA)} {level}"] = cells[name] == level
    return {name: values.to_numpy(float) for name, values in columns.items()}


def cluster_codes(
    columns: Columns, complete: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int32], int, str]:
    """Cluster codes [m] of the complete rows, how many clusters, and the name of the standard error they give.

    Parameters
    ----------
    complete : bool [n], m of them true.
    """
    labels, kind = np.arange(len(complete)), "heteroskedastic"
    if has_labels(columns.cluster):
        labels, kind = columns.cluster, "author-clustered"
    elif has_labels(columns.posts):
        labels, kind = columns.posts, "post-clustered"
    if kind != "author-clustered":
        warnings.warn(
            f"eq1: no author ids, so intervals are {kind} and may be too narrow",
            stacklevel=4,
        )
    codes = block_codes(labels).astype(np.int32)
    if not complete.all():
        codes = codes[complete]
    count = int(np.count_nonzero(_used(codes)))
    if count < 2:
        raise DataError(
            f"eq1: a clustered standard error needs at least 2 clusters, found {count}: add images by "
            "other authors"
        )
    if count < FEW:
        warnings.warn(
            f"eq1: only {count} clusters, so intervals may be too narrow", stacklevel=4
        )
    return codes, count, kind


def _used(codes: Array) -> npt.NDArray[np.bool_]:
    """Which numbers from 0 to the largest are among the codes."""
    return np.bincount(codes) > 0


def is_first_of_each(labels: Any) -> npt.NDArray[np.bool_]:
    """Whether each row is the first of its author or post, [n]; a row without one is one of its own."""
    series = pd.Series(labels)
    return np.asarray(series.isna() | ~series.duplicated())


def has_labels(labels: Any) -> bool:
    """Whether labels, [n] or None, name the author or post of any row."""
    if labels is None:
        return False
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu":
        return True
    return bool(pd.Series(labels).notna().any())
