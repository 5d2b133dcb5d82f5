"""How varied prompts are beside captions, haiku, posts, news and a book, at equal lengths (Fig 3d).

CLIP's text half places longer texts otherwise than shorter ones, so every kind of text is weighted to the prompts'
histogram of words. `twigma analyze` runs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Array, Floats
from twigma.analysis.inference.blocks import FEWEST, effective_blocks_of
from twigma.analysis.inference.proportions import effective_size
from twigma.analysis.variation.distance import all_distances
from twigma.core.safety.failures import DataError

WIDTH = 5  # words a bin: 1 to 5, 6 to 10, …
MOST = 2000  # texts of a kind that are compared: all pairs are held
DRAWS = 500
CONTEXT = 77  # tokens that CLIP reads; the rest of a longer text is cut off


@dataclass(frozen=True)
class Texts:
    """Texts of one kind: their embedding float32[n, d] (rows of norm 1), words int[n], and what goes together.

    `tokens` is None where it is not known. `blocks` has a label per text of what is resampled together, such as the
    author of a post or a passage of a book.
    """

    name: str
    embedding: npt.NDArray[np.float32]
    words: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64] | None
    blocks: Array


def text_variation(
    texts: Mapping[str, Texts], base: str = "prompts", *, seed: int = 0
) -> pd.DataFrame:
    """Mean distance of two texts of each kind, at the lengths of the prompts (paper, Fig 3d).

    With D the Euclidean distances and v the weights, Σ_{i≠j} v_i v_j D_ij / Σ_{i≠j} v_i v_j. The weights make the
    histogram of words that of the prompts, over the bins of five words that both have; `base_distance` is that of the
    prompts over the same bins, so that the difference is not of length. Intervals are 95% percentiles of 500 draws of
    complete blocks.

    Parameters
    ----------
    texts : by kind; at most 2,000 random ones of each are compared.
    base : the kind whose lengths the others take.

    Returns
    -------
    DataFrame, a row per kind, `base` first: set, distance, low, high, base_distance, difference (to the base), with
    difference_low and difference_high, unmatched (all weights equal), support (share of the base's texts whose length
    the kind has), effective (Kish's size (Σv)²/Σv²), median_words, long (share of more than 77 tokens; NaN where
    unknown), blocks, n, seed. A kind with fewer than two texts of such a length has NaN.
    """
    if base not in texts:
        raise DataError(
            f"fig3d: expected the texts {base!r} to compare with, found {sorted(texts)}"
        )
    rng = np.random.default_rng(seed)
    order = [base, *(name for name in texts if name != base)]
    kinds = {name: _drawn(texts[name], rng) for name in order}
    samples = {name: _sample(kinds[name], rng) for name in order}
    rows = [_row(name, base, samples) | _facts(kinds[name]) for name in order]
    return pd.DataFrame(rows).assign(seed=seed)


@dataclass(frozen=True)
class _Sample:
    """What the texts of a kind are compared by."""

    apart: Floats  # [n, n], distances of all texts
    blocks: int
    bins: Array  # [n], bin of each text's words
    counts: Floats  # [1 + DRAWS, n], how often each is in the sample and in its draws


def _sample(texts: Texts, rng: np.random.Generator) -> _Sample:
    return _Sample(
        apart=all_distances(texts.embedding),
        blocks=_count_blocks(texts),
        bins=(texts.words - 1) // WIDTH,
        counts=_resampled(texts.blocks, rng),
    )


def _row(name: str, base: str, samples: Mapping[str, _Sample]) -> dict[str, Any]:
    """The distances of one kind and of the base, at the lengths that both have."""
    sample = samples[name]
    share = pd.Series(samples[base].bins).value_counts(normalize=True)
    share = share[share.index.isin(sample.bins)]
    value, draws = _scores(sample, share)
    base_value, base_draws = _scores(samples[base], share)
    low, high = _limits(draws, sample.blocks)
    difference_low = difference_high = np.nan
    if name != base:
        difference_low, difference_high = _limits(
            draws - base_draws, min(sample.blocks, samples[base].blocks)
        )
    equal = np.ones((1, len(sample.apart)))
    return {
        "set": name,
        "distance": value,
        "low": low,
        "high": high,
        "base_distance": base_value,
        "difference": value - base_value,
        "difference_low": difference_low,
        "difference_high": difference_high,
        "unmatched": float(_weighted(sample.apart, equal)[0]),
        "support": float(share.sum()),
        "effective": effective_size(_matched(sample.bins, share)[0]),
    }


def _drawn(texts: Texts, rng: np.random.Generator) -> Texts:
    """At most 2,000 random texts of a kind, in order."""
    if len(texts.embedding) < 2:
        raise DataError(
            f"fig3d: expected at least two texts of {texts.name!r}, found {len(texts.embedding)}"
        )
    rows = np.sort(rng.permutation(len(texts.embedding))[:MOST])
    return Texts(
        name=texts.name,
        embedding=texts.embedding[rows],
        words=texts.words[rows],
        tokens=None if texts.tokens is None else texts.tokens[rows],
        blocks=np.asarray(texts.blocks)[rows],
    )


def _resampled(blocks: Array, rng: np.random.Generator) -> Floats:
    """How often each text is drawn, float64[DRAWS, n], when blocks are resampled; the first row is all ones."""
    codes = pd.factorize(pd.Series(blocks, dtype=object))[0]
    total = int(codes.max()) + 1
    times = rng.multinomial(total, np.full(total, 1 / total), size=DRAWS)
    return np.concatenate([np.ones((1, len(codes))), times[:, codes]])


def _scores(sample: _Sample, share: "pd.Series[float]") -> tuple[float, Floats]:
    """The matched mean distance, and that of each draw, [DRAWS]."""
    means = _weighted(sample.apart, _matched(sample.bins, share, sample.counts))
    return float(means[0]), means[1:]


def _matched(
    bins: Array, share: "pd.Series[float]", counts: Floats | None = None
) -> Floats:
    """Weights with which each row of `counts` has these shares of texts in the bins; a bin not drawn has none."""
    if counts is None:
        counts = np.ones((1, len(bins)))
    weights = np.zeros(counts.shape)
    for label, target in share.items():
        member = bins == label
        total = counts[:, member].sum(axis=1, keepdims=True)
        weights[:, member] = target * counts[:, member] / np.maximum(total, 1)
    return weights


def _weighted(apart: Floats, weights: Floats) -> Floats:
    """Σ_{i≠j} v_i v_j D_ij / Σ_{i≠j} v_i v_j for each row of weights; NaN where no pair has any."""
    pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
    total = np.einsum("ij,ij->i", weights @ apart, weights)
    means = np.full(len(weights), np.nan)
    np.divide(total, pairs, out=means, where=pairs > 1e-12)
    return means


def _limits(draws: Floats, blocks: int) -> tuple[float, float]:
    """The 95% interval of draws of so many blocks; NaN of fewer than three."""
    if blocks < FEWEST or np.isnan(draws).all():
        return np.nan, np.nan
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _facts(texts: Texts) -> dict[str, Any]:
    """What the texts of a kind are: lengths, blocks and number."""
    long = np.nan
    if texts.tokens is not None:
        long = float((texts.tokens > CONTEXT).mean())
    return {
        "median_words": float(np.median(texts.words)),
        "long": long,
        "blocks": effective_blocks_of(texts.blocks, len(texts.words)),
        "n": len(texts.words),
    }


def _count_blocks(texts: Texts) -> int:
    return int(pd.Series(texts.blocks, dtype=object).nunique())
