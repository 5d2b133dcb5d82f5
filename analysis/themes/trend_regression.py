"""Slopes of monthly shares whose months depend on one another, averaged over what their autocorrelation may be.

A share that wanders rises or falls for years without a trend, and a test that takes months as independent calls that
an arrow. With 27 months the autocorrelation cannot be estimated well enough to be taken as known; here it is
integrated out. `docs/studies/trends.md` has the rates of false arrows. `twigma analyze` runs it for Fig 4b.
"""

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from twigma.analysis.convert import Floats

CORRELATIONS = np.linspace(0, 0.98, 25)  # of a month's residual with the next one's
NOISE = (0.0, 0.25, 0.5, 0.75, 0.95)  # share of sampling noise in the residual variance
# Chosen by the simulations of docs/studies/trends.md.
BORROWED = 0.5  # series that the others of a family count as, together
TILT = 0.25  # exponent of the prior (1 - correlation²)^-TILT
LIMITS = (0.025, 0.975)
ROUNDING = 1e-14  # of the squares: a residual below it is that of a straight line


class Slope(NamedTuple):
    """Change a month with its 95% interval, two-sided p of no change, and the mean of the autocorrelation."""

    value: float
    low: float
    high: float
    p: float
    correlation: float


class _Models(NamedTuple):
    """Generalised least squares under each model of the residuals: a correlation and a share of noise."""

    residual: Floats  # [models, n, n], the residual sum of squares as a quadratic form
    slope: Floats  # [models, n], the slope as a linear form
    variance: Floats  # [models], of the slope for residuals of variance 1
    log_determinant: Floats  # [models], of the covariance and the information together


class _Fits(NamedTuple):
    """One series under every model."""

    slope: Floats  # [models]
    error: Floats  # [models], standard error
    log_likelihood: Floats  # [models], restricted
    freedom: int


def family_slopes(
    series: Floats, months: npt.NDArray[np.int64], images: Floats | None = None
) -> list[Slope]:
    """Slope of each series of a family: y_t = a + b t + u_t, u with covariance σ²[(1 − ω)ρ^|t − s| + ω(v_t if t = s)].

    v_t is 1/images of the month, scaled to mean 1: sampling noise beside a disturbance that lasts. The slope under
    each (ρ, ω) is that of generalised least squares, with n − 2 degrees of freedom. The p-value and the interval are
    those of the mixture of these t distributions, each model weighted by its restricted likelihood (Cheang & Reinsel
    2000), by a prior (1 − ρ²)^−¼, and by the likelihoods of the other series, which count as half a series together.
    Months that are missing leave a gap: ρ^|t − s| takes real month numbers.

    Parameters
    ----------
    series : float64[groups, n], NaN where a month has no images.
    months : int[n], month numbers, rising.
    images : float64[n] of each month; None: months count the same.

    Returns
    -------
    A Slope for each series, per month. A constant one has the slope 0, p = 1 and no interval; one with fewer than 4
    months is NaN.
    """
    fits: list[_Fits | None] = []
    for row in series:
        known = np.isfinite(row)
        y = row[known] - row[known].mean() if known.any() else row[known]
        if len(y) < 4 or not np.ptp(y):
            fits.append(None)
            continue
        counts = None
        if images is not None:
            counts = tuple(images[known].tolist())
        fits.append(_fit(y, _models(tuple(months[known].tolist()), counts)))
    likelihoods = [fit.log_likelihood for fit in fits if fit is not None]
    total = np.sum(likelihoods, axis=0)
    slopes = []
    for row, fit in zip(series, fits, strict=True):
        if fit is None:
            slopes.append(_without_fit(row))
            continue
        others = total - fit.log_likelihood
        share = BORROWED / max(1, len(likelihoods) - 1)
        slopes.append(_averaged(fit, _weights(fit.log_likelihood + share * others)))
    return slopes


