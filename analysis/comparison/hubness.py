"""Hubs: reference images that are near to many; how uneven that is, and pairs ranked again without it (Fig 4e).

In high dimensions a few rows are the nearest of very many others, whatever they show. `twigma analyze` says how
much of that there is beside the most similar pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from twigma.analysis.convert import Floats, as_column, as_matrix
from twigma.analysis.inference.blocks import (
    dense_blocks,
    effective_blocks,
    half_width,
    jackknife,
    known_blocks,
)
from twigma.analysis.inference.intervals import Estimate, limits
from twigma.analysis.neighbours.blocks import Search
from twigma.analysis.neighbours.search import nearest
from twigma.analysis.vectors.samples import sampled_rows
from twigma.core.safety.failures import DataError

NEIGHBOURS = 10
QUERIES = 50_000  # that are looked up at most


@dataclass(frozen=True, repr=False)
class Hubness(Estimate):
    """Skewness of the k-occurrence, with its interval from `n` queries."""

    largest: int  # N_k of the largest hub
    never: float  # share of the reference that is no query's neighbour
    k: int
    m: int  # reference rows
    seed: int
    blocks: float  # effective number of owners of the queries
    owners_known: bool

    def keys(self) -> Iterator[str]:
        """In the order of the columns of the table."""
        names = ("value", "low", "high", "largest", "never", "k", "n", "m", "blocks")
        return iter((*names, "owners_known", "seed"))


def hubness(
    query: Any,
    reference: Any,
    k: int = NEIGHBOURS,
    *,
    n: int = QUERIES,
    seed: int = 0,
    search: Search = nearest,
    blocks: Any = None,
) -> Hubness:
    """Skewness of the k-occurrence N_k of the reference rows (Radovanović et al. 2010).

    N_k(r) is the number of queries with r among their `k` nearest; skewness E(N_k − μ)³/σ³ is near 0 to 1 without
    hubs. The interval is from the skewness without each query, or without all queries of each owner; it
    is within ±(m − 2)/√(m − 1), and there is none for fewer than three.

    Parameters
    ----------
    query, reference : matrices [N, d] and [m, d], m ≥ 3. k : neighbours, at most m − 1.
    n : queries; of more, so many are drawn at random.
    search : of the nearest neighbours: here, or on a cluster.
    blocks : label per query (author), [N], of images that may depend on each other; None where they are not known.
    """
    query, reference = as_matrix(query), as_matrix(reference)
    m = len(reference)
    if m < 3:
        raise DataError(
            f"hubness: expected at least 3 reference rows to compare, found {m}"
        )
    k = min(k, m - 1)
    rows = sampled_rows(len(query), min(n, len(query)), seed)
    index = search(query[rows], reference, k)[1]
    count = np.bincount(index.ravel(), minlength=m)
    owners = None if blocks is None else np.asarray(as_column(blocks))[rows]
    codes = dense_blocks(owners, len(rows))
    sizes = np.bincount(codes)
    value = _skewness(count.astype(np.float64))
    half = half_width(jackknife(_without_each(index, count, codes), value, sizes))
    # Of m numbers, of which one is different from all others.
    most = (m - 2) / np.sqrt(m - 1)
    low, high = limits(value, half, -most, most)
    return Hubness(
        value=value,
        low=low,
        high=high,
        n=len(index),
        largest=int(count.max()),
        never=float((count == 0).mean()),
        k=k,
        m=m,
        seed=seed,
        blocks=effective_blocks(sizes),
        owners_known=known_blocks(owners),
    )


def csls(query: Any, reference: Any, rows: Any, k: int = NEIGHBOURS) -> pd.DataFrame:
    """Nearest reference row of some queries by CSLS(x, y) = 2 cos(x, y) − r(x) − r(y) (Conneau et al. 2018).

    r(x) is the mean cosine of x to its `k` nearest reference rows, r(y) that of y to its `k` nearest queries, so that
    a hub, which is near to everything, loses. The `k` nearest by cosine are ranked again.

    Parameters
    ----------
    query, reference : matrices [n, d] and [m, d]. rows : int [r], the queries to rank for.

    Returns
    -------
    DataFrame (reference, csls, similarity, row), one row per entry of `rows`.
    """
    query, reference = as_matrix(query), as_matrix(reference)
    rows = np.asarray(rows)
    if not len(rows) or rows.max() >= len(query):
        raise DataError(
            f"csls: expected rows of the {len(query)} queries, found {rows.tolist()[:10]}"
        )
    similarity, index = nearest(query[rows], reference, min(k, len(reference)))
    candidates, place = np.unique(index, return_inverse=True)
    back = nearest(reference[candidates], query, min(k, len(query)))[0]
    crowd = back.mean(axis=1, dtype=np.float64)
    own = similarity.mean(axis=1, dtype=np.float64)[:, None]
    score = 2.0 * similarity - own - crowd[place.reshape(index.shape)]
    best = score.argmax(axis=1)[:, None]
    columns = {"reference": index, "csls": score, "similarity": similarity}
    table = pd.DataFrame()
    for name, values in columns.items():
        table[name] = np.take_along_axis(values, best, axis=1)[:, 0]
    return table.assign(row=rows)


def _skewness(count: Floats) -> float:
    """Of how often each row is among the neighbours [m]; 0 where all are as often."""
    if not np.ptp(count):
        return 0.0
    return float(stats.skew(count))


def _without_each(
    index: npt.NDArray[np.int64],
    count: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int64],
) -> Floats:
    """The skewness of the counts [m] without the neighbours [n, k] of each owner, float64[g], from owners int64[n].

    By the sums of powers of the counts, of which an owner changes only those of its own neighbours.
    """
    m, owners = len(count), int(codes.max()) + 1
    cells, times = np.unique(codes[:, None] * m + index, return_counts=True)
    owner = cells // m
    before = count[cells % m].astype(np.float64)
    sums = []
    for power in (1, 2, 3):
        change = before**power - (before - times) ** power
        total = np.sum(count.astype(np.float64) ** power)
        sums.append(total - np.bincount(owner, weights=change, minlength=owners))
    mean, square, cube = (each / m for each in sums)
    variance = square - mean**2
    third = cube - 3 * mean * square + 2 * mean**3
    result: Floats = np.zeros(owners)
    # Counts that are all the same leave rounding only.
    varied = variance > 1e-9 * np.maximum(1, square)
    result[varied] = third[varied] / variance[varied] ** 1.5
    return result
