"""Exact nearest neighbours, the quintiles of similarity, and likes by quintile (Fig 2d, 4e); for `twigma analyze`.

The search is exact: an approximate index changes the quintiles (an IVF index with 8 probes agrees on half of
them). On a processor, `screening` spares it most of the work where bounds are close enough, and faiss does it all where
they are not; a GPU computes every product.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.inference.sample_weights import weighted_mean

Array = npt.NDArray[Any]

TOP_K = 5  # section 3.2: the mean of the five largest similarities
FAR = 100  # neighbours up to which a bound can spare work
QUERIES = 16_384  # searched for at a time: 50 MB at 768 dimensions
FEW, MANY = (
    10**8,
    10**9,
)  # products from which a GPU is worth its start, and a processor's faster way a few trials
UNIT = 2e-7  # a norm this near to 1 is 1 in float32


def unit_rows(x: Array, name: str = "x", first: int = 0) -> npt.NDArray[np.float32]:
    """Rows of `x` divided by their L2 norm, float32[n, d]; ValueError for empty, non-finite or zero rows.

    `first` is the number of the first row, for the error. What is float32 and of norm 1 already is not copied.
    """
    x = np.asarray(x)
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(
            f"{name}: expected a matrix with at least one row, found shape {x.shape}"
        )
    rows = x.astype(np.float32, copy=False)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))[:, None]
    if not (np.isfinite(norms).all() and norms.all()):
        row = first + int(np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))[0])
        raise ValueError(
            f"{name}: row {row} is zero or not finite and has no cosine; drop such rows first"
        )
    return rows if np.abs(norms - 1).max() < UNIT else rows / norms.astype(np.float32)


Found = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
Find = Callable[[Array], Found]  # the nearest of each unit row, in one reference
Search = Callable[
    [Array, Array, int], Found
]  # as `nearest`; `ray_neighbours.search_on` gives one on a cluster


def nearest(
    query: Array, reference: Array, k: int = TOP_K, *, device: str | None = None
) -> Found:
    """The `k` reference rows most similar to each query row, by exact cosine similarity (Fig 2d, 4e).

    Parameters
    ----------
    query, reference : arrays [n, d] and [m, d], any float type; rows are normalised.
    k : neighbours, at most m.
    device : "cpu" or "cuda"; None takes a GPU where there is one, for what is not done in a moment.

    Returns
    -------
    (similarity, index) : float32[n, k], falling, and int64[n, k], rows of `reference`.
    """
    check(query, reference, k)
    search, found = searcher(reference, k, len(query), device), []
    with progress(query) as bar:
        for first, block in blocks(query):
            found.append(search(block, first))
            bar.update(len(block))
    return joined(found)


def check(query: Array, reference: Array, k: int) -> None:
    """ValueError unless the matrices have one width, and the reference `k` rows."""
    if not 1 <= k <= len(reference):
        raise ValueError(
            f"nearest: expected 1 <= k <= {len(reference)}, the rows of the reference, found k={k}"
        )
    if query.ndim != 2 or reference.ndim != 2 or query.shape[1] != reference.shape[1]:
        raise ValueError(
            f"nearest: expected matrices of one width, found {query.shape} and {reference.shape}"
        )


def blocks(query: Array) -> Iterator[tuple[int, Array]]:
    """The queries that are searched for at a time, each block with the number of its first row."""
    return (
        (start, query[start : start + QUERIES])
        for start in range(0, max(1, len(query)), QUERIES)
    )


def progress(query: Array) -> Any:
    """A bar over the queries, for searches of over a second."""
    from twigma.core.progress import progress_bar

    return progress_bar(
        total=len(query),
        desc="neighbours",
        unit="image",
        unit_scale=True,
        leave=False,
    )


def joined(found: Iterable[Found]) -> Found:
    """What was found for block after block."""
    similarity, index = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return similarity, index


def searcher(
    reference: Array, k: int, queries: int, device: str | None = None
) -> Callable[[Array, int], Found]:
    """The search in one reference: a function of a block of queries and the number of its first row."""
    rows = unit_rows(reference, "reference")
    products = queries * len(rows)
    if device is None:
        device = "cuda" if products > FEW and _has_gpu() else "cpu"
    if device != "cpu":
        search = _on_gpu(rows, k, device)
    elif products > MANY and k <= FAR:
        search = _screened(rows, k)
    else:
        search = _in_full(rows, k)
    return lambda query, first: search(unit_rows(query, "query", first))


def _in_full(rows: Array, k: int) -> Find:
    import faiss

    return lambda q: faiss.knn(q, rows, k, faiss.METRIC_INNER_PRODUCT)


def _screened(rows: Array, k: int) -> Find:
    """The way that the first queries show to be the fastest; the similarities do not depend on it."""
    from twigma.analysis.neighbours.screening import fastest, in_float64

    chosen: list[Find] = []

    def search(q: Array) -> Found:
        if not chosen:
            chosen.append(fastest(rows, q, k, _in_full))
        return in_float64(q, rows, chosen[0](q)[1])

    return search


def _on_gpu(rows: Array, k: int, device: str) -> Find:
    import torch

    from twigma.analysis.neighbours.screening import IN_FULL, by_blocks, in_full

    r = torch.tensor(rows, device=device)
    return lambda q: by_blocks(lambda block: in_full(block, r, k), q, device, IN_FULL)


def mean_top_k(
    query: Array, reference: Array, k: int = TOP_K
) -> npt.NDArray[np.float32]:
    """Mean cosine similarity of each query row to its `k` nearest reference rows, float32[n] (section 3.2, Fig 2d).

    A larger reference raises the mean: compare levels only between references of one size.
    """
    return row_means(nearest(query, reference, k)[0])


def row_means(similarity: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean of each row, float32[n], summed in float64."""
    means: npt.NDArray[np.float32] = similarity.mean(axis=1, dtype=np.float64).astype(
        np.float32
    )
    return means


