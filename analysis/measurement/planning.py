"""How many labels reach a wanted width, before anybody labels: from an assumed accuracy, or from a pilot.

Drawing n of many images at random, the 95% interval of a corrected share has the width 2 · 1.96 √(v/n), with v the
variance of the label that the model leaves unexplained: p(1 − p)(1 − ρ²), ρ being the correlation of label and flag.
"""

import math

from twigma.analysis.inference.intervals import Z


def residual_variance(prevalence: float, tpr: float, fpr: float) -> float:
    """p(1 − p)(1 − ρ²) of a model that flags a share tpr of what it should, and fpr of the rest.

    Parameters
    ----------
    prevalence : p, above 0 and below 1. tpr, fpr : 0 to 1.

    >>> round(residual_variance(0.12, 0.5, 0.055), 4)  # without the model 0.1056
    0.0828
    """
    if not 0 < prevalence < 1 or not (0 <= tpr <= 1 and 0 <= fpr <= 1):
        raise ValueError(
            "residual_variance: expected a prevalence between 0 and 1, and rates from 0 to 1, "
            f"found {prevalence}, {tpr}, {fpr}"
        )
    variance = prevalence * (1 - prevalence)
    flagged = prevalence * tpr + (1 - prevalence) * fpr
    spread = flagged * (1 - flagged)
    if spread == 0:
        return variance
    return variance * (1 - variance * (tpr - fpr) ** 2 / spread)


def expected_width(labels: int, variance: float) -> float:
    """The width of the 95% interval, high less low, that this many labels give.

    `variance` is that of `residual_variance`.
    """
    return 2 * Z * math.sqrt(variance / labels)


def labels_needed(width: float, variance: float) -> int:
    """The fewest labels whose 95% interval is at most this wide.

    >>> labels_needed(0.05, residual_variance(0.12, 0.5, 0.055))
    509
    """
    if width <= 0:
        raise ValueError(f"labels_needed: expected a width above 0, found {width}")
    # Rounding would make 900.0000000001 one more.
    return math.ceil(round(variance * (2 * Z / width) ** 2, 6))


def variance_of(labels: int, width: float) -> float:
    """The variance for `labels_needed`, from a pilot: its labels, and the width of the 95% interval they gave.

    >>> labels_needed(0.02, variance_of(100, 0.06))
    900
    """
    if labels < 1 or width <= 0:
        raise ValueError(
            f"variance_of: expected labels and a width above 0, found {labels}, {width}"
        )
    return labels * (width / (2 * Z)) ** 2
