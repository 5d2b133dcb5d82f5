"""Exact nearest neighbours, the quintiles of similarity, and likes by quintile (Fig 2d, 4e); for `twigma analyze`.

The search is exact: an approximate index changes the quintiles (an IVF index with 8 probes agrees on half of
them). Where the processor multiplies bfloat16 faster than float32, a bfloat16 product screens the reference and
only candidates inside its rigorous error bound are computed again in float32.
"""

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.weights import weighted_mean

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[Any]

TOP_K = 5  # section 3.2: the mean of the five largest similarities
BLOCK = 4096  # queries a block; with REFERENCES it bounds the memory: 4096 x 8192 float32 = 128 MiB
REFERENCES = 8192
QUERIES = 16_384  # searched for at a time: 50 MB at 768 dimensions
FEW = 10**8  # products up to which no time is lost on finding a faster way
CROWDED = 0.02  # above this share of candidates in a block, computing all of it in float32 is cheaper
UNIT = 2e-7  # a norm this near to 1 is 1 in float32
BF16_ULP = 2.0**-8  # largest relative error of rounding to bfloat16


def unit_rows(x: Array, name: str = "x", first: int = 0) -> npt.NDArray[np.float32]:
    """Rows of `x` divided by their L2 norm, float32[n, d]; ValueError for empty, non-finite or zero rows.

    `first` is the number of the first row, for the error. What is float32 and of norm 1 already is not copied.
    """
    x = np.asarray(x)
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(f"{name}: expected a matrix with at least one row, found shape {x.shape}")
    rows = x.astype(np.float32, copy=False)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))[:, None]
    if not (np.isfinite(norms).all() and norms.all()):
        row = first + int(np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))[0])
        raise ValueError(f"{name}: row {row} is zero or not finite and has no cosine; drop such rows first")
    return rows if np.abs(norms - 1).max() < UNIT else rows / norms.astype(np.float32)


Found = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
Search = Callable[[Array, Array, int], Found]  # as `nearest`; `ray_neighbours.search_on` gives one on a cluster


def nearest(
    query: Array, reference: Array, k: int = TOP_K, *, screen: bool | None = None, device: str | None = None
) -> Found:
    """The `k` reference rows most similar to each query row, by exact cosine similarity (Fig 2d, 4e).

    Parameters
    ----------
    query, reference : arrays [n, d] and [m, d], any float type; rows are normalised.
    k : neighbours, at most m.
    screen : screen in bfloat16 and compute candidates again in float32. None: measure which is faster. The
        neighbours are the same either way.
    device : "cpu" or "cuda"; None takes a GPU where there is one, for what is not done in a moment.

    Returns
    -------
    (similarity, index) : float32[n, k], falling, and int64[n, k], rows of `reference`.
    """
    check(query, reference, k)
    search, found = searcher(reference, k, len(query), screen, device), []
    with progress(query) as bar:
        for first, block in blocks(query):
            found.append(search(block, first))
            bar.update(len(block))
    return joined(found)


def check(query: Array, reference: Array, k: int) -> None:
    """ValueError unless the matrices have one width, and the reference `k` rows."""
    if not 1 <= k <= len(reference):
        raise ValueError(f"nearest: expected 1 <= k <= {len(reference)}, the rows of the reference, found k={k}")
    if query.ndim != 2 or reference.ndim != 2 or query.shape[1] != reference.shape[1]:
        raise ValueError(f"nearest: expected matrices of one width, found {query.shape} and {reference.shape}")


def blocks(query: Array) -> Iterator[tuple[int, Array]]:
    """The queries that are searched for at a time, each block with the number of its first row."""
    return ((start, query[start : start + QUERIES]) for start in range(0, max(1, len(query)), QUERIES))


def progress(query: Array) -> Any:
    """A bar over the queries, for searches of over a second."""
    from tqdm import tqdm

    return tqdm(total=len(query), desc="neighbours", unit="image", unit_scale=True, delay=1, leave=False)


def joined(found: Iterable[Found]) -> Found:
    """What was found for block after block."""
    similarity, index = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return similarity, index


