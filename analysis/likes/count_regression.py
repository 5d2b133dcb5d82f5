"""Poisson and negative binomial regressions on cells of rows, with standard errors that know about clusters.

Rows of one cell share every term, so a fit needs only each cell's sums; the spread within clusters needs the sums of
each cluster in each cell.
`twigma analyze` runs it for Eq (1) and for the growth of Fig 1b.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, sparse, special, stats

from twigma.analysis.convert import Array, Floats
from twigma.analysis.inference.blocks import effective_number
from twigma.analysis.inference.cluster_jackknife import (
    Jackknife,
    Sums,
    leave_one_out,
)
from twigma.analysis.inference.intervals import Z
from twigma.core.safety.failures import DataError

Mode = Literal["paper", "robust"]
# Of mode "robust": clusters left out one by one, with t quantiles; or their scores, with normal ones.
Errors = Literal["jackknife", "sandwich"]

ITERATIONS = 100
BLOCK = 2**16  # rows: half a megabyte of float64


@dataclass(frozen=True)
class Data:
    """Rows with likes and followers, the cell of the design each row falls in, and its cluster."""

    y: Array  # [n] likes
    weight: Floats | None  # [n] of a sample, with mean 1; None where all count the same
    cell: Array  # [n] row of `design`, integers of any width
    design: Floats  # [cells, terms], first column 1
    terms: tuple[str, ...]
    cluster: npt.NDArray[np.int32]  # [n] codes from 0, some perhaps unused
    clusters: int  # how many there are
    se_kind: str
    dropped: int  # rows without likes, followers or quintile

    def sums(self, power: int) -> Floats:
        """Weighted sum of y to a power over the rows of each cell, [cells]; a block of rows at a time."""
        total = np.zeros(len(self.design))
        for rows in blocks(len(self.y)):
            values = self._powers(rows, power)
            total += np.bincount(self.cell[rows], weights=values, minlength=len(total))
        return total

    def _powers(self, rows: slice, power: int) -> Floats | None:
        """w y^power of these rows; None where all are 1, so that rows are only counted."""
        weight = None if self.weight is None else self.weight[rows]
        if power == 0:
            return weight
        values = self.y[rows].astype(np.float64) ** power
        return values if weight is None else weight * values

    @cached_property
    def rows(self) -> Floats:
        """Σ w of each cell, float64 [cells]."""
        return self.sums(0)

    @cached_property
    def total(self) -> Floats:
        """Σ w y of each cell, float64 [cells]."""
        return self.sums(1)

    @cached_property
    def sums_by_cluster(self) -> Sums:
        """Rows and likes of each cell, in all and by cluster."""
        place = self.cluster, self.cell.astype(np.int32)
        shape = int(self.cluster.max()) + 1, len(self.design)
        weight = np.ones(len(self.y)) if self.weight is None else self.weight
        # Added up in one pass: no array of rows times terms.
        rows = sparse.coo_array((weight, place), shape=shape).tocsr()
        total = sparse.coo_array((weight * self.y, place), shape=shape).tocsr()
        return Sums(self.design, self.rows, self.total, rows, total)


class Fit(NamedTuple):
    """Coefficients, the mean of each cell, and the inverse observed information."""

    beta: Floats  # [terms]
    mu: Floats  # [cells]
    bread: Floats  # [terms, terms], the covariance if the variance is as assumed


def blocks(n: int) -> Iterator[slice]:
    """Slices of rows whose numbers stay in the cache, so that no array as long as the data is made on the way."""
    for start in range(0, n, BLOCK):
        yield slice(start, start + BLOCK)


@dataclass(frozen=True)
class Spread:
    """The uncertainty of the coefficients.

    Attributes
    ----------
    se : float64 [terms], NaN where a coefficient rests on one cluster. method : "naive", "sandwich" or "jackknife".
    freedom : degrees of freedom of the t distribution; infinite for the normal one.
    effective : float64 [terms], as how many clusters of equal weight the clusters count; 0 where there are none.
    """

    se: Floats
    method: str
    freedom: float
    effective: Floats


def poisson(
    data: Data, mode: Mode = "robust", errors: Errors = "jackknife"
) -> pd.DataFrame:
    """Poisson regression of Eq (1); the score of row i is (y_i − μ_i) x_i.

    Standard errors assume the variance μ in mode "paper", and take the clusters together in mode "robust".

    Returns
    -------
    DataFrame, one row a term, with the columns of `eq1.eq1`. ValueError where the coefficients are not estimable.
    """
    _check_estimable(data)
    fit = fit_cells(data.design, data.rows, data.total)
    mu = fit.mu
    # Σ w (y − μ)² of each cell
    squares = data.sums(2) - 2 * mu * data.total + mu**2 * data.rows
    freedom = max(1, len(data.y) - len(fit.beta))
    dispersion = float(np.sum(squares / mu)) / freedom
    if mode == "paper":
        none = np.zeros(len(fit.beta))
        naive = Spread(np.sqrt(np.diag(fit.bread)), "naive", np.inf, none)
        return regression_table(data, fit.beta, naive, dispersion)
    return regression_table(data, fit.beta, _spread(data, fit, errors), dispersion)


def negative_binomial(data: Data, errors: Errors = "jackknife") -> pd.DataFrame:
    """NB2 with α by maximum (profile) likelihood; the score of row i is (y_i − μ_i) x_i / (1 + α μ_i).

    Its variance is μ + α μ²; standard errors take the clusters together, α as it is.

    Returns
    -------
    DataFrame, one row a term, with the columns of `eq1.eq1`. ValueError where the coefficients are not estimable.
    """
    _check_estimable(data)
    # The likelihood depends on the distinct counts of each cell, and how many rows (or weight) each has.
    codes, counts = pd.factorize(data.y)
    keys = data.cell.astype(np.int64) * len(counts) + codes
    pairs, place = np.unique(keys, return_inverse=True)
    weight = np.bincount(place, weights=data.weight)
    cell = pairs // len(counts)
    y = counts[pairs % len(counts)]

    def loss(log_alpha: float) -> float:
        shape = np.exp(-log_alpha)
        mu = fit_cells(data.design, data.rows, data.total, 1 / shape).mu[cell]
        terms = (
            special.gammaln(y + shape)
            - special.gammaln(shape)
            + shape * np.log(shape / (shape + mu))
        )
        return -float(np.sum(weight * (terms + special.xlogy(y, mu / (shape + mu)))))

    best = optimize.minimize_scalar(loss, bounds=(-12, 6), method="bounded")
    alpha = float(np.exp(best.x))
    fit = fit_cells(data.design, data.rows, data.total, alpha)
    return regression_table(data, fit.beta, _spread(data, fit, errors, alpha), alpha)


def fit_cells(x: Floats, n: Floats, total: Floats, alpha: float = 0.0) -> Fit:
    """Fit log E[y] = x β by Newton's method, for the variance μ + αμ²: Poisson for α = 0.

    Parameters
    ----------
    x : float64[cells, terms], the design. n, total : float64[cells], number and sum of the rows of each cell.

    Returns
    -------
    Fit. ValueError when it does not converge.
    """
    # Cells without likes have no logarithm: hence 0.1.
    start = np.log(total / n + 0.1)
    beta = np.linalg.lstsq(x * np.sqrt(n)[:, None], np.sqrt(n) * start, rcond=None)[0]
    for _ in range(ITERATIONS):
        mu = np.exp(x @ beta)
        weight = 1 / (1 + alpha * mu)
        information = (x * (n * mu * weight)[:, None]).T @ x
        step = np.linalg.solve(information, x.T @ (weight * (total - n * mu)))
        # A step of more than 2 would overshoot: the mean changes by its exponential.
        beta = beta + step / max(1.0, np.abs(step).max() / 2)
        if np.abs(step).max() < 1e-13 * max(1.0, np.abs(beta).max()):
            break
    # e^30 is no count of likes: such a coefficient is on its way to infinity. `not <` also catches NaN.
    if not np.abs(step).max() < 1e-9 or np.abs(beta).max() > 30:
        raise DataError(
            "the fit of the counts did not converge; a combination of groups has none at all"
        )
    mu = np.exp(x @ beta)
    observed = mu * (n + alpha * total) / (1 + alpha * mu) ** 2
    information = (x * observed[:, None]).T @ x
    return Fit(beta, mu, np.linalg.inv(information))


def _check_estimable(data: Data) -> None:
    """ValueError where terms are collinear, or a group has no like, so that its coefficient is infinite."""
    x, total = data.design, data.total
    columns = list(zip(data.terms, x.T, strict=True))
    if np.linalg.matrix_rank(x) < x.shape[1]:
        empty = [term for term, column in columns if not column.any()]
        reason = "one term is a combination of others, or a reference is empty"
        if empty:
            reason = f"no rows have {' or '.join(empty)}"
        raise DataError(f"eq1: the terms cannot be told apart: {reason}")
    for term, column in columns:
        if not set(np.unique(column)) <= {0.0, 1.0}:
            continue
        for name, side in ((term, column == 1), (f"not {term}", column == 0)):
            if side.any() and not total[side].sum() > 0:
                rows = "no image" if term == "intercept" else f"no row with {name!r}"
                raise DataError(
                    f"eq1: {rows} has a like, so the rate ratio is not finite"
                )


def _spread(data: Data, fit: Fit, errors: Errors, alpha: float = 0.0) -> Spread:
    """Cluster-robust standard errors: jackknife, or bread · Σ_g s_g s_gᵀ · bread without a small-sample factor."""
    sums = data.sums_by_cluster
    weight = 1 / (1 + alpha * fit.mu)
    residual = sums.total_by - sums.rows_by.multiply(fit.mu)
    influence = (residual.multiply(weight) @ data.design) @ fit.bread
    if errors == "sandwich":
        se = np.sqrt((influence**2).sum(axis=0))
        return Spread(se, errors, np.inf, effective_number(influence))
    jackknife = leave_one_out(sums, fit.beta, alpha)
    return jackknife_spread(jackknife, influence, data)


def jackknife_spread(jackknife: Jackknife, influence: Floats, data: Data) -> Spread:
    """The standard errors of a jackknife, with a warning of terms that rest on one cluster.

    Parameters
    ----------
    influence : float64 [clusters, terms], of each cluster on each coefficient.
    """
    if jackknife.lost.any():
        lost = ", ".join(np.array(data.terms)[jackknife.lost])
        warnings.warn(
            f"no interval for {lost}: it rests on one alone of the {data.clusters} authors, or images without an "
            "author, or posts that intervals leave out in turn",
            stacklevel=4,
        )
    covariance = jackknife.covariance(data.clusters)
    return Spread(
        se=np.sqrt(np.diag(covariance)),
        method="jackknife",
        freedom=data.clusters - 1,
        effective=effective_number(influence),
    )


def regression_table(
    data: Data, beta: Floats, spread: Spread, dispersion: float
) -> pd.DataFrame:
    """The columns of `eq1.eq1`, a row a term.

    Parameters
    ----------
    beta : float64 [terms], the coefficients.
    """
    se = spread.se
    naive = spread.method == "naive"
    quantile = Z
    if np.isfinite(spread.freedom):
        quantile = float(stats.t.ppf(0.975, spread.freedom))
    weighted = data.weight is not None and bool(np.ptp(data.weight) > 0)
    return pd.DataFrame(
        {
            "term": data.terms,
            "irr": np.exp(beta),
            "low": np.exp(beta - quantile * se),
            "high": np.exp(beta + quantile * se),
            "p": 2 * stats.t.sf(np.abs(beta) / se, spread.freedom),
            "se": se,
            "n": len(data.y),
            "dispersion": dispersion,
            "mode": "paper" if naive else "robust",
            "se_kind": "naive" if naive else data.se_kind,
            "se_method": spread.method,
            "clusters": 0 if naive else data.clusters,
            "effective_clusters": spread.effective,
            "dropped": data.dropped,
            "weighted": weighted,
        }
    )
