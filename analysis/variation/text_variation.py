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

from twigma.analysis.variation.distance import Array, Floats, distances

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
    """Mean distance of two texts of each kind, at the lengths of the prompts (section 3.3, Fig 3d).

    With D the Euclidean distances and v the weights, Σ_{i≠j} v_i v_j D_ij / Σ_{i≠j} v_i v_j. The weights make the
    histogram of words that of the prompts, over the bins of five words that both have; `base_distance` is that of the
    prompts over the same bins, so that the difference is not of length. Intervals are 95% percentiles of 500 draws of
    whole blocks.

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
        raise ValueError(
            f"fig3d: expected the texts {base!r} to compare with, found {sorted(texts)}"
        )
    rng = np.random.default_rng(seed)
    drawn = {
        name: _drawn(texts[name], rng)
        for name in [base, *(name for name in texts if name != base)]
    }
    apart = {name: _apart(found.embedding) for name, found in drawn.items()}
    bins = {name: (found.words - 1) // WIDTH for name, found in drawn.items()}
    counts = {name: _resampled(found.blocks, rng) for name, found in drawn.items()}
    rows = []
    for name, found in drawn.items():
        share = pd.Series(bins[base]).value_counts(normalize=True)
        share = share[share.index.isin(bins[name])]
        both = [
            _scores(apart[each], bins[each], share, counts[each])
            for each in (name, base)
        ]
        (value, draws), (other, other_draws) = both
        low, high = _limits(draws)
        less, more = _limits(draws - other_draws) if name != base else (np.nan, np.nan)
        unmatched = float(_weighted(apart[name], np.ones((1, len(apart[name]))))[0])
        rows.append(
            {"set": name, "distance": value, "low": low, "high": high, "base_distance": other}
            | {"difference": value - other, "difference_low": less, "difference_high": more, "unmatched": unmatched}
            | {"support": float(share.sum()), "effective": _effective(bins[name], share)} | _facts(found)
        )  # fmt: skip
    return pd.DataFrame(rows).assign(seed=seed)


def _drawn(texts: Texts, rng: np.random.Generator) -> Texts:
    if len(texts.embedding) < 2:
        raise ValueError(
            f"fig3d: expected at least two texts of {texts.name!r}, found {len(texts.embedding)}"
        )
    rows = np.sort(rng.permutation(len(texts.embedding))[:MOST])
    tokens = None if texts.tokens is None else texts.tokens[rows]
    return Texts(
        texts.name,
        texts.embedding[rows],
        texts.words[rows],
        tokens,
        np.asarray(texts.blocks)[rows],
    )


def _apart(x: Array) -> Floats:
    rows = x.astype(np.float64)
    found = distances(rows, rows)
    np.fill_diagonal(found, 0)
    return found


def _resampled(blocks: Array, rng: np.random.Generator) -> Floats:
    """How often each text is drawn, float64[DRAWS, n], when whole blocks are; the first row is all ones."""
    codes = pd.factorize(pd.Series(blocks, dtype=object))[0]
    total = int(codes.max()) + 1
    times = rng.multinomial(total, np.full(total, 1 / total), size=DRAWS)
    return np.concatenate([np.ones((1, len(codes))), times[:, codes]])


def _scores(
    apart: Floats, bins: Array, share: "pd.Series[float]", counts: Floats
) -> tuple[float, Floats]:
    """The matched mean distance, and that of each draw."""
    found = _weighted(apart, _matched(bins, share, counts))
    return float(found[0]), found[1:]


def _matched(bins: Array, share: "pd.Series[float]", counts: Floats) -> Floats:
    """Weights with which each row of `counts` has these shares of texts in the bins; a bin not drawn has none."""
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
    means: Floats = np.divide(
        total, pairs, out=np.full(len(weights), np.nan), where=pairs > 1e-12
    )
    return means


def _limits(draws: Floats) -> tuple[float, float]:
    if np.isnan(draws).all():
        return np.nan, np.nan
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _effective(bins: Array, share: "pd.Series[float]") -> float:
    weights = _matched(bins, share, np.ones((1, len(bins))))[0]
    return float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0


def _facts(texts: Texts) -> dict[str, Any]:
    return {
        "median_words": float(np.median(texts.words)),
        "long": np.nan
        if texts.tokens is None
        else float((texts.tokens > CONTEXT).mean()),
        "blocks": int(pd.Series(texts.blocks, dtype=object).nunique()),
        "n": len(texts.words),
    }
