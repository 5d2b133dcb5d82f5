"""The pseudo-outcome: a value for every image whose mean is that of the labels, whatever the model says.

Design-based supervised learning (Egami et al. 2023) and prediction-powered inference (Angelopoulos et al. 2023). With
the model's value f of every image, and a label Y of those drawn (R = 1) with the known probability π,

    Ỹ = g(f) + R/π · (Y − g(f)),    g(f) = a + λf,

has the expectation of Y whatever f, a and λ are. The variance that drawing adds is E[(1 − π)/π · (Y − g)²], so a and λ
are the least squares of Y on f with the weights (1 − π)/π² over the labels. λ = 0 is the mean of the labels alone, and
what is chosen where the model is useless. Both are estimated on the authors of other folds, so that an image's own
label never enters its g.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Floats, as_column
from twigma.analysis.inference.intervals import block_codes
from twigma.core.safety.failures import DataError

FOLDS = 5


class PseudoOutcomes(NamedTuple):
    """The pseudo-outcome of every image, float64 [n], and the λ of each fold, float64 [folds, columns of f]."""

    values: Floats
    slopes: Floats


def pseudo_outcomes(
    model: Any,
    label: Any,
    probability: Any,
    authors: Any = None,
    *,
    slope: float | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> PseudoOutcomes:
    """Ỹ of every image.

    Parameters
    ----------
    model : float [n] or [n, p], f: what the model says of every image.
    label : float [n], Y; NaN where an image has no label.
    probability : float [n], π, with which each image was drawn, above 0 and at most 1; read where there is a label.
    authors : a label per image [n], whose images stay in one fold, or None where each image is on its own.
    slope : λ, with a = 0 (1 is the estimator of Egami et al.); by default both are those of least variance.

    Returns
    -------
    PseudoOutcomes. ValueError for fewer than two labels, for a model's value that is not a number, and for
    probabilities outside 0 to 1.

    >>> y = [1.0, np.nan, 0.0, np.nan]
    >>> pseudo_outcomes([1.0, 1.0, 0.0, 0.0], y, [0.5] * 4, slope=1).values.tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    f = np.asarray(as_column(model), dtype=np.float64).reshape(len(label), -1)
    y = np.asarray(as_column(label), dtype=np.float64)
    labelled = np.flatnonzero(~np.isnan(y))
    drawn = np.asarray(as_column(probability), dtype=np.float64)[labelled]
    _check(f, y, drawn)
    if slope is not None:
        g = slope * f.sum(axis=1)
        slopes = np.full((1, f.shape[1]), float(slope))
    else:
        fold = _folds(authors, len(y), folds, seed)
        g, slopes = _cross_fitted(f, y, labelled, drawn, fold)
    values = g.copy()
    values[labelled] += (y[labelled] - g[labelled]) / drawn
    return PseudoOutcomes(values, slopes)


def _check(f: Floats, y: Floats, drawn: Floats) -> None:
    if len(drawn) < 2:
        raise DataError(
            f"pseudo_outcomes: expected at least 2 labels, found {len(drawn)} among {len(y)} images"
        )
    if not np.isfinite(f).all():
        raise DataError(
            "pseudo_outcomes: expected a model's value for every image; leave out those without one"
        )
    if not ((drawn > 0) & (drawn <= 1)).all():
        raise DataError(
            "pseudo_outcomes: expected probabilities above 0 and at most 1 for every label, "
            f"found {drawn.min()} to {drawn.max()}"
        )


def _folds(authors: Any, n: int, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """The fold of each image, all images of an author in one."""
    codes = np.arange(n) if authors is None else block_codes(authors)
    rng = np.random.default_rng(seed)
    of_author = rng.permutation(int(codes.max()) + 1) % folds
    return np.asarray(of_author[codes])


def _cross_fitted(
    f: Floats,
    y: Floats,
    labelled: npt.NDArray[np.int64],
    drawn: Floats,
    fold: npt.NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """g of every image [n] by the labels of the other folds, and their λ [folds, p]."""
    count = int(fold.max()) + 1
    coefficients = np.empty((count, 1 + f.shape[1]))
    for k in range(count):
        others = fold[labelled] != k
        rows = labelled[others]
        coefficients[k] = _least_variance(f[rows], y[rows], drawn[others])
    slopes = coefficients[:, 1:]
    g = coefficients[fold, 0]
    for column in range(f.shape[1]):
        g = g + slopes[fold, column] * f[:, column]
    return g, slopes


def _least_variance(f: Floats, y: Floats, drawn: Floats) -> Floats:
    """(a, λ) of least squares with the weights (1 − π)/π²; λ = 0 for a model that says the same of all."""
    if not len(y):
        return np.zeros(1 + f.shape[1])
    root = np.sqrt(1 - drawn) / drawn
    if not root.any():  # all images are labelled, and g cancels
        root = np.ones(len(y))
    mean = np.average(f, axis=0, weights=root)
    x = np.column_stack([np.ones(len(y)), f - mean])
    beta = np.linalg.lstsq(x * root[:, None], y * root, rcond=1e-10)[0]
    beta[0] -= mean @ beta[1:]
    return np.asarray(beta)
