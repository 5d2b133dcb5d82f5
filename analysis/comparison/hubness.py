"""Hubs: reference images that are near to many; how uneven that is, and pairs ranked again without it (Fig 4e).

In high dimensions a few rows are the nearest of very many others, whatever they show. `twigma analyze` says how
much of that there is beside the most similar pairs.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from twigma.analysis.neighbours.search import Search, nearest
from twigma.analysis.variation.distance import Array
from twigma.analysis.vectors.codebook import sampled_rows

NEIGHBOURS = 10
QUERIES = 50_000  # that are looked up at most
DRAWS = 200  # bootstrap draws of queries


def hubness(
    query: Array,
    reference: Array,
    k: int = NEIGHBOURS,
    *,
    n: int = QUERIES,
    seed: int = 0,
    search: Search = nearest,
) -> dict[str, Any]:
    """Skewness of the k-occurrence N_k of the reference rows (Radovanović et al. 2010).

    N_k(r) is the number of queries with r among their `k` nearest; skewness E(N_k − μ)³/σ³ is near 0 to 1 without
    hubs. Of more than `n` queries so many are drawn at random. The interval is the percentile bootstrap over queries.
    `search` finds the nearest: here, or on a cluster.

    Returns
    -------
    value, low, high, largest (N_k of the largest hub), never (share of the reference that is nobody's neighbour),
    k, n (queries), m (reference rows), seed. ValueError for fewer than 3 reference rows.
    """
    m = len(reference)
    if m < 3:
        raise ValueError(
            f"hubness: expected at least 3 reference rows to compare, found {m}"
        )
    k = min(k, m - 1)
    asked = sampled_rows(len(query), min(n, len(query)), seed)
    index = search(query[asked], reference, k)[1]
    count = np.bincount(index.ravel(), minlength=m)
    rng = np.random.default_rng(seed)
    drawn = [
        _skewness(index[rng.integers(len(index), size=len(index))], m)
        for _ in range(DRAWS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = {
        "value": _skewness(index, m),
        "low": float(low),
        "high": float(high),
        "largest": int(count.max()),
    }
    return found | {
        "never": float((count == 0).mean()),
        "k": k,
        "n": len(index),
        "m": m,
        "seed": seed,
    }


def csls(
    query: Array, reference: Array, rows: Any, k: int = NEIGHBOURS
) -> pd.DataFrame:
    """Nearest reference row of some queries by CSLS(x, y) = 2 cos(x, y) − r(x) − r(y) (Conneau et al. 2018).

    r(x) is the mean cosine of x to its `k` nearest reference rows, r(y) that of y to its `k` nearest queries, so that
    a hub, which is near to everything, loses. The `k` nearest by cosine are ranked again.

    Parameters
    ----------
    query, reference : arrays [n, d] and [m, d]. rows : the queries to rank for.

    Returns
    -------
    DataFrame (row, reference, csls, similarity), one row per entry of `rows`.
    """
    rows = np.asarray(rows)
    if not len(rows) or rows.max() >= len(query):
        raise ValueError(
            f"csls: expected rows of the {len(query)} queries, found {rows.tolist()[:10]}"
        )
    similarity, index = nearest(query[rows], reference, min(k, len(reference)))
    candidates, place = np.unique(index, return_inverse=True)
    crowd = nearest(reference[candidates], query, min(k, len(query)))[0].mean(
        axis=1, dtype=np.float64
    )
    score = (
        2.0 * similarity
        - similarity.mean(axis=1, dtype=np.float64)[:, None]
        - crowd[place.reshape(index.shape)]
    )
    best = score.argmax(axis=1)[:, None]
    taken = (
        np.take_along_axis(x, best, axis=1)[:, 0] for x in (index, score, similarity)
    )
    return pd.DataFrame(
        dict(zip(("reference", "csls", "similarity"), taken, strict=True))
    ).assign(row=rows)


def _skewness(index: npt.NDArray[np.int64], m: int) -> float:
    count = np.bincount(index.ravel(), minlength=m)
    return float(stats.skew(count)) if np.ptp(count) else 0.0
