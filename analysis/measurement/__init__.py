"""Measurement with imperfect models: shares, trends and regressions of a model's column, corrected by labels.

Arrays in, estimates out. A sample of images is drawn with known probabilities (`sampling`) and labelled by people; the
labels remove the model's bias (`pseudo_outcomes`); images of one author are taken together (`regression`).
"""

from twigma.analysis.measurement.agreement import (
    krippendorff_alpha,
    mutual_information,
    split_and_merged,
)
from twigma.analysis.measurement.estimates import (
    Labelled,
    monthly_trend,
    share,
    shares_by,
)
from twigma.analysis.measurement.planning import (
    expected_width,
    labels_needed,
    residual_variance,
    variance_of,
)
from twigma.analysis.measurement.pseudo_outcomes import PseudoOutcomes, pseudo_outcomes
from twigma.analysis.measurement.regression import Fit, regress
from twigma.analysis.measurement.sampling import Draw, draw_sample, score_strata

__all__ = [
    "Draw",
    "Fit",
    "Labelled",
    "PseudoOutcomes",
    "draw_sample",
    "expected_width",
    "krippendorff_alpha",
    "labels_needed",
    "monthly_trend",
    "mutual_information",
    "pseudo_outcomes",
    "regress",
    "residual_variance",
    "score_strata",
    "share",
    "shares_by",
    "split_and_merged",
    "variance_of",
]
