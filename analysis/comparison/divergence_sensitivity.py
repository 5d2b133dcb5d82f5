"""Fig 2c by other divergences and estimators ("robust to divergences and estimators" in its words).

`twigma analyze --thorough` runs it: minutes.
"""

import warnings
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from twigma.analysis.comparison.divergence import (
    KT,
    RECIPES,
    Mode,
    common_components,
    kl,
    shares,
)
from twigma.analysis.convert import Array, Floats
from twigma.analysis.vectors.codebook import Recipe, assign, codebook
from twigma.analysis.vectors.samples import unit_samples
from twigma.analysis.vectors.spectra import moments
from twigma.core.safety.failures import DataError

SMOOTHINGS = {"none": 0.0, "kt": KT, "laplace": 1.0}
CURVE = np.linspace(1e-6, 1 - 1e-6, 25)  # mixtures on the MAUVE curve
SCALE = 5.0  # its scaling constant
NEIGHBOURS = 5  # of the nearest-neighbour estimator

Row = tuple[str, str, int, float]  # measure, smoothing, k, value


def kl_sensitivity(
    sets: Mapping[str, Any],
    ks: Sequence[int] = (5, 10, 20, 50, 100),
    *,
    mode: Mode = "robust",
    n: int = 5000,
    seed: int = 0,
) -> pd.DataFrame:
    """Other divergences and estimators of every ordered pair of sets.

    Parameters
    ----------
    sets : embeddings [n_i, d] by name; equal samples of at most `n` rows are compared.
    ks : numbers of clusters, those up to a tenth of a pair's rows.

    Returns
    -------
    DataFrame: row, column, measure, smoothing, k, value, n, mode, seed. Measures: "kl" with smoothing none (0), kt
    (1/2), laplace (1); "js", Jensen-Shannon; "mauve", area under the divergence curve (1 = equal); all for each k.
    With k = 0: "knn", the nearest-neighbour estimator of Wang et al. 2009 in the components; "classifier", the mean
    held-out log-odds of a logistic regression. The reverse KL is the entry of the swapped pair.
    ValueError where a set has fewer than 6 rows.
    """
    drawn = unit_samples(sets, n, seed)
    _check_neighbours(drawn)
    sums = {name: moments(x) for name, x in drawn.items()}
    rows: list[tuple[str, str, str, str, int, float]] = []
    for one, other in combinations(drawn, 2):
        pair = {one: drawn[one], other: drawn[other]}
        within = common_components(pair, sums)
        p, q = within.project(drawn[one]), within.project(drawn[other])
        for k in ks:
            if 10 * k > len(p) + len(q):
                continue
            a, b = _histograms(p, q, k, RECIPES[mode], seed)
            rows += [(one, other, *row) for row in _quantised(a, b)]
            rows += [(other, one, *row) for row in _quantised(b, a)]
        rows += [(one, other, *row) for row in _unquantised(p, q, seed)]
        rows += [(other, one, *row) for row in _unquantised(q, p, seed)]
    names = ["row", "column", "measure", "smoothing", "k", "value"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(n=len(next(iter(drawn.values()))), mode=mode, seed=seed)


def mauve(p_counts: Array, q_counts: Array) -> float:
    """Area under {(e^{−5 KL(q‖r)}, e^{−5 KL(p‖r)}): r = wp + (1−w)q, 0 < w < 1}, by trapezoids at 25 mixtures.

    `p_counts`, `q_counts` : histograms [k].
    """
    p, q = shares(p_counts, 0), shares(q_counts, 0)
    x, y = [1.0], [0.0]
    for w in CURVE:
        mixture = w * p + (1 - w) * q
        x.append(np.exp(-SCALE * kl(q, mixture, 0)))
        y.append(np.exp(-SCALE * kl(p, mixture, 0)))
    return abs(float(np.trapezoid([*y, 1.0], [*x, 0.0])))


def jensen_shannon(p_counts: Array, q_counts: Array) -> float:
    """Mean KL of two histograms [k] to their mean, in nats: 0 for equal ones, ln 2 for disjoint ones."""
    p, q = shares(p_counts, 0), shares(q_counts, 0)
    mean = (p + q) / 2
    return (kl(p, mean, 0) + kl(q, mean, 0)) / 2


def _check_neighbours(sets: Mapping[str, Any]) -> None:
    """ValueError where a set has too few rows for the nearest neighbours that "knn" compares."""
    fewest = NEIGHBOURS + 1  # the first neighbour is the row itself
    for name, rows in sets.items():
        if len(rows) < fewest:
            raise DataError(
                f"kl_sensitivity: expected at least {fewest} images of each set, found {len(rows)} of {name}: "
                "add images"
            )


def _histograms(
    p: Array, q: Array, k: int, recipe: Recipe, seed: int
) -> tuple[Array, Array]:
    """Counts [k] of both sets in one codebook; the later set is stacked first, as in `kl_matrix`."""
    centroids = codebook(np.vstack([q, p]), k, recipe, seed)
    of_p = np.bincount(assign(p, centroids), minlength=k)
    of_q = np.bincount(assign(q, centroids), minlength=k)
    return of_p, of_q


def _quantised(p: Array, q: Array) -> list[Row]:
    """The measures of two histograms."""
    k = len(p)
    rows = [("kl", name, k, kl(p, q, add)) for name, add in SMOOTHINGS.items()]
    rows.append(("js", "none", k, jensen_shannon(p, q)))
    rows.append(("mauve", "none", k, mauve(p, q)))
    return rows


def _unquantised(p: Array, q: Array, seed: int) -> list[Row]:
    """The measures of two sets of rows."""
    return [
        ("knn", "none", 0, _knn_kl(p, q)),
        ("classifier", "none", 0, _classifier_kl(p, q, seed)),
    ]


def _knn_kl(p: Array, q: Array, k: int = NEIGHBOURS) -> float:
    """d/n Σ ln(ν_i/ρ_i) + ln(m/(n−1)): ν, ρ the distances to the k-th neighbour in q and in the rest of p."""
    rho = _kth_distance(p, p, k + 1)  # the first neighbour is the row itself
    nu = _kth_distance(p, q, k)
    some = (rho > 0) & (nu > 0)  # duplicates have no density
    if not some.any():
        warnings.warn(
            "kl_sensitivity: a set of equal rows has no density, so 'knn' is unknown",
            stacklevel=4,
        )
        return float("nan")
    mean = np.mean(np.log(nu[some] / rho[some]))
    return float(p.shape[1] * mean + np.log(len(q) / (len(p) - 1)))


def _kth_distance(x: Array, reference: Array, k: int) -> Floats:
    """Distance of each row of `x` to its k-th nearest row of the reference, [n]."""
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(reference)
    distance = index.kneighbors(x)[0]
    return np.asarray(distance[:, -1], dtype=np.float64)


def _classifier_kl(p: Array, q: Array, seed: int) -> float:
    """Mean over p of the held-out log-odds of p against q, which are ln(p/q) if the classifier is right."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    x = np.vstack([p, q]).astype(float)
    x = (x - x.mean(0)) / x.std(0).max()
    y = np.concatenate([np.ones(len(p)), np.zeros(len(q))])
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    classifier = LogisticRegression(max_iter=2000)
    odds = cross_val_predict(classifier, x, y, cv=folds, method="decision_function")
    return float(odds[: len(p)].mean() - np.log(len(p) / len(q)))
