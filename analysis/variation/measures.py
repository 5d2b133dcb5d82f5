"""Measures of how varied one set is: explained variance, marginal spread, entropy, Vendi score (Fig 3b).

Each is to first order an average over rows, whose influence is here beside it: intervals come from that.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Array, Floats, as_column
from twigma.analysis.vectors.samples import finite_matrix
from twigma.analysis.vectors.spectra import (
    eigenvalues,
    eigenvectors,
    singular_values,
    variances,
)
from twigma.core.numeric.unit_vectors import require_unit_rows
from twigma.core.safety.failures import DataError

BLOCK = 2048  # rows at a time
NULL = 1e-12  # share of the largest eigenvalue below which a direction is none


class Entropy(NamedTuple):
    """Shannon entropy in nats by three estimators, plug-in/ln k, rows, and clusters."""

    plug_in: float
    miller_madow: float
    chao_shen: float
    normalised: float
    n: int
    k: int


def iev(x: Any, *, center: bool = False, power: int = 1) -> float:
    """Inverse explained variance Σ_i σ_i^power / σ_1^power over the singular values of `x` (paper, Fig 3b).

    Parameters
    ----------
    x : matrix [n, d]. Compare sets of one n only.
    center : subtract the column means first; the paper writes the raw matrix, whose value is nearly a function of
        the mean cosine alone.
    power : 1, the paper's; 2, IsoBN's explained variance (Σλ²/λ_1²).
    """
    sigma = singular_values(finite_matrix(x, "iev", 1), center)
    if sigma[0] == 0:
        raise DataError(
            "iev: all rows are zero (or equal, when centred), so there is no variance to explain"
        )
    return float(((sigma / sigma[0]) ** power).sum())


def iev_influence(x: Array) -> Floats:
    """Of each row of `x` [n, d] on `iev`, [n]: Σ_i g_i c_i², c = Vᵀx and g the derivative of Σ √(λ_i/λ_1) by λ_i."""
    values, vectors = eigenvectors(x)
    some = values > NULL * values[-1]
    values, vectors = values[some], vectors[:, some]
    largest = values[-1]
    gradient = 0.5 / np.sqrt(values * largest)
    # λ_1 itself is in every denominator.
    others = float(np.sqrt(values[:-1] / largest).sum())
    gradient[-1] = -0.5 * others / largest
    return len(x) * _quadratic(x, vectors, gradient)


def pmv(x: Any) -> float:
    """Geometric mean of the standard deviations of the columns, exp(mean_j ln s_j), ddof=1 (paper, Fig 3b).

    The paper says "product of marginal variances" and defines it with standard deviations; a product of 768 of
    them underflows to zero. `x` [n, d]; a column without variance makes it 0, with a warning.
    """
    deviation = np.sqrt(variances(finite_matrix(x, "pmv")))
    if not deviation.all():
        warnings.warn(
            f"pmv: {int((deviation == 0).sum())} columns do not vary, so the result is 0",
            stacklevel=2,
        )
        return 0.0
    return float(np.exp(np.log(deviation).mean()))


def pmv_influence(x: Array) -> Floats:
    """Of each row of `x` [n, d] on `pmv`, [n]: pmv · mean_j ((x_ij − x̄_j)²/s_j² − 1)/2.

    NaN, so no interval, where a column does not vary.
    """
    spread = variances(x)
    if not spread.all():
        return np.full(len(x), np.nan)
    scale = float(np.exp(np.log(spread).mean() / 2))
    squares = (x - x.mean(axis=0, dtype=np.float64)) ** 2
    standardised: Floats = (squares / spread).mean(axis=1)
    return scale * (standardised - 1) / 2


def entropy(labels: Any, k: int | None = None) -> Entropy:
    """Shannon entropy −Σ p ln p of cluster labels (Fig 3b).

    The plug-in estimate is low by about (K − 1)/2N. Miller-Madow adds that, with K the clusters seen; Chao-Shen
    weighs each cluster by its chance of being seen, after the coverage 1 − f_1/N (f_1 clusters seen once).

    Parameters
    ----------
    labels : integer label per row, [n]. k : clusters of the codebook; None: the distinct labels.

    >>> round(entropy([0, 0, 1, 1]).plug_in, 4)
    0.6931
    """
    counts = np.unique(as_column(labels), return_counts=True)[1]
    k = len(counts) if k is None else k
    if not len(counts) or len(counts) > k:
        raise DataError(
            f"entropy: expected labels of at most k={k} clusters, found {len(counts)}"
        )
    n = int(counts.sum())
    p = counts / n
    plug_in = max(0.0, -float(np.sum(p * np.log(p))))
    once = min(int((counts == 1).sum()), n - 1)
    covered = p * (1 - once / n)
    terms = covered * np.log(covered) / (1 - (1 - covered) ** n)
    chao_shen = max(0.0, -float(np.sum(terms)))
    miller_madow = plug_in + (len(counts) - 1) / (2 * n)
    normalised = float(plug_in / np.log(k)) if k > 1 else float("nan")
    return Entropy(plug_in, miller_madow, chao_shen, normalised, n, k)


def entropy_influence(labels: npt.NDArray[np.int64]) -> Floats:
    """Of each row on the plug-in entropy of int64 labels [n], [n]: −ln p of its cluster."""
    share = np.bincount(labels) / len(labels)
    return -np.log(share[labels])


def vendi(x: Any) -> float:
    """Vendi score exp(−Σ λ ln λ), λ the eigenvalues of the cosine kernel of `x` [n, d] over n.

    It is the effective number of images, from 1 to n (Friedman & Dieng 2023).
    """
    x = finite_matrix(x, "vendi", 1)
    values = eigenvalues(require_unit_rows(x, "vendi", dtype=np.float64))
    values = values[values > 0] / values.sum()
    return float(np.exp(-np.sum(values * np.log(values))))


def vendi_influence(x: Array) -> Floats:
    """Of each row of `x` [n, d] on `vendi`, [n]: −vendi · Σ_i ln(λ_i) (v_i · x)²."""
    x = require_unit_rows(x, "vendi", dtype=np.float64)
    values, vectors = eigenvectors(x)
    values = values / len(x)
    some = values > NULL
    logs = np.log(values[some])
    score = float(np.exp(-np.sum(values[some] * logs)))
    return -score * _quadratic(x, vectors[:, some], logs)


def _quadratic(x: Array, vectors: Floats, weight: Floats) -> Floats:
    """Σ_i weight_i (v_i · x)² of each row, [n]."""
    result = np.empty(len(x))
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK] @ vectors
        result[start : start + BLOCK] = block**2 @ weight
    return result
