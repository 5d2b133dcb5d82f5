"""Do NSFW images get more likes? Their rate ratio, with followers, topic, month and author held the same.

NSFW images are of other topics, months and authors than the rest, and each of these moves likes. So the ratio is
given with less and with more of them adjusted for, each by Poisson regression with the cluster jackknife over authors,
for `twigma analyze`.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from twigma.analysis.convert import Array, Floats, aligned, as_column
from twigma.analysis.likes.count_regression import Data, poisson
from twigma.analysis.likes.design import (
    FOLLOWERS,
    HIGH,
    LOW,
    Columns,
    cluster_codes,
)
from twigma.analysis.likes.within_author import BY_AUTHOR, within_author
from twigma.core.safety.failures import DataError
from twigma.core.values import plural

TERM = "nsfw"
NOTHING, WITHIN = "nothing", "author"
UNDER = f"< {LOW}"


def nsfw_likes(
    likes: Any,
    nsfw: Any,
    *,
    followers: Any = None,
    topics: Any = None,
    months: Any = None,
    cluster: Any = None,
    posts: Any = None,
    weights: Any = None,
) -> pd.DataFrame:
    """The rate ratio of likes of NSFW images against others, adjusted for nothing, then for ever more.

    Parameters
    ----------
    likes : counts [n]; rows where any of the columns below is null are left out, so that all ratios are of the same.
    nsfw : bool [n].
    followers : counts [n], in the three groups of Eq (1). topics, months : labels [n], a dummy for each.
    cluster, posts, weights : as in `eq1.eq1`.

    Returns
    -------
    DataFrame, a row for each adjustment that the data allows: the columns of `eq1.eq1` and `adjusted`, what is held
    the same: "nothing", "followers", "followers, topic, month" and "author, topic, month" (fixed effects). ValueError
    where the unadjusted ratio is not estimable, as where all images are NSFW, or none is.
    """
    given = aligned(
        "nsfw_likes",
        likes=likes,
        nsfw=nsfw,
        followers=followers,
        topics=topics,
        months=months,
        cluster=cluster,
        posts=posts,
        weights=weights,
    )
    labels = _labels(given)
    complete = labels.notna().all(axis=1).to_numpy()
    complete &= pd.Series(given["likes"]).notna().to_numpy()
    if not complete.any():
        raise DataError(
            "nsfw_likes: no row has likes, a score and all that is adjusted for"
        )
    _check_both_kinds(labels[TERM][complete])
    columns = Columns(
        likes=given["likes"],
        followers=None,
        quintile=None,
        cluster=given["cluster"],
        posts=given["posts"],
        weights=given["weights"],
    )
    clusters = cluster_codes(columns, complete)
    tables = []
    for adjusted, names in _adjustments(labels).items():
        data = _data(columns, complete, labels[[TERM, *names]], clusters)
        table = _term(data, adjusted)
        if table is not None:
            tables.append(table.assign(adjusted=adjusted))
    return pd.concat(tables, ignore_index=True)


def _check_both_kinds(nsfw: "pd.Series[bool]") -> None:
    """ValueError where none of the images, or all of them, are NSFW: then there is nothing to compare."""
    if nsfw.nunique() > 1:
        return
    count = len(nsfw)
    images = plural(count, "image")
    found = "every one" if bool(nsfw.iloc[0]) else "none"
    raise DataError(
        f"nsfw_likes: expected images scored above one half and images below it to compare, and of {images} with "
        f"likes, a score and all that is adjusted for {found} is scored above one half"
    )


def _labels(given: Mapping[str, Any]) -> pd.DataFrame:
    """NSFW or not, and what is adjusted for, a row an image."""
    labels = pd.DataFrame({TERM: pd.Series(given["nsfw"], dtype="boolean")})
    if given["followers"] is not None:
        counts = pd.to_numeric(pd.Series(given["followers"]))
        edges = [-np.inf, LOW - 1, HIGH, np.inf]
        groups = pd.cut(counts.astype(float), edges, labels=[UNDER, *FOLLOWERS])
        labels["followers"] = groups.astype(object)
    for name, column in (("topic", "topics"), ("month", "months")):
        if given[column] is not None:
            labels[name] = pd.Series(given[column]).reset_index(drop=True)
    return labels


def _adjustments(labels: pd.DataFrame) -> dict[str, list[str]]:
    """What is held the same in each regression beside the author, by its name."""
    names = [str(name) for name in labels if name != TERM]
    content = [name for name in names if name != "followers"]
    adjustments: dict[str, list[str]] = {NOTHING: []}
    if "followers" in names:
        adjustments["followers"] = ["followers"]
    if content:
        adjustments[", ".join(names)] = names
    adjustments[", ".join([WITHIN, *content])] = content
    return adjustments


def _data(
    columns: Columns,
    complete: Array,
    labels: pd.DataFrame,
    clusters: tuple[Any, int, str],
) -> Data:
    """The complete rows in the cells of these labels, each with a dummy for all levels but its first."""
    frame = labels[complete].reset_index(drop=True)
    cell = frame.groupby(list(frame), sort=True, observed=True).ngroup().to_numpy()
    cells = frame.loc[np.unique(cell, return_index=True)[1]]
    terms: dict[str, Floats] = {}
    for name in cells:
        for level in sorted(cells[name].unique(), key=_order)[1:]:
            term = TERM if name == TERM else f"{name} {level}"
            terms[term] = (cells[name] == level).to_numpy(float)
    likes = pd.to_numeric(pd.Series(columns.likes))[complete]
    weight = None
    if columns.weights is not None:
        weight = np.asarray(as_column(columns.weights), np.float64)[complete]
        weight = weight / weight.mean()
    codes, count, kind = clusters
    return Data(
        y=likes.to_numpy(float),
        weight=weight,
        cell=cell,
        design=np.column_stack([np.ones(len(cells)), *terms.values()]),
        terms=("intercept", *terms),
        cluster=codes,
        clusters=count,
        se_kind=kind,
        dropped=int((~complete).sum()),
    )


def _order(level: Any) -> tuple[bool, Any]:
    """Few followers come first: they are the reference."""
    return level != UNDER, level


def _term(data: Data, adjusted: str) -> pd.DataFrame | None:
    """The row of NSFW; None where it is not estimable, with a warning."""
    fit: Callable[[Data], pd.DataFrame] = poisson
    if adjusted.startswith(WITHIN):
        if data.se_kind != BY_AUTHOR:
            return None
        fit = within_author
    try:
        table = fit(data)
    except ValueError as error:
        if adjusted == NOTHING:
            raise
        warnings.warn(
            f"nsfw_likes: no ratio adjusted for {adjusted}: {error}", stacklevel=3
        )
        return None
    row = table[table["term"] == TERM]
    if row.empty:
        warnings.warn(
            f"nsfw_likes: no ratio adjusted for {adjusted}: no author with likes has both kinds of images",
            stacklevel=3,
        )
        return None
    return row
