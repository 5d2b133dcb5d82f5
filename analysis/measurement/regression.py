"""Linear, logistic and Poisson regression of an outcome that may be a pseudo-outcome, with authors as clusters.

The score of an image is w (y − h(xβ)) x, with h the identity, the logistic function or the exponential. It is linear
in y, so a pseudo-outcome, which may lie outside 0 to 1, gives the coefficients of the label. The covariance is the
jackknife over authors (CV3; its linear form of MacKinnon, Nielsen & Webb 2023, exact for the linear model): with the
author's score s_g and information H_g (`inference.cluster_jackknife`, as for the likes of Eq (1)),

    δ_g = (H − H_g)⁻¹ s_g,    V = (G − 1)/G · Σ_g (δ_g − δ̄)(δ_g − δ̄)ᵀ,

and intervals take the t quantile. A mean is the regression on a constant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Floats, as_column
from twigma.analysis.inference.blocks import (
    FEWEST,
    dense_blocks,
    effective_number,
)
from twigma.analysis.inference.cluster_jackknife import one_step
from twigma.analysis.inference.intervals import Estimate
from twigma.core.safety.failures import DataError

Family = Literal["linear", "logistic", "poisson"]
Codes = npt.NDArray[np.int64]
ITERATIONS = 50
CHUNK = 20_000  # authors whose matrices are solved at once
LARGEST = 30.0  # a coefficient on its way to infinity


class _Link(NamedTuple):
    mean: Callable[[Floats], Floats]
    slope: Callable[[Floats], Floats]  # of the mean, in terms of the mean


def _expit(eta: Floats) -> Floats:
    # Not at the top: analyze returns at once where nothing has changed.
    from scipy import special

    mean: Floats = special.expit(eta)
    return mean


_LINKS = {
    "linear": _Link(lambda eta: eta, np.ones_like),
    "logistic": _Link(_expit, lambda mean: mean * (1 - mean)),
    "poisson": _Link(np.exp, lambda mean: mean),
}


@dataclass(frozen=True)
class Fit:
    """Coefficients [k], their covariance [k, k], and how many authors they rest on.

    `effective` [k] is (Σ δ_g²)²/Σ δ_g⁴ of the authors' influence: as many equal authors would be as uncertain.
    """

    coefficients: Floats
    covariance: Floats
    effective: Floats
    authors: int
    degrees: int  # of freedom of the t quantile
    n: int

    @property
    def se(self) -> Floats:
        """Standard errors, float64 [k]."""
        return np.sqrt(np.diag(self.covariance))

    def estimate(self, term: int = 0) -> Estimate:
        """One coefficient with its 95% interval; without one for fewer than three authors."""
        from scipy import stats

        value = float(self.coefficients[term])
        half = float("nan")
        if self.degrees >= FEWEST - 1:
            half = float(stats.t.ppf(0.975, self.degrees) * self.se[term])
        return Estimate(value, value - half, value + half, self.n)

    def table(self, terms: list[str]) -> pd.DataFrame:
        """A row per term: term, value, low, high, se, p, effective, authors, n."""
        from scipy import stats

        rows = [dict(self.estimate(place)) for place in range(len(terms))]
        table = pd.DataFrame(rows).drop(columns="n")
        table.insert(0, "term", terms)
        z = np.abs(self.coefficients) / self.se
        p = 2 * stats.t.sf(z, self.degrees)
        return table.assign(
            se=self.se,
            p=p,
            effective=self.effective,
            authors=self.authors,
            n=self.n,
        )


def regress(
    outcome: Any,
    design: Any,
    authors: Any = None,
    *,
    family: Family = "linear",
    weights: Any = None,
    degrees: int | None = None,
) -> Fit:
    """Fit outcome on design by its estimating equation, with the jackknife over authors.

    Parameters
    ----------
    outcome : float [n], a label, or the pseudo-outcome of `pseudo_outcomes`.
    design : float [n, k] of rank k; a constant is a column of ones.
    authors : a label per image [n], or None where each image is on its own.
    family : "linear"; "logistic", where coefficients are log odds ratios; "poisson", where they are log rate ratios.
    weights : float [n] of a sample.
    degrees : of freedom; by default authors less one. Of a pseudo-outcome, authors with a label less one.

    Returns
    -------
    Fit. ValueError for fewer than two authors, a design of lower rank, and an outcome without a finite fit.
    """
    y = np.asarray(as_column(outcome), dtype=np.float64)
    x = np.asarray(design, dtype=np.float64).reshape(len(y), -1)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    codes = dense_blocks(authors, len(y))
    count = int(codes.max(initial=-1)) + 1
    if count < 2:
        raise DataError(
            f"regress: expected images of at least 2 authors, found {count}: there is no interval"
        )
    if np.linalg.matrix_rank(x.T @ (x * w[:, None])) < x.shape[1]:
        raise DataError(
            "regress: the terms cannot be told apart: one is constant or a combination of others"
        )
    link = _LINKS[family]
    beta = _solve(y, x, w, link)
    mean = link.mean(x @ beta)
    residual = w * (y - mean)
    curvature = w * link.slope(mean)
    influence = _without_each(x, residual, curvature, codes, count)
    centred = influence - influence.mean(axis=0)
    covariance = (count - 1) / count * centred.T @ centred
    return Fit(
        coefficients=beta,
        covariance=covariance,
        effective=effective_number(influence),
        authors=count,
        degrees=count - 1 if degrees is None else max(1, degrees),
        n=len(y),
    )


def _solve(y: Floats, x: Floats, w: Floats, link: _Link) -> Floats:
    """β with Σ w (y − h(xβ)) x = 0, by Newton's method."""
    beta = np.zeros(x.shape[1])
    for _ in range(ITERATIONS):
        mean = link.mean(x @ beta)
        information = x.T @ (x * (w * link.slope(mean))[:, None])
        try:
            step = np.linalg.solve(information, x.T @ (w * (y - mean)))
        except np.linalg.LinAlgError:
            break
        # The mean of a count changes by the exponential of a step.
        longest = 1.0 if link is _LINKS["linear"] else max(1.0, np.abs(step).max() / 2)
        beta = beta + step / longest
        if np.abs(step).max() <= 1e-12 * max(1.0, np.abs(beta).max()):
            return beta
        if link is not _LINKS["linear"] and np.abs(beta).max() > LARGEST:
            break
    if np.abs(step).max() < 1e-8 * max(1.0, np.abs(beta).max()):
        return beta
    raise DataError(
        "regress: no finite coefficients fit this outcome: a group has none of it, or nothing else"
    )


def _without_each(
    x: Floats, residual: Floats, curvature: Floats, codes: Codes, count: int
) -> Floats:
    """−δ_g of every author, float64 [count, k]: how far the coefficients move without the author."""
    k = x.shape[1]
    scores = np.empty((count, k))
    information = np.empty((count, k, k))
    for i in range(k):
        scores[:, i] = np.bincount(codes, x[:, i] * residual, count)
        for j in range(i + 1):
            product = x[:, i] * x[:, j] * curvature
            information[:, i, j] = np.bincount(codes, product, count)
            information[:, j, i] = information[:, i, j]
    total = information.sum(axis=0)
    influence = np.empty((count, k))
    for start in range(0, count, CHUNK):
        some = slice(start, start + CHUNK)
        influence[some], lost = one_step(total, information[some], scores[some])
        if lost.any():
            raise DataError(
                "regress: a term is of one author alone, so it has no interval: leave it out"
            )
    return influence
