"""Poisson and negative binomial regressions on cells of rows, with sandwich standard errors.

Rows of one cell share every term, so a fit needs only each cell's sums; the spread within clusters needs the rows.
`twigma analyze` runs it for Eq (1) and for the growth of Fig 1b.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, sparse, special, stats

from twigma.analysis.convert import Array, Floats
from twigma.analysis.inference.intervals import Z

Mode = Literal["paper", "robust"]

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

    def residual(self, mu: Floats) -> Floats:
        """Each row's y less the mean of its cell, [n]."""
        result = np.empty(len(self.y))
        for rows in blocks(len(self.y)):
            np.subtract(self.y[rows], mu[self.cell[rows]], out=result[rows])
        return result


class Fit(NamedTuple):
    """Coefficients, the mean of each cell, and the inverse observed information."""

    beta: Floats  # [terms]
    mu: Floats  # [cells]
    bread: Floats  # [terms, terms], the covariance if the variance is as assumed


def blocks(n: int) -> Iterator[slice]:
    """Slices of rows whose numbers stay in the cache, so that no array as long as the data is made on the way."""
    for start in range(0, n, BLOCK):
        yield slice(start, start + BLOCK)


def poisson(data: Data, mode: Mode) -> pd.DataFrame:
    """Poisson regression of Eq (1); the score of row i is (y_i − μ_i) x_i.

    Standard errors assume the variance μ in mode "paper", and are a sandwich over the clusters in mode "robust".

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
    covariance = fit.bread
    if mode == "robust":
        covariance = _sandwich(data, data.residual(mu), fit.bread)
    return _table(data, fit.beta, covariance, dispersion, mode)


def negative_binomial(data: Data) -> pd.DataFrame:
    """NB2 with α by maximum (profile) likelihood; the score of row i is (y_i − μ_i) x_i / (1 + α μ_i).

    Its variance is μ + α μ²; standard errors are a sandwich over the clusters.

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
    residual = data.residual(fit.mu) / (1 + alpha * fit.mu)[data.cell]
    covariance = _sandwich(data, residual, fit.bread)
    return _table(data, fit.beta, covariance, alpha, "robust")


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
        raise ValueError(
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
            reason = f"no rows have {empty}"
        raise ValueError(f"eq1: the terms cannot be told apart: {reason}")
    for term, column in columns:
        if not set(np.unique(column)) <= {0.0, 1.0}:
            continue
        for name, side in ((term, column == 1), (f"not {term}", column == 0)):
            if side.any() and not total[side].sum() > 0:
                raise ValueError(
                    f"eq1: no row with {name!r} has a like, so its rate ratio is not finite"
                )


def _sandwich(data: Data, residual: Floats, bread: Floats) -> Floats:
    """Cluster-robust covariance bread · Σ_g s_g s_gᵀ · bread, without a small-sample factor."""
    if data.weight is not None:
        residual = data.weight * residual
    place = data.cluster, data.cell.astype(np.int32)
    shape = int(data.cluster.max()) + 1, len(data.design)
    # Residuals by cluster and cell, added up in one pass: no array of rows times terms.
    by_cluster = sparse.coo_array((residual, place), shape=shape)
    scores = by_cluster @ data.design
    return np.asarray(bread @ (scores.T @ scores) @ bread)


def _table(
    data: Data, beta: Floats, covariance: Floats, dispersion: float, mode: Mode
) -> pd.DataFrame:
    """The columns of `eq1.eq1`, a row a term."""
    se = np.sqrt(np.diag(covariance))
    weighted = data.weight is not None and bool(np.ptp(data.weight) > 0)
    return pd.DataFrame(
        {
            "term": data.terms,
            "irr": np.exp(beta),
            "low": np.exp(beta - Z * se),
            "high": np.exp(beta + Z * se),
            "p": 2 * stats.norm.sf(np.abs(beta) / se),
            "se": se,
            "n": len(data.y),
            "dispersion": dispersion,
            "mode": mode,
            "se_kind": "naive" if mode == "paper" else data.se_kind,
            "clusters": 0 if mode == "paper" else data.clusters,
            "dropped": data.dropped,
            "weighted": weighted,
        }
    )
