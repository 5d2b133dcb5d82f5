"""How distinct the sets are: shares of common clusters (Fig 2b) and quantised KL divergences (Fig 2c).

`mode="paper"` is the recipe of MAUVE (Pillutla et al. 2021) that the paper cites: unit rows of both sets, principal
components up to 90% of the variance, k-means, histograms. `mode="robust"` changes the clustering alone. Run by
`twigma analyze`.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from twigma.analysis.inference.proportions import wilson
from twigma.analysis.vectors.codebook import (
    SAMPLE,
    Recipe,
    assign,
    codebook,
    training_rows,
    unit_samples,
)
from twigma.analysis.vectors.components import Components, Moments, components, moments

Array = npt.NDArray[Any]
Mode = Literal["paper", "robust"]
Scope = Literal["pairwise", "pooled"]

BUCKETS = 10  # section 3.1
VARIANCE = 0.9  # of the principal components that are kept
KT = 0.5  # Krichevsky-Trofimov: added to every count
CURVE = np.linspace(1e-6, 1 - 1e-6, 25)  # mixtures on the MAUVE curve
SCALE = 5.0  # its scaling constant
PERMUTATIONS = 999
Z = 1.959963984540054


def cluster_shares(
    sets: Mapping[str, Array],
    k: int = 4,
    *,
    mode: Mode = "robust",
    seed: int = 0,
    n: int = SAMPLE,
    by: str | None = None,
) -> pd.DataFrame:
    """Share of each set in the clusters of all sets pooled, in equal samples of unit rows (Fig 2b).

    Clusters are numbered from 1 by falling share of the set `by` (default: the first). Columns: cluster, set,
    share, low, high (Wilson, 95%), count, n, k, mode, seed.
    """
    drawn = unit_samples(sets, n, seed)
    by = next(iter(drawn)) if by is None else by
    if by not in drawn:
        raise ValueError(
            f"cluster_shares: expected by to be one of {list(drawn)}, found {by!r}"
        )
    centroids = codebook(np.vstack(list(drawn.values())), k, mode, seed)
    counts = {
        name: np.bincount(assign(x, centroids), minlength=k)
        for name, x in drawn.items()
    }
    order = np.argsort(-counts[by], kind="stable")
    rows = [
        (c + 1, name, int(counts[name][order[c]]), len(drawn[name]))
        for c in range(k)
        for name in drawn
    ]
    table = pd.DataFrame(rows, columns=["cluster", "set", "count", "n"])
    low, high = wilson(table["count"].to_numpy(), table["n"].to_numpy())
    table = table.assign(
        share=table["count"] / table["n"], low=low, high=high, k=k, mode=mode, seed=seed
    )
    return table[
        ["cluster", "set", "share", "low", "high", "count", "n", "k", "mode", "seed"]
    ]


def kl_matrix(
    sets: Mapping[str, Array],
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
    sets : at least two, by name; equal samples of at most `n` rows are compared.
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
    """
    if len(sets) < 2:
        raise ValueError(
            f"kl_matrix: expected at least 2 sets to compare, found {list(sets)}"
        )
    drawn = unit_samples(sets, n, seed)
    settings = {"mode": mode, "codebook": codebook, "seed": seed}
    recipe: Recipe = "mauve" if mode == "paper" else "robust"
    rows = []
    for one, other, p, q in _histograms(drawn, k, recipe, codebook, seed):
        rows += [_entry(one, other, p, q, seed), _entry(other, one, q, p, seed)]
    return (
        pd.DataFrame(rows)
        .assign(**settings)
        .sort_values(["row", "column"], key=_rank(sets), ignore_index=True)
    )


