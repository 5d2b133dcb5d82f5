"""How many clusters: silhouette and stability for several k. Run by `twigma choose-k 5 8 10`.

For each k ten fits are made, each on its own sample and from its own seed, and all are judged on the same images. The
stability is how well the fits agree on these (adjusted Rand index of every pair); the silhouette says how much nearer
an image is to its own cluster than to the next.
"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from twigma.builder.clusters.cluster import models, read_embedded
from twigma.builder.clusters.kmeans import kmeans, nearest
from twigma.builder.engine.vectors import Indices, Vectors
from twigma.builder.stages.dedupe import REASONS
from twigma.core.progress import progress_bar
from twigma.core.safety import spreadsheet

FITS = 10
FIT_ROWS = 20_000  # images of each fit
JUDGED = 5_000  # images that silhouette and stability are of
STABLE = 0.95  # agreement from which on another seed tells the same story


def choose_k(
    work: Path, ks: Sequence[int], *, seed: int = 0, drop: Sequence[str] = REASONS
) -> pa.Table:
    """Per k: silhouette (mean over the fits), stability (mean ARI over the 45 pairs), least_stability (their minimum).

    Also written to `WORK/models/cluster/choose_k.csv`; the clusters there are stay as they are. ValueError for a k
    below 2, or not below the number of distinct images.
    """
    from sklearn.metrics import pairwise_distances

    images = read_embedded(work, drop)
    vectors, kept = images.vectors, images.kept
    if bad := [k for k in ks if not 2 <= k < min(len(kept), FIT_ROWS)]:
        raise ValueError(
            f"expected numbers of clusters from 2 to below the {len(kept):,} distinct images, found {bad}"
        )
    judged = _sample(kept, JUDGED, np.random.default_rng(seed))
    away = pairwise_distances(vectors.take(judged).astype(np.float32))
    np.fill_diagonal(away, 0)
    steps = progress_bar(sorted(set(ks)), desc="fits", unit="k")
    fits = {k: _fits(vectors, kept, judged, k, seed) for k in steps}
    table = pa.Table.from_pylist(
        [{"k": k} | _scores(labels, away) for k, labels in fits.items()]
    )
    spreadsheet.write_table(models(work) / "choose_k.csv", table)
    return table


def best_k(table: pa.Table) -> int | None:
    """The k of the highest silhouette among those that are stable; None when none is."""
    stable = [row for row in table.to_pylist() if row["stability"] >= STABLE]
    return (
        max(stable, key=lambda row: float(row["silhouette"]))["k"] if stable else None
    )


def _fits(
    vectors: Vectors, kept: Indices, judged: Indices, k: int, seed: int
) -> list[Indices]:
    """Labels of the judged images by each fit."""
    found = []
    for fit in range(seed, seed + FITS):
        rows = _sample(kept, FIT_ROWS, np.random.default_rng((seed, fit)))
        found.append(nearest(vectors, judged, kmeans(vectors, rows, k, seed=fit))[0])
    return found


def _scores(fits: list[Indices], away: Any) -> dict[str, float]:
    from sklearn.metrics import adjusted_rand_score

    agreement = [
        adjusted_rand_score(one, other) for one, other in combinations(fits, 2)
    ]
    return {
        "silhouette": float(np.mean([_silhouette(away, labels) for labels in fits])),
        "stability": float(np.mean(agreement)),
        "least_stability": float(min(agreement)),
    }


def _silhouette(away: Any, labels: Indices) -> float:
    from sklearn.metrics import silhouette_score

    found = len(np.unique(labels))
    return (
        float(silhouette_score(away, labels, metric="precomputed"))
        if 1 < found < len(labels)
        else float("nan")
    )


def _sample(rows: Indices, size: int, rng: np.random.Generator) -> Indices:
    return np.sort(rng.choice(rows, min(size, len(rows)), replace=False))