def quintiles(values: Array, weights: Array | None = None) -> npt.NDArray[np.int8]:
    """Quintile of each value, int8[n]: 1 the least similar, 5 the most (section 3.2).

    Intervals are closed on the right at the 20, 40, 60 and 80% quantiles, as in `pandas.qcut`; equal values share
    a quintile. With `weights` the quantiles are those of the population a sample stands for. ValueError for non-finite
    values, or when ties leave a quintile without a boundary of its own.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 5 or not np.isfinite(values).all():
        raise ValueError(
            f"quintiles: expected at least 5 finite values, found {values.size}; drop NaN first"
        )
    method: Any = "linear" if weights is None else "inverted_cdf"
    edges = np.quantile(values, [0.2, 0.4, 0.6, 0.8], weights=weights, method=method)
    bounds = np.concatenate([[values.min()], edges, [values.max()]])
    if (np.diff(bounds) <= 0).any():
        raise ValueError(
            f"quintiles: the values have too many ties for five groups, boundaries are {bounds.tolist()}"
        )
    return (np.searchsorted(edges, values, side="left") + 1).astype(np.int8)


def likes_by_quintile(
    quintile: Array, likes: Any, weights: Array | None = None, blocks: Any = None
) -> pd.DataFrame:
    """Mean likes in each quintile of similarity, with mean ± 1.96 sd/√n (Fig 2d right).

    Rows whose likes are null are left out. Columns: quintile, n, mean, low, high; a quintile with fewer than two
    rows has NaN limits. This interval takes rows as independent, as the paper does. With `blocks` (the author or post
    of each row; None stands alone) robust_low and robust_high do not. With `weights` of a sample, mean and intervals
    are those of `weights.weighted_mean`.
    """
    frame = pd.DataFrame(
        {
            "quintile": np.asarray(quintile),
            "likes": pd.to_numeric(pd.Series(likes)).to_numpy(float),
        }
    )
    frame = frame.assign(weight=1.0 if weights is None else weights)
    if blocks is not None:
        codes = pd.factorize(pd.Series(blocks).to_numpy(object))[0]
        frame["block"] = np.where(codes < 0, -1 - np.arange(len(codes)), codes)
    frame = frame.dropna()
    if frame.empty:
        raise ValueError(
            "likes_by_quintile: every like count is null; hydrate the posts to get them"
        )
    return pd.DataFrame(
        [
            _mean_likes(q, rows, weights is not None)
            for q, rows in frame.groupby("quintile")
        ]
    )


def _mean_likes(quintile: Any, rows: pd.DataFrame, weighted: bool) -> dict[str, Any]:
    found = weighted_mean(rows["likes"], rows["weight"])
    if not weighted:
        half = (
            1.96 * float(rows["likes"].std()) / np.sqrt(len(rows))
        )  # as the paper: ddof = 1
        found = found._replace(low=found.value - half, high=found.value + half)
    row = {
        "quintile": quintile,
        "n": found.n,
        "mean": found.value,
        "low": found.low,
        "high": found.high,
    }
    if "block" not in rows:
        return row
    several = rows["block"].nunique() > 1
    wide = (
        weighted_mean(rows["likes"], rows["weight"], rows["block"]) if several else None
    )
    return row | {
        "robust_low": wide.low if wide else np.nan,
        "robust_high": wide.high if wide else np.nan,
    }


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
