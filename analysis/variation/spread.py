"""How varied a set is: mean distance, explained variance, marginal spread, entropy, Vendi score (Fig 3a, 3b).

Each statistic is to first order an average over rows, so each gets its interval from its rows' influence, or from
the artists, prompts or authors the rows belong to. `twigma analyze` runs `variation_table`.
"""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.variation.distance import (
    BLOCK,
    Array,
    Estimate,
    Floats,
    each_group,
    grouped_distance,
    interval,
    matrix,
    mean_pairwise_distance,
    mean_squared_distance,
    same_different_ratio,
    whole_groups,
)
from twigma.analysis.vectors.codebook import (
    SAMPLE,
    Recipe,
    assign,
    codebook,
    sampled_rows,
    size_matched,
)
from twigma.analysis.vectors.spectra import (
    eigenvalues,
    eigenvectors,
    singular_values,
    unit,
    variances,
)

__all__ = [
    "Entropy",
    "entropy",
    "grouped_distance",
    "iev",
    "mean_pairwise_distance",
    "mean_squared_distance",
    "pmv",
    "pooled_labels",
    "same_different_ratio",
    "variation_table",
    "vendi",
]

CODES = 100  # clusters of the codebook of the entropy
METRICS = ("distance", "iev", "pmv", "entropy", "vendi")


class Entropy(NamedTuple):
    """Shannon entropy in nats by three estimators, plug-in/ln k, rows, and clusters."""

    plug_in: float
    miller_madow: float
    chao_shen: float
    normalised: float
    n: int
    k: int


def iev(x: Array, *, center: bool = False, power: int = 1) -> float:
    """Inverse explained variance Σ_i σ_i^power / σ_1^power over the singular values of `x` (section 3.3, Fig 3b).

    Parameters
    ----------
    x : array [n, d]. Compare sets of one n only.
    center : subtract the column means first; the paper writes the raw matrix, whose value is nearly a function of
        the mean cosine alone.
    power : 1, the paper's; 2, IsoBN's explained variance (Σλ²/λ_1²).
    """
    sigma = singular_values(matrix(x, "iev", 1), center)
    if sigma[0] == 0:
        raise ValueError(
            "iev: all rows are zero (or equal, when centred), so there is no variance to explain"
        )
    return float(((sigma / sigma[0]) ** power).sum())


def pmv(x: Array) -> float:
    """Geometric mean of the standard deviations of the columns, exp(mean_j ln s_j), ddof=1 (section 3.3, Fig 3b).

    The paper says "product of marginal variances" and defines it with standard deviations; a product of 768 of
    them underflows to zero. A column without variance makes it 0, with a warning.
    """
    deviation = np.sqrt(variances(matrix(x, "pmv")))
    if not deviation.all():
        warnings.warn(
            f"pmv: {int((deviation == 0).sum())} columns do not vary, so the result is 0",
            stacklevel=2,
        )
        return 0.0
    return float(np.exp(np.log(deviation).mean()))


def entropy(labels: Any, k: int | None = None) -> Entropy:
    """Shannon entropy −Σ p ln p of cluster labels (Fig 3b).

    The plug-in estimate is low by about (K − 1)/2N. Miller-Madow adds that, with K the clusters seen; Chao-Shen
    weighs each cluster by its chance of being seen, after the coverage 1 − f_1/N (f_1 clusters seen once).

    Parameters
    ----------
    labels : integer label per row. k : clusters of the codebook; None: the distinct labels.
    """
    counts = np.unique(np.asarray(labels), return_counts=True)[1]
    k = len(counts) if k is None else k
    if not len(counts) or len(counts) > k:
        raise ValueError(
            f"entropy: expected labels of at most k={k} clusters, found {len(counts)}"
        )
    n = int(counts.sum())
    p = counts / n
    plug_in = max(0.0, -float(np.sum(p * np.log(p))))
    once = min(int((counts == 1).sum()), n - 1)
    seen = p * (1 - once / n)
    chao_shen = max(0.0, -float(np.sum(seen * np.log(seen) / (1 - (1 - seen) ** n))))
    normalised = plug_in / np.log(k) if k > 1 else float("nan")
    return Entropy(
        plug_in,
        plug_in + (len(counts) - 1) / (2 * n),
        chao_shen,
        float(normalised),
        n,
        k,
    )