def kl_sensitivity(
    sets: Mapping[str, Array],
    ks: Sequence[int] = (5, 10, 20, 50, 100),
    *,
    mode: Mode = "robust",
    n: int = 5000,
    seed: int = 0,
) -> pd.DataFrame:
    """Other divergences and estimators of the same pairs ("robust to divergences and estimators", section 3.1).

    Columns: row, column, measure, smoothing, k, value, n, mode, seed. Measures: "kl" with smoothing none (0), kt
    (1/2), laplace (1); "js", Jensen-Shannon; "mauve", area under the divergence curve (1 = equal); all for each k up
    to a tenth of a pair's rows. With k = 0: "knn", the nearest-neighbour estimator of Wang et al. 2009 in the kept
    components; "classifier", the mean held-out log-odds of a logistic regression. The reverse KL is the entry of the
    swapped pair.
    """
    recipe: Recipe = "mauve" if mode == "paper" else "robust"
    drawn = unit_samples(sets, n, seed)
    sums, rows = {name: moments(x) for name, x in drawn.items()}, []
    for one, other in combinations(drawn, 2):
        within = _components({name: drawn[name] for name in (one, other)}, sums)
        q, p = within.project(drawn[other]), within.project(drawn[one])
        features = np.vstack([q, p])
        for k in [k for k in ks if 10 * k <= len(features)]:
            centroids = codebook(features, k, recipe, seed)
            a, b = (np.bincount(assign(x, centroids), minlength=k) for x in (p, q))
            rows += [(one, other, *r) for r in _quantised(a, b)] + [
                (other, one, *r) for r in _quantised(b, a)
            ]
        for row, column, left, right in ((one, other, p, q), (other, one, q, p)):
            rows.append((row, column, "knn", "none", 0, _knn_kl(left, right)))
            rows.append(
                (
                    row,
                    column,
                    "classifier",
                    "none",
                    0,
                    _classifier_kl(left, right, seed),
                )
            )
    table = pd.DataFrame(
        rows, columns=["row", "column", "measure", "smoothing", "k", "value"]
    )
    return table.assign(n=len(next(iter(drawn.values()))), mode=mode, seed=seed)


def kl(p_counts: Array, q_counts: Array, smoothing: float = KT) -> float:
    """Σ p ln(p/q) in nats of two histograms, with `smoothing` added to every count; inf where p > 0 = q."""
    p, q = _shares(p_counts, smoothing), _shares(q_counts, smoothing)
    some = p > 0
    if (q[some] == 0).any():
        return float("inf")
    return float(np.sum(p[some] * np.log(p[some] / q[some])))


def kl_sd(p_counts: Array, q_counts: Array, smoothing: float = KT) -> float:
    """Delta-method standard deviation of `kl`, from the sampling of both histograms."""
    p, q = _shares(p_counts, smoothing), _shares(q_counts, smoothing)
    ratio = np.log(p / q)
    first = np.sum(p * ratio**2) - np.sum(p * ratio) ** 2
    second = np.sum(p**2 / q) - 1
    return float(
        np.sqrt(
            max(0.0, first) / np.sum(p_counts) + max(0.0, second) / np.sum(q_counts)
        )
    )


def mauve(p_counts: Array, q_counts: Array) -> float:
    """Area under {(e^{−5 KL(q‖r)}, e^{−5 KL(p‖r)}): r = wp + (1−w)q, 0 < w < 1}, by trapezoids at 25 mixtures."""
    p, q = _shares(p_counts, 0), _shares(q_counts, 0)
    mixtures = [w * p + (1 - w) * q for w in CURVE]
    x = [1.0, *(np.exp(-SCALE * kl(q, r, 0)) for r in mixtures), 0.0]
    y = [0.0, *(np.exp(-SCALE * kl(p, r, 0)) for r in mixtures), 1.0]
    return abs(float(np.trapezoid(y, x)))


# ------------------------------------------------------------------ parts


def _components(units: Mapping[str, Array], sums: Mapping[str, Moments]) -> Components:
    """Principal components of the unit rows of all sets, up to the first that reaches 90% of the variance."""
    first = next(iter(units.values()))[0]
    if all(
        (x[:9] == first).all() and (x == first).all() for x in units.values()
    ):  # a few rows tell, as a rule
        raise ValueError(
            "kl_matrix: all rows of the sets are equal, so there are no clusters to compare"
        )
    return components(*(sums[name] for name in units)).reaching(VARIANCE)


def _histograms(
    drawn: Mapping[str, Array], k: int, recipe: Recipe, scope: Scope, seed: int
) -> Iterator[tuple[str, str, Array, Array]]:
    """(one, other, counts of one, counts of other) for each pair of sets."""
    if scope not in ("pairwise", "pooled"):
        raise ValueError(
            f"kl_matrix: expected codebook 'pairwise' or 'pooled', found {scope!r}"
        )
    sums = {name: moments(x) for name, x in drawn.items()}
    groups = (
        [(*pair,) for pair in combinations(drawn, 2)]
        if scope == "pairwise"
        else [tuple(drawn)]
    )
    for names in groups:
        counts = pooled_counts(
            {name: drawn[name] for name in names}, k, recipe, seed, sums
        )
        for one, other in combinations(names, 2):
            yield one, other, counts[one], counts[other]


