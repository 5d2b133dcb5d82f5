"""How distinct the sets are: quantised KL divergences between every two of them (Fig 2c).

`mode="paper"` is the recipe of MAUVE (Pillutla et al. 2021) that the paper cites: unit rows of both sets, principal
components up to 90% of the variance, k-means, histograms. `mode="robust"` changes the clustering alone. Run by
`twigma analyze`.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from twigma.analysis.convert import Array, Floats
from twigma.analysis.inference.intervals import Z
from twigma.analysis.vectors.codebook import Recipe, codebook, training_rows
from twigma.analysis.vectors.samples import SAMPLE, unit_samples
from twigma.analysis.vectors.spectra import Components, Moments, components, moments

Mode = Literal["paper", "robust"]
Scope = Literal["pairwise", "pooled"]
Counts = Mapping[str, Array]

RECIPES: Mapping[Mode, Recipe] = {"paper": "mauve", "robust": "robust"}
BUCKETS = 10  # section 3.1
VARIANCE = 0.9  # share that the principal components together have
KT = 0.5  # Krichevsky-Trofimov: added to every count
PERMUTATIONS = 999


def kl_matrix(
    sets: Mapping[str, Any],
    k: int = BUCKETS,
    *,
    mode: Mode = "robust",
    codebook: Scope = "pairwise",
    n: int = SAMPLE,
    seed: int = 0,
) -> pd.DataFrame:
    """KL(row‖column) = Σ p ln(p/q) in nats of every ordered pair of sets, quantised in k clusters (Fig 2c).

    Parameters
    ----------
    sets : embeddings [n_i, d] by name, at least two; equal samples of at most `n` rows are compared.
    mode : "paper", MAUVE's clustering (`seed` is FAISS's seed); "robust", `codebook.codebook`'s.
    codebook : clusters of each pair of sets (one codebook serves both directions, the later set stacked first), or
        of all sets "pooled".

    Returns
    -------
    DataFrame, a row per ordered pair: row, column; kl, of counts smoothed by 1/2 (Krichevsky-Trofimov), low, high
    by the delta method, sd² = [Σ p ln²(p/q) − KL²]/n + [Σ p²/q − 1]/m; kl_raw, unsmoothed, infinite where a bucket
    of the column is empty; empty_bins, buckets that one of the two leaves empty; noise_floor, the mean
    (k−1)(1/n + 1/m)/2 between two samples of one distribution, and noise_95, its 95% quantile by χ²; p_permutation,
    how often a random division of the two samples is at least as divergent; n, m, k, mode, codebook, seed.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> ours, laion = rng.normal(size=(2, 500, 8)) + [[[1.0]], [[0.0]]]
    >>> table = kl_matrix({"ours": ours, "laion": laion})
    >>> table[["row", "column"]].to_numpy().tolist(), bool((table["kl"] > table["noise_95"]).all())
    ([['ours', 'laion'], ['laion', 'ours']], True)
    """
    if len(sets) < 2:
        raise ValueError(
            f"kl_matrix: expected at least 2 sets to compare, found {list(sets)}"
        )
    drawn = unit_samples(sets, n, seed)
    rows = []
    for counts in _histograms(drawn, k, RECIPES[mode], codebook, seed):
        for one, other in combinations(counts, 2):
            p, q = counts[one], counts[other]
            rows.append(_entry(one, other, p, q, seed))
            rows.append(_entry(other, one, q, p, seed))
    table = pd.DataFrame(rows).assign(mode=mode, codebook=codebook, seed=seed)
    rank = {name: place for place, name in enumerate(sets)}
    order = np.lexsort((table["column"].map(rank), table["row"].map(rank)))
    return table.iloc[order].reset_index(drop=True)


def kl(p_counts: Array, q_counts: Array, smoothing: float = KT) -> float:
    """Σ p ln(p/q) in nats of two histograms [k], with `smoothing` added to every count; inf where p > 0 = q."""
    p = shares(p_counts, smoothing)
    q = shares(q_counts, smoothing)
    some = p > 0
    if (q[some] == 0).any():
        return float("inf")
    return float(np.sum(p[some] * np.log(p[some] / q[some])))


def kl_sd(p_counts: Array, q_counts: Array, smoothing: float = KT) -> float:
    """Delta-method standard deviation of `kl` of two histograms [k], from the sampling of both."""
    p = shares(p_counts, smoothing)
    q = shares(q_counts, smoothing)
    ratio = np.log(p / q)
    first = np.sum(p * ratio**2) - np.sum(p * ratio) ** 2
    second = np.sum(p**2 / q) - 1
    # Equal histograms have no variance, which rounding can make negative.
    variance = max(0.0, first) / np.sum(p_counts) + max(0.0, second) / np.sum(q_counts)
    return float(np.sqrt(variance))


def shares(counts: Array, smoothing: float) -> Floats:
    """Counts [..., k], each plus `smoothing`, over their sum."""
    counts = np.asarray(counts, dtype=np.float64) + smoothing
    result: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return result


# ------------------------------------------------------------------ quantisation


def common_components(
    units: Mapping[str, Array], sums: Mapping[str, Moments]
) -> Components:
    """Principal components of the unit rows of all sets, up to the first that reaches 90% of the variance.

    `units` are matrices [n_i, d], and `sums` their `moments`.
    """
    first = next(iter(units.values()))[0]
    if all(_all_equal(x, first) for x in units.values()):
        raise ValueError(
            "kl_matrix: all rows of the sets are equal, so there are no clusters to compare"
        )
    return components(*(sums[name] for name in units)).reaching(VARIANCE)


def _all_equal(x: Array, row: Array) -> bool:
    """Whether all rows are this one; a few of them decide it, as a rule."""
    return bool((x[:9] == row).all() and (x == row).all())


def _histograms(
    drawn: Mapping[str, Array], k: int, recipe: Recipe, scope: Scope, seed: int
) -> Iterator[Counts]:
    """Counts [k] of the sets of each codebook: of every pair, or of all."""
    if scope not in ("pairwise", "pooled"):
        raise ValueError(
            f"kl_matrix: expected codebook 'pairwise' or 'pooled', found {scope!r}"
        )
    sums = {name: moments(x) for name, x in drawn.items()}
    groups: list[tuple[str, ...]] = [tuple(drawn)]
    if scope == "pairwise":
        groups = list(combinations(drawn, 2))
    for names in groups:
        units = {name: drawn[name] for name in names}
        yield pooled_counts(units, k, recipe, seed, sums)


def pooled_counts(
    units: Mapping[str, Array],
    k: int,
    recipe: Recipe,
    seed: int,
    sums: Mapping[str, Moments] | None = None,
) -> dict[str, Array]:
    """Rows of each set in the buckets of all of them together, int64[k] by name, from unit rows [n_i, d].

    The later set is stacked first. Only the rows that k-means trains on are projected on the components. `sums` are
    the sets' `moments`, if known.
    """
    if sums is None:
        sums = {name: moments(x) for name, x in units.items()}
    within = common_components(units, sums)
    stacked = list(units)[::-1]
    starts = np.cumsum([0, *(len(units[name]) for name in stacked)])
    rows = training_rows(int(starts[-1]), k, recipe, seed)
    features = np.empty((len(rows), within.axes.shape[1]), dtype=np.float32)
    for name, (start, end) in zip(stacked, pairwise(starts), strict=True):
        mine = (start <= rows) & (rows < end)
        features[mine] = within.project(units[name][rows[mine] - start])
    centroids = codebook(features, k, recipe, seed)
    counts = {}
    for name, x in units.items():
        counts[name] = np.bincount(_nearest(x, centroids, within), minlength=k)
    return counts


def _nearest(
    x: Array, centroids: npt.NDArray[np.float32], within: Components
) -> npt.NDArray[np.int64]:
    """Index of the nearest centroid of each row among the components, without projecting it.

    |Aᵀ(x − m) − c|² is least where (x − m)·Ac − |c|²/2 is largest.
    """
    wide = within.axes @ centroids.T.astype(np.float64)
    lengths = (centroids.astype(np.float64) ** 2).sum(axis=1)
    offset = within.mean @ wide + lengths / 2
    score = x @ wide.astype(x.dtype) - offset.astype(x.dtype)
    return np.asarray(np.argmax(score, axis=1))


def _entry(row: str, column: str, p: Array, q: Array, seed: int) -> dict[str, Any]:
    """The row of one ordered pair, from both histograms."""
    value = kl(p, q)
    half = Z * kl_sd(p, q)
    k, n, m = len(p), int(p.sum()), int(q.sum())
    floor = (1 / n + 1 / m) / 2
    return {
        "row": row,
        "column": column,
        "kl": value,
        "low": max(0.0, value - half),
        "high": value + half,
        "kl_raw": kl(p, q, 0),
        "empty_bins": int(((p == 0) | (q == 0)).sum()),
        "noise_floor": (k - 1) * floor,
        "noise_95": float(stats.chi2.ppf(0.95, k - 1)) * floor,
        "p_permutation": _permutation_p(p, q, value, seed),
        "n": n,
        "m": m,
        "k": k,
    }


def _permutation_p(p: Array, q: Array, value: float, seed: int) -> float:
    """How often a division of the pooled rows at random is at least as divergent, the buckets fixed."""
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_hypergeometric(p + q, int(p.sum()), size=PERMUTATIONS)
    one = shares(drawn, KT)
    other = shares(p + q - drawn, KT)
    null = np.sum(one * np.log(one / other), axis=1)
    # A tie that rounding broke counts as a tie.
    return float((1 + (null >= value - 1e-12).sum()) / (1 + PERMUTATIONS))
