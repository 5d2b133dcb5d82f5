"""Themes of the images: words per cluster (Fig 4c), and sensitive content (Fig 4d); `twigma analyze` runs them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from twigma.analysis.convert import ARROW, Floats, as_column, require_names
from twigma.analysis.inference.proportions import block_share
from twigma.analysis.themes import words
from twigma.core.names import join_names
from twigma.core.safety.failures import DataError

BINS = np.linspace(0.0, 1.0, 51)  # of the NSFW score
LEAST = 1e-300  # in place of a sum of weights of 0


def top_words(
    captions: Sequence[str | None] | Any,
    labels: Any,
    n: int = 10,
    by: str = "count",
    weights: Any = None,
) -> pd.DataFrame:
    """The `n` first words of each cluster's captions, after stopwords and caption boilerplate (Fig 4c).

    score is c-TF-IDF (Grootendorst 2022): tf ln(1 + A / f), with tf the word's share of the cluster's words,
    f its count over all clusters and A the mean number of words of a cluster: high for words of one cluster.

    Parameters
    ----------
    captions : text or None, one per image; a missing caption has no words.
    labels : int, the cluster of each image.
    by : "count" (the paper's unigrams) or "score".
    weights : float [n] of a sample, one per caption, by which words are counted; None: all captions count the same.

    Returns
    -------
    DataFrame (cluster, rank, word, count, score)
    """
    return first_words(cluster_words(captions, labels, weights), n, by)


def cluster_words(captions: Any, labels: Any, weights: Any = None) -> pd.DataFrame:
    """Every word of each cluster's captions; parameters as in `top_words`. Some captions are read at a time.

    Returns
    -------
    DataFrame (cluster, word, count, score). ValueError where no caption has a word.
    """
    if not isinstance(captions, ARROW):
        captions = pa.array(as_column(captions), pa.string(), from_pandas=True)
    labels = np.asarray(as_column(labels)).astype(np.int64)
    if len(captions) != len(labels):
        raise DataError(
            f"top_words: {len(captions)} captions but {len(labels)} labels; give one label per caption"
        )
    weight = np.ones(len(captions), np.int64)
    if weights is not None:
        weight = np.asarray(as_column(weights))
    counts = words.WordCounts(words.BOILERPLATE)
    counts.add(captions, labels, weight)
    frame = _scored(dict(sorted(counts.by_group.items())))
    if frame.empty:
        raise DataError(
            f"fig4c: {len(captions)} captions have no word but stopwords and boilerplate; caption again"
        )
    return frame


def first_words(counted: pd.DataFrame, n: int = 10, by: str = "count") -> pd.DataFrame:
    """The `n` first words of each cluster by "count" or "score", from what `cluster_words` gives.

    Returns
    -------
    DataFrame (cluster, rank, word, count, score)
    """
    if by not in ("count", "score"):
        raise ValueError(f"top_words ranks by 'count' or 'score', got by={by!r}")
    frame = counted.sort_values(["cluster", by, "word"], ascending=[True, False, True])
    frame["rank"] = frame.groupby("cluster").cumcount() + 1
    chosen = frame[frame["rank"] <= n].reset_index(drop=True)
    return chosen[["cluster", "rank", "word", "count", "score"]]


def _scored(counts: Mapping[int, Mapping[str, float]]) -> pd.DataFrame:
    """A row per cluster and word, with its c-TF-IDF."""
    overall: dict[str, float] = {}
    for counter in counts.values():
        for word, count in counter.items():
            overall[word] = overall.get(word, 0) + count
    average = sum(overall.values()) / max(len(counts), 1)
    rows = []
    for cluster, counter in counts.items():
        total = words.total(counter)
        for word, count in counter.items():
            score = count / total * float(np.log1p(average / overall[word]))
            rows.append((cluster, word, count, score))
    return pd.DataFrame(rows, columns=["cluster", "word", "count", "score"])


def nsfw_density(
    scores: Mapping[str, Any], bins: Any = BINS, weights: Mapping[str, Any] = {}
) -> pd.DataFrame:
    """Histogram of the NSFW score of each set, as a density: it integrates to 1 (Fig 4d).

    Parameters
    ----------
    scores : float [n] per set, 0 to 1; nan is left out.
    bins : edges, ascending.
    weights : float [n] of the sets that are weighted samples.

    Returns
    -------
    DataFrame (set, low, high, density, n), one row per set and bin, `n` scores in the bin.
    """
    frames = []
    for name, (known, weight) in _known(scores, weights).items():
        count = np.histogram(known, bins)[0]
        w = np.ones(len(known)) if weight is None else weight
        mass = np.histogram(known, bins, weights=w)[0]
        density = mass / (max(w.sum(), LEAST) * np.diff(bins))
        frame = pd.DataFrame({"set": name, "low": bins[:-1], "high": bins[1:]})
        frames.append(frame.assign(density=density, n=count))
    return pd.concat(frames, ignore_index=True)


def nsfw_share(
    scores: Mapping[str, Any],
    threshold: float = 0.5,
    weights: Mapping[str, Any] = {},
    blocks: Mapping[str, Any] = {},
) -> pd.DataFrame:
    """Share of each set whose score exceeds `threshold`, with Wilson's 95% interval (Fig 4d).

    Of sets with `weights` the share is Σ w [above] / Σ w, and the interval that of the effective number of rows; of
    sets with `blocks` that of as many rows as their owners are worth (`block_share`).

    Parameters
    ----------
    scores, weights : as in `nsfw_density`.
    blocks : set → label per row [n] (author, artist, prompt) of images that may depend on each other.

    Returns
    -------
    DataFrame (set, share, low, high, blocks, owners_known, n), `blocks` being their effective number.
    """
    rows = []
    for name, (known, weight) in _known(scores, weights).items():
        owners = None
        if name in blocks:
            scored = ~np.isnan(np.asarray(as_column(scores[name]), dtype=np.float64))
            owners = np.asarray(as_column(blocks[name]))[scored]
        share = block_share(known > threshold, owners, weight)
        rows.append({"set": name, **share.cells(), "n": len(known)})
    return pd.DataFrame(rows)


def _known(
    scores: Mapping[str, Any], weights: Mapping[str, Any]
) -> dict[str, tuple[Floats, Floats | None]]:
    """The scores of each set that are known, and their weights if it has any; ValueError where no set has a score."""
    require_names(scores)
    known = {}
    for name, values in scores.items():
        numbers = np.asarray(as_column(values), dtype=np.float64)
        some = ~np.isnan(numbers)
        weight = None
        if name in weights:
            weight = np.asarray(as_column(weights[name]))[some]
        known[name] = numbers[some], weight
    if not any(len(values) for values, _ in known.values()):
        raise DataError(
            f"fig4d: no image of {join_names(sorted(scores))} has an NSFW score; `twigma nsfw` makes them"
        )
    return known
