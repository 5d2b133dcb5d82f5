"""Poisson and negative binomial regressions on cells of rows, with sandwich standard errors; Eq (1) is fitted with it.

Rows of one cell share every term, so a fit needs only each cell's sums; the spread within clusters needs the rows.
`twigma analyze` runs it through `likes`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, sparse, special, stats

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Mode = Literal["paper", "robust"]

Z = 1.959963984540054
ITERATIONS = 100
BLOCK = 2**16  # rows: half a megabyte of float64


@dataclass(frozen=True)
class Data:
    """Rows with likes and followers, the cell of the design each row falls in, and its cluster."""

    y: Array  # [n] likes
    weight: Floats | None  # [n] of a sample, with mean 1; None where all count the same
    cell: Array  # [n] row of `design`, whole numbers of any width
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
            values = None if power == 0 else self.y[rows].astype(np.float64) ** power
            if self.weight is not None:
                values = (
                    self.weight[rows] if values is None else self.weight[rows] * values
                )
            total += np.bincount(self.cell[rows], weights=values, minlength=len(total))
        return total

    @cached_property
    def rows(self) -> Floats:
        """Σ w of each cell."""
        return self.sums(0)

    @cached_property
    def total(self) -> Floats:
        """Σ w y of each cell."""
        return self.sums(1)

    def residual(self, mu: Floats) -> Floats:
        """Each row's y less the mean of its cell, [n]."""
        found = np.empty(len(self.y))
        for rows in blocks(len(self.y)):
            np.subtract(self.y[rows], mu[self.cell[rows]], out=found[rows])
        return found


def blocks(n: int) -> Iterator[slice]:
    """Slices of rows whose numbers stay in the cache, so that no array as long as the data is made on the way."""
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))


def poisson(data: Data, mode: Mode) -> pd.DataFrame:
    """Fit by Newton's method on the cells; the score of row i is (y_i − μ_i) x_i."""
    beta, mu, bread = _fit(data, alpha=0.0)
    squares = data.sums(2) - 2 * mu * data.total + mu**2 * data.rows  # Σ w (y − μ)²
    dispersion = float(np.sum(squares / mu)) / max(1, len(data.y) - len(beta))
    covariance = bread if mode == "paper" else _sandwich(data, data.residual(mu), bread)
    return _table(data, beta, covariance, dispersion, mode)


def negative_binomial(data: Data) -> pd.DataFrame:
    """NB2 with α by maximum (profile) likelihood; the score of row i is (y_i − μ_i) x_i / (1 + α μ_i)."""
    codes, counts = pd.factorize(data.y)
    pairs, place = np.unique(
        data.cell.astype(np.int64) * len(counts) + codes, return_inverse=True
    )
    weight = np.bincount(place, weights=data.weight)
    cell, y = pairs // len(counts), counts[pairs % len(counts)]

    def loss(log_alpha: float) -> float:
        shape = np.exp(-log_alpha)
        mu = _fit(data, alpha=1 / shape)[1][cell]
        terms = (
            special.gammaln(y + shape)
            - special.gammaln(shape)
            + shape * np.log(shape / (shape + mu))
        )
        return -float(np.sum(weight * (terms + special.xlogy(y, mu / (shape + mu)))))

    alpha = float(
        np.exp(optimize.minimize_scalar(loss, bounds=(-12, 6), method="bounded").x)
    )
    beta, mu, bread = _fit(data, alpha)
    residual = data.residual(mu) / (1 + alpha * mu)[data.cell]
    return _table(data, beta, _sandwich(data, residual, bread), alpha, "robust")


def _fit(data: Data, alpha: float) -> tuple[Floats, Floats, Floats]:
    """Coefficients, the mean of each cell and the inverse observed information, for the variance μ + αμ²."""
    x, n, total = data.design, data.rows, data.total
    _check_estimable(data, x, total)
    beta = np.linalg.lstsq(
        x * np.sqrt(n)[:, None], np.sqrt(n) * np.log(total / n + 0.1), rcond=None
    )[0]
    for _ in range(ITERATIONS):
        mu = np.exp(x @ beta)
        weight = 1 / (1 + alpha * mu)
        information = (x * (n * mu * weight)[:, None]).T @ x
        step = np.linalg.solve(information, x.T @ (weight * (total - n * mu)))
        beta = beta + step / max(1.0, np.abs(step).max() / 2)
        if np.abs(step).max() < 1e-13 * max(1.0, np.abs(beta).max()):
            break
    if not np.abs(step).max() < 1e-9 or np.abs(beta).max() > 30:
        raise ValueError(
            "eq1: the fit did not converge; a combination of groups has no likes at all"
        )
    mu = np.exp(x @ beta)
    information = (
        x * (mu * (n + alpha * total) / (1 + alpha * mu) ** 2)[:, None]
    ).T @ x
    return beta, mu, np.linalg.inv(information)


def _check_estimable(data: Data, x: Floats, total: Floats) -> None:
    if np.linalg.matrix_rank(x) < x.shape[1]:
        empty = [
            term
            for term, column in zip(data.terms, x.T, strict=True)
            if not column.any()
        ]
        what = (
            f"no rows have {empty}"
            if empty
            else "one term is a combination of others, or a reference is empty"
        )
        raise ValueError(f"eq1: the terms cannot be told apart: {what}")
    for term, column in zip(data.terms, x.T, strict=True):
        for side, name in ((column == 1, term), (column == 0, f"not {term}")):
            if (
                side.any()
                and set(np.unique(column)) <= {0.0, 1.0}
                and not total[side].sum() > 0
            ):
                raise ValueError(
                    f"eq1: no row with {name!r} has a like, so its rate ratio is not finite"
                )


def _sandwich(data: Data, residual: Floats, bread: Floats) -> Floats:
    """Cluster-robust covariance bread · Σ_g s_g s_gᵀ · bread, without a small-sample factor."""
    residual = residual if data.weight is None else data.weight * residual
    place = data.cluster, data.cell.astype(np.int32)
    shape = int(data.cluster.max()) + 1, len(data.design)
    scores = (
        sparse.coo_array((residual, place), shape=shape) @ data.design
    )  # in one pass, adding up as it goes
    return np.asarray(bread @ (scores.T @ scores) @ bread)


def _table(
    data: Data, beta: Floats, covariance: Floats, dispersion: float, mode: Mode
) -> pd.DataFrame:
    se = np.sqrt(np.diag(covariance))
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
            "weighted": data.weight is not None and bool(np.ptp(data.weight) > 0),
        }
    )