def pooled_labels(
    sets: Mapping[str, Array], k: int = CODES, *, mode: Recipe = "robust", seed: int = 0
) -> dict[str, npt.NDArray[np.int64]]:
    """Labels 0 … k−1 of the rows of each set in one codebook of all of them, for `entropy`. Match sizes first."""
    centroids = codebook(np.vstack(list(sets.values())), k, mode, seed)
    return {name: assign(x, centroids) for name, x in sets.items()}


def vendi(x: Array) -> float:
    """Vendi score exp(−Σ λ ln λ), λ the eigenvalues of the cosine kernel over n: the effective number of images."""
    values = eigenvalues(unit(matrix(x, "vendi", 1)))
    values = values[values > 0] / values.sum()
    return float(np.exp(-np.sum(values * np.log(values))))


def variation_table(
    sets: Mapping[str, Array],
    groups: Mapping[str, tuple[Array, Any]] | None = None,
    *,
    n: int = SAMPLE,
    k: int = CODES,
    seed: int = 0,
    mode: Recipe = "robust",
    blocks: Mapping[str, Any] | None = None,
    centroids: npt.NDArray[np.float32] | None = None,
) -> pd.DataFrame:
    """All metrics of all sets in equal samples, and within the groups of some (Fig 3a, 3b).

    Parameters
    ----------
    sets : embeddings by name; min(n, smallest set) rows of each are compared.
    groups : label → (embeddings, group of each row), such as "same artist". The metrics are those within a group,
        averaged over groups, of as many whole groups as fit in `n` rows; not comparable with a whole set's but for
        the distance, since groups are small.
    k : clusters of the pooled codebook of the entropy, at most a tenth of the pooled rows.
    blocks : set → label per row of what may depend on each other (artist, prompt, author) in the intervals.
    centroids : a codebook to take instead, of which k is the number.

    Returns
    -------
    DataFrame, a row per set or label: set; distance, iev, pmv, entropy (plug-in, as in the paper), vendi, each with
    _low and _high; distance_pairs (groups: every pair counts the same), entropy_miller_madow, entropy_chao_shen,
    entropy_normalised; groups (0 for a whole set), n, k, mode, seed.
    """
    drawn = size_matched(sets, n, seed)
    if centroids is None:
        pooled = np.vstack(list(drawn.values()))
        centroids = codebook(pooled, max(2, min(k, len(pooled) // 10)), mode, seed)
    k = len(centroids)
    rows = []
    for name, x in drawn.items():
        owner = None
        if blocks is not None and name in blocks:
            owner = np.asarray(blocks[name])[
                sampled_rows(len(sets[name]), len(x), seed)
            ]
        rows.append({"set": name, **_whole(x, assign(x, centroids), k, owner)})
    for name, (x, labels) in (groups or {}).items():
        rows.append({"set": name, **_conditional(x, labels, centroids, n, seed)})
    return pd.DataFrame(rows).assign(k=k, mode=mode, seed=seed)


# ------------------------------------------------------------------ tables


def _whole(
    x: Array, labels: npt.NDArray[np.int64], k: int, owner: Array | None
) -> dict[str, Any]:
    """Every metric of one set, with intervals from the rows or their owners."""
    found = entropy(labels, k)
    influences = {
        "iev": (iev(x), _iev_influence(x)),
        "pmv": (pmv(x), _pmv_influence(x)),
        "entropy": (found.plug_in, _entropy_influence(labels)),
        "vendi": (vendi(x), _vendi_influence(x)),
    }
    estimates = {"distance": mean_pairwise_distance(x, exact=True, blocks=owner)}
    estimates |= {
        name: interval(value, psi, owner) for name, (value, psi) in influences.items()
    }
    extra = {
        "distance_pairs": np.nan,
        **_other_entropies(found),
        "groups": 0,
        "n": len(x),
    }
    return _limits(estimates) | extra


def _conditional(
    x: Array, labels: Any, centroids: npt.NDArray[np.float32], n: int, seed: int
) -> dict[str, Any]:
    """Every metric within groups, averaged over them, with intervals from the groups."""
    x, codes = whole_groups(x, labels, n, seed)
    distance = grouped_distance(x, codes, seed=seed)
    value, low, high = distance[["value", "low", "high"]].to_numpy(float)[0].tolist()
    estimates = {"distance": Estimate(value, low, high, len(x))}
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "pmv: "
        )  # equal images in a small group are no surprise
        for name, statistic in (("iev", iev), ("pmv", pmv), ("vendi", vendi)):
            estimates[name] = _mean_over_groups(each_group(x, codes, statistic), len(x))
    clusters = assign(x, centroids)
    found = [entropy(rows, len(centroids)) for rows in _split(clusters, codes)]
    estimates["entropy"] = _mean_over_groups(
        np.array([e.plug_in for e in found]), len(x)
    )
    average = Entropy(*np.mean(found, axis=0))
    extra = {"distance_pairs": distance["value"].iloc[1], **_other_entropies(average)}
    return _limits(estimates) | extra | {"groups": int(codes.max()) + 1, "n": len(x)}


def _mean_over_groups(values: Floats, n: int) -> Estimate:
    return interval(float(values.mean()), values)._replace(n=n)


def _split(
    labels: npt.NDArray[np.int64], codes: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.int64]]:
    order = np.argsort(codes, kind="stable")
    return np.split(labels[order], np.cumsum(np.bincount(codes))[:-1])


def _limits(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    cells: dict[str, float] = {}
    for name in METRICS:
        value, low, high, _ = estimates[name]
        cells |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return cells


def _other_entropies(found: Entropy) -> dict[str, float]:
    return {
        f"entropy_{name}": getattr(found, name)
        for name in ("miller_madow", "chao_shen", "normalised")
    }


# ------------------------------------------------------------------ influence of each row


def _pmv_influence(x: Array) -> Floats:
    """pmv · mean_j ((x_ij − x̄_j)²/s_j² − 1)/2; NaN, so no interval, where a column does not vary."""
    spread = variances(x)
    if not spread.all():
        return np.full(len(x), np.nan)
    scale = float(np.exp(np.log(spread).mean() / 2))
    standardised: Floats = ((x - x.mean(axis=0, dtype=np.float64)) ** 2 / spread).mean(
        axis=1
    )
    return scale * (standardised - 1) / 2


def _entropy_influence(labels: npt.NDArray[np.int64]) -> Floats:
    share = np.bincount(labels) / len(labels)
    return -np.log(share[labels])


def _iev_influence(x: Array) -> Floats:
    """Σ_i g_i c_i², c = Vᵀx and g the derivative of Σ √(λ_i/λ_1) by λ_i; null directions have none."""
    values, vectors = eigenvectors(x)
    some = values > 1e-12 * values[-1]
    values, vectors = values[some], vectors[:, some]
    gradient = 0.5 / np.sqrt(values * values[-1])
    gradient[-1] = -0.5 * float(np.sqrt(values[:-1] / values[-1]).sum()) / values[-1]
    return len(x) * _quadratic(x, vectors, gradient)


def _vendi_influence(x: Array) -> Floats:
    x = unit(x)
    values, vectors = eigenvectors(x)
    values = values / len(x)
    some = values > 1e-12
    score = float(np.exp(-np.sum(values[some] * np.log(values[some]))))
    return -score * _quadratic(x, vectors[:, some], np.log(values[some]))


def _quadratic(x: Array, vectors: Floats, weight: Floats) -> Floats:
    """Σ_i weight_i (v_i · x)² of each row."""
    parts: list[Floats] = [
        (x[i : i + BLOCK] @ vectors) ** 2 @ weight for i in range(0, len(x), BLOCK)
    ]
    return np.concatenate(parts)
