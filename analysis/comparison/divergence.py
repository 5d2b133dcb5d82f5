"""How distinct the sets are: quantised KL divergences between every two of them (Fig 2c).

`mode="paper"` is the recipe of MAUVE (Pillutla et al. 2021) that the paper cites: unit rows of both sets, principal
components up to 90% of the variance, k-means, histograms. `mode="robust"` changes the clustering alone. Intervals and
tests of both are in `divergence_inference`. Run by `twigma analyze`.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.comparison.divergence_inference import Buckets, compared
from twigma.analysis.comparison.histograms import KT, kl, kl_sd, shares
from twigma.analysis.convert import Array
from twigma.analysis.vectors.codebook import Recipe, codebook, training_rows
from twigma.analysis.vectors.samples import SAMPLE, sampled_labels, unit_samples
from twigma.analysis.vectors.spectra import Components, Moments, components, moments
from twigma.core.safety.failures import DataError

__all__ = ["KT", "kl", "kl_matrix", "kl_sd", "pooled_counts", "shares"]

Mode = Literal["paper", "robust"]
Scope = Literal["pairwise", "pooled"]
Labels = npt.NDArray[np.int64]

RECIPES: Mapping[Mode, Recipe] = {"paper": "mauve", "robust": "robust"}
BUCKETS = 10  # the clusters of the paper, Fig 2c
VARIANCE = 0.9  # share that the principal components together have


def kl_matrix(
    sets: Mapping[str, Any],
    k: int = BUCKETS,
    *,
    mode: Mode = "robust",
    codebook: Scope = "pairwise",
    n: int = SAMPLE,
    seed: int = 0,
    blocks: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """KL(row‖column) = Σ p ln(p/q) in nats of every ordered pair of sets, quantised in k clusters (Fig 2c).

    Parameters
    ----------
    sets : embeddings [n_i, d] by name, at least two; equal samples of at most `n` rows are compared.
    mode : "paper", MAUVE's clustering (`seed` is FAISS's seed); "robust", `codebook.codebook`'s.
    codebook : clusters of each pair of sets (one codebook serves both directions, the later set stacked first), or
        of all sets "pooled".
    blocks : set → label per row [n_i] (author, artist, prompt) of images that may depend on each other. They are left
        out, and divided between the sets, together; images of other sets are taken as independent.

    Returns
    -------
    DataFrame, a row per ordered pair: row, column; kl, of counts smoothed by 1/2 (Krichevsky-Trofimov), low, high;
    kl_raw, unsmoothed, infinite where a bucket of the row is empty in the column, and empty_column, how many are (then
    kl is about ln n plus a constant, which measures n, and high is infinite); empty_bins, buckets that one of the two
    leaves empty; noise_floor and noise_95, mean and 95% quantile between two samples of one distribution;
    p_permutation, how often a random division of the two samples is at least as divergent, without a floor (`tail_p`);
    blocks, the effective number in the set that has fewer, and owners_unknown, the sets whose images were taken as
    independent; n, m, k, mode, codebook, seed.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> ours, laion = rng.normal(size=(2, 500, 8)) + [[[1.0]], [[0.0]]]
    >>> table = kl_matrix({"ours": ours, "laion": laion})
    >>> table[["row", "column"]].to_numpy().tolist(), bool((table["kl"] > table["noise_95"]).all())
    ([['ours', 'laion'], ['laion', 'ours']], True)
    """
    if len(sets) < 2:
        raise DataError(
            f"kl_matrix: expected at least 2 sets to compare, found {list(sets)}"
        )
    drawn = unit_samples(sets, n, seed)
    owners = {}
    for name, x in drawn.items():
        owners[name] = sampled_labels(blocks, name, len(sets[name]), len(x), seed)
    rows: list[dict[str, Any]] = []
    for labels in _quantised(drawn, k, RECIPES[mode], codebook, seed):
        buckets = {}
        for name, of_rows in labels.items():
            buckets[name] = Buckets(name, of_rows, owners[name], k)
        for one, other in combinations(buckets.values(), 2):
            rows.extend(compared(one, other, seed))
    table = pd.DataFrame(rows).assign(mode=mode, codebook=codebook, seed=seed)
    rank = {name: place for place, name in enumerate(sets)}
    order = np.lexsort((table["column"].map(rank), table["row"].map(rank)))
    return table.iloc[order].reset_index(drop=True)


# ------------------------------------------------------------------ quantisation


def common_components(
    units: Mapping[str, Array], sums: Mapping[str, Moments]
) -> Components:
    """Principal components of the unit rows of all sets, up to the first that reaches 90% of the variance.

    `units` are matrices [n_i, d], and `sums` their `moments`.
    """
    first = next(iter(units.values()))[0]
    if all(_all_equal(x, first) for x in units.values()):
        raise DataError(
            "kl_matrix: all rows of the sets are equal, so there are no clusters to compare"
        )
    return components(*(sums[name] for name in units)).reaching(VARIANCE)


def _all_equal(x: Array, row: Array) -> bool:
    """Whether all rows are this one; a few of them decide it, as a rule."""
    return bool((x[:9] == row).all() and (x == row).all())


def _quantised(
    drawn: Mapping[str, Array], k: int, recipe: Recipe, scope: Scope, seed: int
) -> Iterator[Mapping[str, Labels]]:
    """The bucket of each row of the sets of each codebook: of every pair, or of all."""
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
        yield pooled_buckets(units, k, recipe, seed, sums)


def pooled_counts(
    units: Mapping[str, Array], k: int, recipe: Recipe, seed: int
) -> dict[str, Array]:
    """Rows of each set in the buckets of all of them together, int64[k] by name, from unit rows [n_i, d]."""
    buckets = pooled_buckets(units, k, recipe, seed)
    return {name: np.bincount(rows, minlength=k) for name, rows in buckets.items()}


def pooled_buckets(
    units: Mapping[str, Array],
    k: int,
    recipe: Recipe,
    seed: int,
    sums: Mapping[str, Moments] | None = None,
) -> dict[str, Labels]:
    """The bucket, 0 … k−1, of each row of each set, int64[n_i] by name, from unit rows [n_i, d].

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
        if len(rows) == starts[-1]:  # all, in their order
            features[start:end] = within.project(units[name])
            continue
        mine = (start <= rows) & (rows < end)
        features[mine] = within.project(units[name][rows[mine] - start])
    centroids = codebook(features, k, recipe, seed, _own_axes(within))
    return {name: _nearest(x, centroids, within) for name, x in units.items()}


def _own_axes(within: Components) -> Components:
    """The principal directions of rows that are projected on these components: one coordinate after the other."""
    width = len(within.variances)
    return Components(np.zeros(width), np.eye(width), within.variances)


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