def searcher(
    reference: Array, k: int, queries: int, screen: bool | None = None, device: str | None = None
) -> Callable[[Array, int], Found]:
    """The search in one reference: a function of a block of queries and the number of its first row."""
    rows = unit_rows(reference, "reference")
    many = queries * len(rows) > FEW
    if device is None:
        device = "cuda" if many and _has_gpu() else "cpu"
    if screen is None:
        screen = device == "cpu" and many and _bfloat16_is_faster()
    if device == "cpu" and not screen:
        import faiss

        return lambda query, first: faiss.knn(unit_rows(query, "query", first), rows, k, faiss.METRIC_INNER_PRODUCT)
    import torch

    r = torch.tensor(rows, device=device)
    one, low = _screened if screen else _plain, r.bfloat16() if screen else r

    def search(query: Array, first: int) -> Found:
        q = torch.tensor(unit_rows(query, "query", first), device=device)
        found = [one(block, r, low, k) for block in torch.split(q, BLOCK)]
        return torch.cat([f[0] for f in found]).cpu().numpy(), torch.cat([f[1] for f in found]).cpu().numpy()

    return search


def mean_top_k(query: Array, reference: Array, k: int = TOP_K) -> npt.NDArray[np.float32]:
    """Mean cosine similarity of each query row to its `k` nearest reference rows, float32[n] (section 3.2, Fig 2d).

    A larger reference raises the mean: compare levels only between references of one size.
    """
    return row_means(nearest(query, reference, k)[0])


