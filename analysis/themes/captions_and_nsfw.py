"""Themes of the images: words per cluster (Fig 4c), sensitive content (Fig 4d), most similar pairs (Fig 4e).

`twigma analyze` runs them. Pairs are "similar": closeness of embeddings shows no copying.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twigma.analysis.inference.proportions import weighted_share
from twigma.analysis.themes import words

BINS = np.linspace(0.0, 1.0, 51)  # of the NSFW score
NULL = 5000  # reference images whose own nearest neighbour is the null of Fig 4e


def top_words(
    captions: Sequence[str | None],
    labels: Sequence[int] | NDArray[np.integer],
    n: int = 10,
    by: str = "count",
) -> pd.DataFrame:
    """The `n` first words of each cluster's captions, after stopwords and caption boilerplate (Fig 4c).

    score is c-TF-IDF (Grootendorst 2022): tf ln(1 + A / f), with tf the word's share of the cluster's words,
    f its count over all clusters and A the mean number of words of a cluster: high for words of one cluster.

    Parameters
    ----------
    captions, labels : one per image; a missing caption has no words.
    by : "count" (the paper's unigrams) or "score".

    Returns
    -------
    DataFrame (cluster, rank, word, count, score)
    """
    if by not in ("count", "score"):
        raise ValueError(f"top_words ranks by 'count' or 'score', got by={by!r}")
    counts = _counts(captions, labels)
    rows = [
        row
        for cluster, counter in counts.items()
        for row in _scored(cluster, counter, counts)
    ]
    if not rows:
        raise ValueError(
            f"fig4c: {len(captions)} captions have no word but stopwords and boilerplate; caption again"
        )
    frame = pd.DataFrame(rows, columns=["cluster", "word", "count", "score"])
    frame = frame.sort_values(["cluster", by, "word"], ascending=[True, False, True])
    frame["rank"] = frame.groupby("cluster").cumcount() + 1
    chosen = frame[frame["rank"] <= n].reset_index(drop=True)
    return chosen[["cluster", "rank", "word", "count", "score"]]


def _counts(
    captions: Sequence[str | None], labels: Sequence[int] | NDArray[np.integer]
) -> dict[int, Counter[str]]:
    if len(captions) != len(labels):
        raise ValueError(
            f"top_words: {len(captions)} captions but {len(labels)} labels; give one label per caption"
        )
    frame = pd.DataFrame(
        {"caption": list(captions), "label": np.asarray(labels, dtype=int)}
    )
    groups = frame.groupby("label")["caption"]
    return {
        int(str(label)): words.count(texts.dropna(), words.BOILERPLATE)
        for label, texts in groups
    }


def _scored(
    cluster: int, counter: Counter[str], counts: dict[int, Counter[str]]
) -> list[tuple[int, str, int, float]]:
    overall: Counter[str] = sum(counts.values(), Counter())
    average, total = overall.total() / len(counts), counter.total()
    return [
        (cluster, w, c, c / total * float(np.log1p(average / overall[w])))
        for w, c in counter.items()
    ]


def nsfw_density(
    scores: Mapping[str, NDArray[np.floating]],
    bins: NDArray[np.floating] = BINS,
    weights: Mapping[str, NDArray[np.floating]] = {},
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
    _require_scores(scores)
    frames = []
    for name, values in scores.items():
        found = _known(values)
        count = np.histogram(found, bins)[0]
        held = (
            weights[name][~np.isnan(values)] if name in weights else np.ones(len(found))
        )
        density = np.histogram(found, bins, weights=held)[0] / (
            max(held.sum(), 1e-300) * np.diff(bins)
        )
        frames.append(
            pd.DataFrame(
                {
                    "set": name,
                    "low": bins[:-1],
                    "high": bins[1:],
                    "density": density,
                    "n": count,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def nsfw_share(
    scores: Mapping[str, NDArray[np.floating]],
    threshold: float = 0.5,
    weights: Mapping[str, NDArray[np.floating]] = {},
) -> pd.DataFrame:
    """Share of each set whose score exceeds `threshold`, with Wilson's 95% interval (Fig 4d).

    Of sets with `weights` the share is Σ w [above] / Σ w, and the interval that of the effective number of rows.

    Returns
    -------
    DataFrame (set, share, low, high, n)
    """
    _require_scores(scores)
    rows = []
    for name, values in scores.items():
        found = _known(values)
        held = weights[name][~np.isnan(values)] if name in weights else None
        rows.append((name, *weighted_share(found > threshold, held), len(found)))
    return pd.DataFrame(rows, columns=["set", "share", "low", "high", "n"])


def _require_scores(scores: Mapping[str, NDArray[np.floating]]) -> None:
    if not any(len(_known(values)) for values in scores.values()):
        raise ValueError(
            f"fig4d: no image of {sorted(scores)} has an NSFW score; `twigma nsfw` makes them"
        )


def _known(values: NDArray[np.floating]) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64)
    return found[~np.isnan(found)]


def neighbour_pairs(
    query: NDArray[np.floating],
    reference: NDArray[np.floating],
    query_names: Sequence[str],
    reference_names: Sequence[str],
    *,
    n: int = 20,
    seed: int = 0,
    weights: NDArray[np.floating] | None = None,
    found: tuple[NDArray[np.floating], NDArray[np.int64]] | None = None,
) -> pd.DataFrame:
    """The `n` queries most similar to any reference image, with that image (Fig 4e).

    The null of `p` is how similar reference images are to their own nearest neighbour in the reference set (at most
    `NULL` of them): p = (1 + those as similar or more) / (1 + all). It is adjusted over all queries
    (Benjamini-Hochberg): a small `p_adjusted` says closer than two reference images ever are, not that one was copied.

    Parameters
    ----------
    query, reference : float [N, d] and [M, d], M >= 2.
    query_names, reference_names : one name per row.
    weights : how many queries each stands for in a weighted sample; the rate is then among those.
    found : the similarity of each query to its nearest reference row, and which one that is, [N] each, where known.

    Returns
    -------
    DataFrame (rank, row, image_name, reference_name, similarity, mutual, hub, p, p_adjusted): `row` of the query,
    `mutual` when the query is also the reference image's nearest, `hub` the number of queries whose nearest it is.
    """
    from twigma.analysis.neighbours.search import nearest

    if found is None:
        similarities, rows = nearest(query, reference, 1)
        found = similarities[:, 0], rows[:, 0]
    similarity, index = found
    order = np.argsort(-similarity, kind="stable")[:n]
    p = _as_close(similarity, _own_neighbours(reference, seed))
    chosen = index[order]
    back = nearest(reference[chosen], query, 1)[1][:, 0]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "row": order,
            "image_name": [query_names[row] for row in order],
            "reference_name": [reference_names[row] for row in chosen],
            "similarity": similarity[order],
            "mutual": back == order,
            "hub": np.bincount(index, minlength=len(reference))[chosen],
            "p": p[order],
            "p_adjusted": _adjusted(p, weights)[order],
        }
    )


def _adjusted(
    p: NDArray[np.float64], weights: NDArray[np.floating] | None
) -> NDArray[np.float64]:
    """Benjamini-Hochberg where row i stands for w_i tests: min over j ≥ i of p_(j) Σw / Σ_{l ≤ j} w_(l), at most 1."""
    w = np.ones(len(p)) if weights is None else np.asarray(weights, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    share = np.cumsum(w[order]) / w.sum()
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(
        1, np.minimum.accumulate((p[order] / share)[::-1])[::-1]
    )
    return adjusted


def _own_neighbours(reference: NDArray[np.floating], seed: int) -> NDArray[np.float32]:
    """Similarity of reference images to their nearest other one, sorted; the first neighbour is the image itself."""
    from twigma.analysis.neighbours.search import nearest

    rows = np.random.default_rng(seed).permutation(len(reference))[:NULL]
    return np.sort(nearest(reference[rows], reference, 2)[0][:, 1])


def _as_close(
    similarity: NDArray[np.floating], null: NDArray[np.floating]
) -> NDArray[np.float64]:
    above = len(null) - np.searchsorted(null, similarity, side="left")
    return np.asarray((1 + above) / (1 + len(null)))