def _without_fit(row: Floats) -> Slope:
    """Of a series that is constant, or too short."""
    if np.isfinite(row).sum() < 4:
        return Slope(np.nan, np.nan, np.nan, np.nan, np.nan)
    return Slope(0.0, np.nan, np.nan, 1.0, 0.0)


# Families of the same months, such as those of several numbers of clusters, share their models.
@functools.lru_cache(maxsize=8)
def _models(months: tuple[int, ...], images: tuple[float, ...] | None) -> _Models:
    at = np.array(months)
    noise = np.ones(len(at))
    if images is not None:
        noise = 1 / np.maximum(images, 1)
        noise = noise / noise.mean()
    design = np.column_stack([np.ones(len(at)), at - at.mean()])
    apart = np.abs(at[:, None] - at[None, :])
    rows = []
    for correlation in CORRELATIONS:
        lasting = correlation**apart
        for share in NOISE:
            covariance = (1 - share) * lasting + share * np.diag(noise)
            rows.append(_least_squares(covariance, design))
    residual, slope, variance, log_determinant = zip(*rows, strict=True)
    return _Models(
        residual=np.array(residual),
        slope=np.array(slope),
        variance=np.array(variance),
        log_determinant=np.array(log_determinant),
    )


def _least_squares(
    covariance: Floats, design: Floats
) -> tuple[Floats, Floats, float, float]:
    """The forms of `_Models` for one covariance [n, n] and the design [n, 2]."""
    precision = np.linalg.inv(covariance)
    information = design.T @ precision @ design
    variance = np.linalg.inv(information)
    coefficients = variance @ design.T @ precision
    residual = precision - precision @ design @ coefficients
    of_covariance = np.linalg.slogdet(covariance)[1]
    of_information = np.linalg.slogdet(information)[1]
    log_determinant = float(of_covariance + of_information)
    return residual, coefficients[1], float(variance[1, 1]), log_determinant


def _fit(y: Floats, models: _Models) -> _Fits:
    """One centred series [n] under every model."""
    freedom = len(y) - 2
    squares = np.einsum("i,mij,j->m", y, models.residual, y)
    squares = np.maximum(squares, ROUNDING * float(y @ y))
    likelihood = -0.5 * (models.log_determinant + freedom * np.log(squares))
    error = np.sqrt(squares / freedom * models.variance)
    return _Fits(models.slope @ y, error, likelihood, freedom)


def _weights(log_likelihood: Floats) -> Floats:
    """Posterior weights of the models, [models], sum 1."""
    prior = -TILT * np.log(1 - np.repeat(CORRELATIONS, len(NOISE)) ** 2)
    log_weight = log_likelihood + prior
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())


def _averaged(fit: _Fits, weight: Floats) -> Slope:
    """The mixture of the models' t distributions: its mean, 2.5% and 97.5% quantiles, and p."""
    t = fit.slope / fit.error
    above = float(weight @ special.stdtr(fit.freedom, t))
    below = float(weight @ special.stdtr(fit.freedom, -t))
    return Slope(
        value=float(weight @ fit.slope),
        low=_quantile(fit, weight, LIMITS[0]),
        high=_quantile(fit, weight, LIMITS[1]),
        p=min(1.0, 2 * min(above, below)),
        correlation=float(weight @ np.repeat(CORRELATIONS, len(NOISE))),
    )


def _quantile(fit: _Fits, weight: Floats, chance: float) -> float:
    """The quantile of the mixture, which lies between those of its parts."""

    def excess(value: float) -> float:
        t = (value - fit.slope) / fit.error
        return float(weight @ special.stdtr(fit.freedom, t)) - chance

    parts = fit.slope + fit.error * special.stdtrit(fit.freedom, chance)
    low, high = float(parts.min()), float(parts.max())
    # Rounding can leave both ends on one side of a quantile that they meet.
    if excess(low) >= 0 or excess(high) <= 0:
        return (low + high) / 2
    return float(optimize.brentq(excess, low, high, xtol=1e-15))
