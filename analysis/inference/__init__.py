"""Estimates and their intervals: of means and shares, of weighted samples, and of what is left of an id list."""

from twigma.analysis.inference.blocks import (
    dense_blocks,
    effective_blocks,
    few_note,
    half_width,
    jackknife,
    unknown_note,
)
from twigma.analysis.inference.intervals import Estimate, block_codes, interval
from twigma.analysis.inference.multiple_testing import benjamini_hochberg
from twigma.analysis.inference.permutation import random_divisions, tail_p
from twigma.analysis.inference.proportions import (
    block_share,
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
    "block_share",
    "dense_blocks",
    "effective_blocks",
    "effective_size",
    "few_note",
    "half_width",
    "interval",
    "jackknife",
    "random_divisions",
    "survival_weights",
    "tail_p",
    "thinned",
    "unknown_note",
    "weighted_mean",
    "weighted_share",
    "wilson",
    "with_survival",
]