def row_means(similarity: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean of each row, float32[n], summed in float64."""
    means: npt.NDArray[np.float32] = similarity.mean(axis=1, dtype=np.float64).astype(np.float32)
    return means


def quintiles(values: Array, weights: Array | None = None) -> npt.NDArray[np.int8]:
    """Quintile of each value, int8[n]: 1 the least similar, 5 the most (section 3.2).

    Intervals are closed on the right at the 20, 40, 60 and 80% quantiles, as in `pandas.qcut`; equal values share
    a quintile. With `weights` the quantiles are those of the population a sample stands for. ValueError for non-finite
    values, or when ties leave a quintile without a boundary of its own.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 5 or not np.isfinite(values).all():
        raise ValueError(f"quintiles: expected at least 5 finite values, found {values.size}; drop NaN first")
    method: Any = "linear" if weights is None else "inverted_cdf"
    edges = np.quantile(values, [0.2, 0.4, 0.6, 0.8], weights=weights, method=method)
    bounds = np.concatenate([[values.min()], edges, [values.max()]])
    if (np.diff(bounds) <= 0).any():
        raise ValueError(f"quintiles: the values have too many ties for five groups, boundaries are {bounds.tolist()}")
    return (np.searchsorted(edges, values, side="left") + 1).astype(np.int8)


def likes_by_quintile(quintile: Array, likes: Any, weights: Array | None = None, blocks: Any = None) -> pd.DataFrame:
    """Mean likes in each quintile of similarity, with mean ± 1.96 sd/√n (Fig 2d right).

    Rows whose likes are null are left out. Columns: quintile, n, mean, low, high; a quintile with fewer than two
    rows has NaN limits. This interval takes rows as independent, as the paper does. With `blocks` (the author or post
    of each row; None stands alone) robust_low and robust_high do not. With `weights` of a sample, mean and intervals
    are those of `weights.weighted_mean`.
    """
    frame = pd.DataFrame({"quintile": np.asarray(quintile), "likes": pd.to_numeric(pd.Series(likes)).to_numpy(float)})
    frame = frame.assign(weight=1.0 if weights is None else weights)
    if blocks is not None:
        codes = pd.factorize(pd.Series(blocks).to_numpy(object))[0]
        frame["block"] = np.where(codes < 0, -1 - np.arange(len(codes)), codes)
    frame = frame.dropna()
    if frame.empty:
        raise ValueError("likes_by_quintile: every like count is null; hydrate the posts to get them")
    return pd.DataFrame([_mean_likes(q, rows, weights is not None) for q, rows in frame.groupby("quintile")])


def _mean_likes(quintile: Any, rows: pd.DataFrame, weighted: bool) -> dict[str, Any]:
    found = weighted_mean(rows["likes"], rows["weight"])
    if not weighted:
        half = 1.96 * float(rows["likes"].std()) / np.sqrt(len(rows))  # as the paper: ddof = 1
        found = found._replace(low=found.value - half, high=found.value + half)
    row = {"quintile": quintile, "n": found.n, "mean": found.value, "low": found.low, "high": found.high}
    if "block" not in rows:
        return row
    several = rows["block"].nunique() > 1
    wide = weighted_mean(rows["likes"], rows["weight"], rows["block"]) if several else None
    return row | {"robust_low": wide.low if wide else np.nan, "robust_high": wide.high if wide else np.nan}


Best = tuple["torch.Tensor", "torch.Tensor"]


def _plain(q: "torch.Tensor", r: "torch.Tensor", low: "torch.Tensor", k: int) -> Best:
    """Neighbours of one block of queries by float32 products, one block of references at a time."""
    best: Best | None = None
    for start in range(0, len(r), REFERENCES):
        best = _merge(best, q @ r[start : start + REFERENCES].T, start, k)
    assert best is not None
    return best


def _merge(best: Best | None, similarity: "torch.Tensor", start: int, k: int) -> Best:
    """The best `k` of those so far and of a dense block of similarities whose first column is row `start`."""
    import torch

    values, index = similarity.topk(min(k, similarity.shape[1]), dim=1)
    return (
        (values, index + start) if best is None else _best(torch.cat([best[0], values], 1), best[1], index + start, k)
    )


def _best(values: "torch.Tensor", old: "torch.Tensor", new: "torch.Tensor", k: int) -> Best:
    import torch

    values, order = values.topk(min(k, values.shape[1]), dim=1)
    return values, torch.cat([old, new], 1).gather(1, order)


def _screened(q: "torch.Tensor", r: "torch.Tensor", low: "torch.Tensor", k: int) -> Best:
    """As `_plain`; after the first block a reference is computed in float32 only if it may beat the k-th best.

    With q', r' the rounded rows, |q·r − q'·r'| ≤ ‖q − q'‖ + ‖q'‖‖r − r'‖, and the product is rounded once more:
    what lies below the k-th best by more than that bound cannot be a neighbour.
    """
    best = _plain(q, r[:REFERENCES], r, k)
    q_low = q.bfloat16()
    q_error = (q - q_low.float()).norm(dim=1, keepdim=True)
    for start in range(REFERENCES, len(r), REFERENCES):
        block, block_low = r[start : start + REFERENCES], low[start : start + REFERENCES]
        bound = q_error + (1 + q_error) * (block - block_low.float()).norm(dim=1).max() + 2.5 * BF16_ULP
        hits = ((q_low @ block_low.T) >= (best[0][:, -1:] - bound).bfloat16()).nonzero()
        if len(hits) > CROWDED * len(q) * len(block) or best[0].shape[1] < k:
            best = _merge(best, q @ block.T, start, k)
        elif len(hits):
            best = _merge_hits(best, hits, q, block, start)
    return best


def _merge_hits(best: Best, hits: "torch.Tensor", q: "torch.Tensor", block: "torch.Tensor", start: int) -> Best:
    """The best so far and the candidate pairs `hits` (query, reference), sorted by query, in float32."""
    import torch

    row, column = hits.T
    exact = torch.cat([(q[part[:, 0]] * block[part[:, 1]]).sum(1) for part in torch.split(hits, BLOCK)])
    counts = torch.bincount(row, minlength=len(q))
    place = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    values = torch.full((len(q), int(counts.max())), -torch.inf, device=q.device)
    index = torch.zeros_like(values, dtype=torch.int64)
    values[row, place], index[row, place] = exact, column + start
    return _best(torch.cat([best[0], values], 1), best[1], index, best[0].shape[1])


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@functools.cache
def _bfloat16_is_faster() -> bool:
    """Whether this processor multiplies bfloat16 at least a third faster than float32, by trying both."""
    import torch

    a = torch.ones(1024, 768)
    return _seconds(a) > 1.33 * _seconds(a.bfloat16())


def _seconds(a: "torch.Tensor") -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        _ = a @ a.T
        times.append(time.perf_counter() - start)
    return min(times)
