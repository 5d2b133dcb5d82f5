"""Eq (1) within authors: a Poisson regression with a fixed effect for each author, for `twigma analyze`.

What differs between authors, and not between images of one author, cannot bias it: fame, taste, a following that
likes everything. The effects are profiled out: given an author's sum of likes, how these fall on the author's images
is multinomial (Hausman, Hall & Griliches 1984), which is equal to a dummy for each author. Authors all of whose
images share a cell of the design, or have no like, say nothing and are left out.
"""

import warnings
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from twigma.analysis.convert import Array, Floats
from twigma.analysis.inference.blocks import FEW
from twigma.analysis.inference.cluster_jackknife import (
    Jackknife,
    Sums,
    cluster_blocks,
    newton_step,
    undetermined,
)
from twigma.analysis.likes.count_regression import (
    ITERATIONS,
    Data,
    jackknife_spread,
    regression_table,
)
from twigma.core.safety.failures import DataError

BY_AUTHOR = "author-clustered"
# As `jackknife.SMALL_STEP`; each fit without an author takes a pass over all of them, so fewer are made.
SMALL_STEP = 1e-2
LEAST_LOG = -700.0  # below, the exponential of a float is 0
CONVERGED = 1e-10
NO_INFORMATION = 1e-10  # share of a term's spread that lies within authors


class Parts(NamedTuple):
    """What authors add: score float64 [authors, terms], information [authors, terms, terms]; or the sums of these."""

    score: Floats
    information: Floats


def within_author(data: Data) -> pd.DataFrame:
    """Poisson regression of likes with a fixed effect for each author, by conditional likelihood.

    Intervals are of the cluster jackknife over authors. Terms that do not vary within any author, as followers mostly
    do not, are left out with the intercept.

    Returns
    -------
    DataFrame, a row a term, with the columns of `eq1.eq1`; `clusters` are the authors that inform, `n` their images,
    and the others are `dropped`. ValueError without author ids, or where nothing varies within authors.
    """
    if data.se_kind != BY_AUTHOR:
        raise DataError("author fixed effects need the author of each image")
    data = _informative(data)
    if data.clusters < FEW:
        warnings.warn(
            f"author fixed effects: only {data.clusters} authors have images of several groups, so intervals may be "
            "too narrow",
            stacklevel=3,
        )
    sums = data.sums_by_cluster
    beta = _fit(sums)
    full = _total(sums, beta).information
    jackknife, score = _leave_one_out(sums, beta, full)
    influence = score @ np.linalg.inv(full)
    spread = jackknife_spread(jackknife, influence, data)
    return regression_table(data, beta, spread, _dispersion(data, beta))


def _informative(data: Data) -> Data:
    """The images of authors whose likes can differ by their terms, and the terms that vary within authors."""
    sums = data.sums_by_cluster
    cells = np.diff(sums.rows_by.indptr)
    likes = np.asarray(sums.total_by.sum(axis=1)).ravel()
    informs = (cells > 1) & (likes > 0)
    rows = informs[data.cluster]
    if informs.sum() < 2:
        raise DataError(
            "author fixed effects need at least 2 authors with images of several groups, and with likes; found "
            f"{int(informs.sum())}"
        )
    number = np.cumsum(informs) - 1
    weight = None if data.weight is None else data.weight[rows]
    kept = replace(
        data,
        y=data.y[rows],
        weight=weight,
        cell=data.cell[rows],
        cluster=number[data.cluster[rows]].astype(np.int32),
        clusters=int(informs.sum()),
        dropped=data.dropped + int((~rows).sum()),
    )
    varies = _varies(kept.sums_by_cluster)
    terms = np.array(data.terms)[varies].tolist()
    if not terms:
        raise DataError("author fixed effects: no term varies within any author")
    return replace(kept, design=data.design[:, varies], terms=tuple(terms))


def _varies(sums: Sums) -> Array:
    """Which terms vary within some author with likes, bool [terms]."""
    within = np.diag(_total(sums, np.zeros(sums.design.shape[1])).information)
    likes = sums.total.sum()
    largest = np.abs(sums.design).max(axis=0)
    return np.asarray(within > NO_INFORMATION * likes * largest**2)


