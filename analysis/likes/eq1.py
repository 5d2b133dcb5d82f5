"""Eq (1): likes against followers and similarity by Poisson regression, with honest intervals; for `twigma analyze`.

The likelihood of a Poisson regression on groups depends on the data through the sums of each group's cell, so the
805,650 rows are fitted as 15 cells. What the cells cannot give is the spread: likes vary far more than a Poisson,
and together within an author. The paper's intervals (`mode="paper"`) ignore both; `mode="robust"` leaves each author
out in turn (the cluster jackknife) and reports the dispersion.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from twigma.analysis.convert import columns_of
from twigma.analysis.likes.count_regression import (
    Data,
    Errors,
    Mode,
    negative_binomial,
    poisson,
)
from twigma.analysis.likes.design import (
    FOLLOWERS,
    QUINTILES,
    Columns,
    has_labels,
    is_first_of_each,
    prepare,
)
from twigma.analysis.likes.within_author import BY_AUTHOR, within_author

__all__ = ["FOLLOWERS", "QUINTILES", "eq1", "eq1_sensitivity"]

WINSOR = 0.99
FIXED = "author fixed effects"


def eq1(
    data: Any = None,
    *,
    likes: Any = "like_count",
    followers: Any = "follower_count",
    quintile: Any = "quintile",
    cluster: Any = None,
    posts: Any = None,
    weights: Any = None,
    mode: Mode = "robust",
    errors: Errors = "jackknife",
) -> pd.DataFrame:
    """Incidence rate ratios of Eq (1): log E[likes] = b0 + followers + similarity quintile.

    Parameters
    ----------
    data : DataFrame or Arrow table, a row per image; the other arguments then name its columns. Without it they are
        the values: arrays, lists, Series (matched by index) or Arrow columns, one value per image.
    likes, followers : counts; rows where either is null are dropped and counted.
    quintile : 1 (least similar) to 5 (most, the reference), from `quintiles.quintiles`.
    cluster : the author of each image, whose images may depend on each other. A row without one is a cluster of its
        own.
    posts : post of each image: the clusters when there are no authors (with a warning). A row without one is a post of
        its own.
    weights : of each image in a sample (`sample_weights`): the scores are weighted, and the clustered interval is then
        that of the design with clusters drawn with replacement, wider than one that knows the strata.
    mode : "paper", naive Poisson intervals; "robust", the same ratios with cluster-robust intervals.
    errors : of mode "robust": "jackknife", each of G clusters left out in turn (CV3), with t quantiles of G − 1 degrees
        of freedom; "sandwich", the summed scores of the clusters with normal quantiles, too narrow for few clusters.

    Returns
    -------
    DataFrame with columns term, irr, low, high, p, se, n, dispersion, mode, se_kind, se_method, clusters,
    effective_clusters, dropped, weighted: a row per term. `se` is that of log irr, `low` and `high` are
    exp(log irr ± t se), `p` is two-sided against irr = 1, `dispersion` is Pearson's χ²/(n − terms), 1 for Poisson
    counts. `effective_clusters` is (Σ s²)² / Σ s⁴ of the influences s of the clusters on the coefficient: as how many
    clusters of equal weight they count. A term that rests on one cluster has no interval, with a warning.

    >>> rng = np.random.default_rng(0)
    >>> df = pd.DataFrame({"author_id": rng.integers(0, 300, 5000), "quintile": rng.integers(1, 6, 5000)})
    >>> df["follower_count"] = df["author_id"] * 30
    >>> df["like_count"] = rng.poisson(10 + 5 * (df["quintile"] == 1))
    >>> table = eq1(df, likes="like_count", followers="follower_count", quintile="quintile", cluster="author_id")
    >>> table.set_index("term")["irr"].round(1)["quintile 1"].item(), set(table["se_kind"])
    (1.5, {'author-clustered'})
    """
    if mode not in ("paper", "robust"):
        raise ValueError(f"eq1: expected mode 'paper' or 'robust', found {mode!r}")
    if errors not in ("jackknife", "sandwich"):
        raise ValueError(
            f"eq1: expected errors 'jackknife' or 'sandwich', found {errors!r}"
        )
    values = columns_of(
        data,
        "eq1",
        likes=likes,
        followers=followers,
        quintile=quintile,
        cluster=cluster,
        posts=posts,
        weights=weights,
    )
    return poisson(prepare(Columns(**values), mode=mode), mode, errors)


def eq1_sensitivity(
    data: Any = None,
    *,
    likes: Any = "like_count",
    followers: Any = "follower_count",
    quintile: Any = "quintile",
    cluster: Any = None,
    posts: Any = None,
    weights: Any = None,
    months: Any = None,
    similarity: Any = None,
    covariates: Mapping[str, Any] | None = None,
    age: Any = None,
) -> pd.DataFrame:
    """Eq (1) refitted under other assumptions, each with cluster-robust intervals; columns of `eq1` and `variant`.

    Variants: "eq1"; "winsorised" (likes cut at their 99% quantile); "nb2" (negative binomial, variance μ + αμ²,
    `dispersion` is α); "post" (the first image of each post, where `posts` is given); "months" (a dummy per month:
    one snapshot means older posts had longer to be liked); "similarity" (the standardised mean similarity in place
    of the quintiles); "covariates" (a dummy per level of each covariate, such as NSFW or cluster); "post age" (the
    logarithm of the days from the post to its look-up as a term); "author fixed effects" (`within_author`), and the
    same with months or, where it is known, with post age. A variant that the data cannot tell apart (all images of one
    month, say) is left out, with a warning.

    Parameters
    ----------
    data, likes, followers, quintile, cluster, posts, weights : as in `eq1`.
    months, similarity : label and float [n], as values or the name of a column.
    covariates : labels [n] by name of the covariate, each as values or the name of a column.
    age : days [n] from the post to its look-up, by when its likes had been given.
    """
    covariates = covariates or {}
    values = columns_of(
        data,
        "eq1_sensitivity",
        likes=likes,
        followers=followers,
        quintile=quintile,
        cluster=cluster,
        posts=posts,
        weights=weights,
        months=months,
        similarity=similarity,
        age=age,
        **{f"covariate {name}": labels for name, labels in covariates.items()},
    )
    months, similarity = values.pop("months"), values.pop("similarity")
    age = values.pop("age")
    labels = {name: values.pop(f"covariate {name}") for name in covariates}
    columns = Columns(**values)
    rows = prepare(columns)
    variants: dict[str, Callable[[], Data]] = {
        "eq1": lambda: rows,
        "winsorised": lambda: _winsorised(rows),
        "nb2": lambda: rows,
    }
    if has_labels(columns.posts):
        variants["post"] = lambda: prepare(_first_of_each_post(columns))
    if months is not None:
        variants["months"] = lambda: prepare(columns, covariates={"month": months})
    if labels:
        variants["covariates"] = lambda: prepare(columns, covariates=labels)
    if similarity is not None:
        variants["similarity"] = lambda: prepare(columns, similarity=similarity)
    if age is not None:
        variants["post age"] = lambda: prepare(columns, age=age)
    if rows.se_kind == BY_AUTHOR:
        variants[FIXED] = lambda: rows
        if age is not None:
            variants[f"{FIXED}, post age"] = variants["post age"]
        elif months is not None:
            variants[f"{FIXED}, months"] = variants["months"]
    return pd.concat(_estimable(variants), ignore_index=True)


def _fit(variant: str) -> Callable[[Data], pd.DataFrame]:
    """What fits a variant."""
    if variant == "nb2":
        return negative_binomial
    return within_author if variant.startswith(FIXED) else poisson


def _winsorised(rows: Data) -> Data:
    return replace(rows, y=np.minimum(rows.y, np.quantile(rows.y, WINSOR)))


def _first_of_each_post(columns: Columns) -> Columns:
    """The first row of each post; a row without one is a post of its own."""
    return columns.take(is_first_of_each(columns.posts))


def _estimable(variants: Mapping[str, Callable[[], Data]]) -> list[pd.DataFrame]:
    """The tables of those variants that can be estimated; Eq (1) itself has to be."""
    tables = []
    for name, rows in variants.items():
        try:
            table = _fit(name)(rows())
        except ValueError as error:
            if name == "eq1":
                raise
            warnings.warn(
                f"variant {name!r} of Eq (1) is left out: {error}", stacklevel=3
            )
        else:
            tables.append(table.assign(variant=name))
    return tables