def pooled_counts(
    units: Mapping[str, Array],
    k: int,
    recipe: Recipe,
    seed: int,
    sums: Mapping[str, Moments] | None = None,
) -> dict[str, Array]:
    """Rows of each set in the buckets of all of them together, from unit rows; the later set stacked first.

    Only the rows that k-means trains on are projected on the components. `sums` are the sets' `moments`, if known.
    """
    within = _components(units, sums or {name: moments(x) for name, x in units.items()})
    stacked = list(units)[::-1]
    starts = np.cumsum([0, *(len(units[name]) for name in stacked)])
    rows = training_rows(int(starts[-1]), k, recipe, seed)
    features = np.empty((len(rows), within.axes.shape[1]), dtype=np.float32)
    for name, (start, end) in zip(stacked, pairwise(starts), strict=True):
        mine = (start <= rows) & (rows < end)
        features[mine] = within.project(units[name][rows[mine] - start])
    centroids = codebook(features, k, recipe, seed)
    return {
        name: np.bincount(_nearest(x, centroids, within), minlength=k)
        for name, x in units.items()
    }


def _nearest(
    x: Array, centroids: npt.NDArray[np.float32], within: Components
) -> npt.NDArray[np.int64]:
    """Index of the nearest centroid of each row among the components, without projecting it.

    |Aᵀ(x − m) − c|² is least where (x − m)·Ac − |c|²/2 is largest.
    """
    wide = within.axes @ centroids.T.astype(np.float64)
    offset = within.mean @ wide + (centroids.astype(np.float64) ** 2).sum(axis=1) / 2
    return np.asarray(
        np.argmax(x @ wide.astype(x.dtype) - offset.astype(x.dtype), axis=1)
    )


def _entry(row: str, column: str, p: Array, q: Array, seed: int) -> dict[str, Any]:
    value, half, k = kl(p, q), Z * kl_sd(p, q), len(p)
    n, m = int(p.sum()), int(q.sum())
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
    """How often a division of the pooled rows at random is at least as divergent, the buckets held fixed."""
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_hypergeometric(p + q, int(p.sum()), size=PERMUTATIONS)
    one, other = _shares(drawn, KT), _shares(p + q - drawn, KT)
    null = np.sum(one * np.log(one / other), axis=1)
    return float((1 + (null >= value - 1e-12).sum()) / (1 + PERMUTATIONS))


def _quantised(p: Array, q: Array) -> list[tuple[str, str, int, float]]:
    k, mean = len(p), (_shares(p, 0) + _shares(q, 0)) / 2
    js = (kl(_shares(p, 0), mean, 0) + kl(_shares(q, 0), mean, 0)) / 2
    smoothed = [
        ("kl", name, k, kl(p, q, add))
        for name, add in (("none", 0.0), ("kt", KT), ("laplace", 1.0))
    ]
    return [*smoothed, ("js", "none", k, js), ("mauve", "none", k, mauve(p, q))]


def _knn_kl(p: Array, q: Array, k: int = 5) -> float:
    """d/n Σ ln(ν_i/ρ_i) + ln(m/(n−1)): ν, ρ the distances to the k-th neighbour in q and in the rest of p."""
    from sklearn.neighbors import NearestNeighbors

    rho = (
        NearestNeighbors(n_neighbors=k + 1, algorithm="brute")
        .fit(p)
        .kneighbors(p)[0][:, -1]
        .astype(float)
    )
    nu = (
        NearestNeighbors(n_neighbors=k, algorithm="brute")
        .fit(q)
        .kneighbors(p)[0][:, -1]
        .astype(float)
    )
    some = (rho > 0) & (nu > 0)  # duplicates have no density
    if not some.any():
        warnings.warn(
            "kl_sensitivity: a set of equal rows has no density, so 'knn' is unknown",
            stacklevel=3,
        )
        return float("nan")
    return float(
        p.shape[1] * np.mean(np.log(nu[some] / rho[some]))
        + np.log(len(q) / (len(p) - 1))
    )


def _classifier_kl(p: Array, q: Array, seed: int) -> float:
    """Mean over p of the held-out log-odds of p against q, which are ln(p/q) if the classifier is right."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    x, y = np.vstack([p, q]).astype(float), np.r_[np.ones(len(p)), np.zeros(len(q))]
    x = (x - x.mean(0)) / x.std(0).max()
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    odds = cross_val_predict(
        LogisticRegression(max_iter=2000), x, y, cv=folds, method="decision_function"
    )
    return float(odds[: len(p)].mean() - np.log(len(p) / len(q)))


def _shares(counts: Array, smoothing: float) -> npt.NDArray[np.float64]:
    counts = np.asarray(counts, dtype=np.float64) + smoothing
    shares: npt.NDArray[np.float64] = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def _rank(sets: Mapping[str, Array]) -> Any:
    order = {name: i for i, name in enumerate(sets)}
    return lambda column: column.map(order)