def _fit(sums: Sums) -> Floats:
    """The coefficients [terms] by Newton's method; ValueError where they are not estimable."""
    beta = np.zeros(sums.design.shape[1])
    for _ in range(ITERATIONS):
        score, information = _total(sums, beta)
        scale = 1 / np.sqrt(np.diag(information))
        scaled = information * np.outer(scale, scale)
        if np.linalg.matrix_rank(scaled, tol=NO_INFORMATION, hermitian=True) < len(
            beta
        ):
            raise DataError("the terms cannot be told apart within authors")
        step = np.linalg.solve(information, score)
        size = np.abs(step).max()
        beta = beta + step / max(1.0, size / 2)
        if size < CONVERGED:
            return np.asarray(beta)
    raise DataError(
        "the fit within authors did not converge; some group has no like beside those of other groups"
    )


def _total(sums: Sums, beta: Floats) -> Parts:
    """Score [terms] and information [terms, terms] of all authors together, at these coefficients.

    Without those of each author, which would be terms² numbers of a hundred thousand.
    """
    share, likes = _shares(sums.rows_by, sums.total_by, sums.design @ beta)
    mean = share @ sums.design
    second = (sums.design * (share.T @ likes)[:, None]).T @ sums.design
    information = second - (mean * likes[:, None]).T @ mean
    return Parts(sums.total @ sums.design - likes @ mean, information)


def _parts(sums: Sums, beta: Floats, authors: slice) -> Parts:
    """Score and information of each of some authors, at these coefficients."""
    terms = len(beta)
    total = sums.total_by[authors]
    share, likes = _shares(sums.rows_by[authors], total, sums.design @ beta)
    mean = share @ sums.design
    second = (share @ sums.products).reshape(-1, terms, terms)
    score = total @ sums.design - likes[:, None] * mean
    spread = second - mean[:, :, None] * mean[:, None, :]
    return Parts(score, likes[:, None, None] * spread)


def _shares(rows: Any, total: Any, logarithm: Floats) -> tuple[Any, Floats]:
    """How an author's likes are expected to fall on the cells, sparse [authors, cells], and how many there are."""
    # Only the shares of an author's cells count, so the largest may be 1: no likes are too many for a float.
    size = np.exp(np.maximum(logarithm - logarithm.max(), LEAST_LOG))
    expected = rows.multiply(size).tocsr()
    totals = np.asarray(expected.sum(axis=1)).ravel()
    likes = np.asarray(total.sum(axis=1)).ravel()
    return sparse.diags_array(1 / totals) @ expected, likes


def _leave_one_out(sums: Sums, beta: Floats, full: Floats) -> tuple[Jackknife, Floats]:
    """The change of the coefficients without each author, and the score of each, [authors, terms].

    The change is that of one Newton step, and of more where that is large.
    """
    authors, terms = sums.rows_by.shape[0], len(beta)
    change, scores = np.empty((authors, terms)), np.empty((authors, terms))
    lost = np.zeros(terms, bool)
    for block in cluster_blocks(authors, terms * terms):
        parts = _parts(sums, beta, block)
        scores[block] = parts.score
        change[block] = newton_step(full - parts.information, -parts.score, full)
        lost |= undetermined(full, parts.information)
    large = np.flatnonzero(np.abs(change).max(axis=1) > SMALL_STEP)
    for author in large:
        for _ in range(ITERATIONS):
            moved = beta + change[author]
            every = _total(sums, moved)
            own = _parts(sums, moved, slice(author, author + 1))
            score = every.score - own.score[0]
            information = every.information - own.information[0]
            step = newton_step(information[None], score[None], information[None])[0]
            size = np.abs(step).max()
            change[author] += step / max(1.0, size / 2)
            # The next error is of the square of this step.
            if size < SMALL_STEP / 100:
                break
    return Jackknife.of(change, lost), scores


def _dispersion(data: Data, beta: Floats) -> float:
    """Pearson's χ² of the rows over their number less authors and terms."""
    mu = np.exp(data.design @ beta)[data.cell]
    weight = np.ones(len(mu)) if data.weight is None else data.weight
    likes = np.bincount(data.cluster, weights=weight * data.y)
    expected = np.bincount(data.cluster, weights=weight * mu)
    mu *= (likes / expected)[data.cluster]
    freedom = max(1, len(mu) - data.clusters - len(beta))
    return float(np.sum(weight * (data.y - mu) ** 2 / mu)) / freedom
