"""Estimates and their intervals: of means and shares, of weighted samples, and of what is left of an id list."""

from twigma.analysis.inference.intervals import Estimate, block_codes, interval
from twigma.analysis.inference.multiple_testing import benjamini_hochberg
from twigma.analysis.inference.proportions import (
    effective_size,
    weighted_share,
    wilson,
)
from twigma.analysis.inference.sample_weights import thinned, weighted_mean
from twigma.analysis.inference.survival import survival_weights, with_survival

__all__ = [
    "Estimate",
    "benjamini_hochberg",
    "block_codes",
    "effective_size",
    "interval",
    "survival_weights",
    "thinned",
    "weighted_mean",
    "weighted_share",
    "wilson",
    "with_survival",
]
