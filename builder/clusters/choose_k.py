"""How many clusters: silhouette and stability for several k. Run by `twigma choose-k 5 8 10`.

For each k ten fits are made, each on its own sample and from its own seed, and all are judged on the same images (see
`stability.py`). The stability is how well the fits agree on these; the silhouette says how much nearer an image is to
its own cluster than to the next.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from twigma.builder.clusters.distinct_images import read_embedded
from twigma.builder.clusters.kmeans import kmeans, nearest
from twigma.builder.clusters.stability import FITS, JUDGED, STABLE, judge_fits
from twigma.builder.engine.vectors import Indices, Vectors, draw
from twigma.builder.stages.dedupe import REASONS
from twigma.core.names import DEFAULT
from twigma.core.progress import progress_bar
from twigma.core.safety import spreadsheet
from twigma.core.workspace import AnyWorkspace, Workspace

__all__ = ["FITS", "STABLE", "best_k", "choose_k"]

FIT_ROWS = 20_000  # images of each fit


def choose_k(
    work: AnyWorkspace,
    ks: Sequence[int],
    *,
    seed: int = 0,
    drop: Sequence[str] = REASONS,
    embedding: str = DEFAULT,
) -> pa.Table:
    """Judge these numbers of clusters of the embeddings of a name; the clusters of the folder stay as they are.

    Returns
    -------
    A row per k, ascending: k, silhouette (mean over the fits), stability (mean ARI over the 45 pairs), least_stability
    (their minimum). Also written to `WORK/models/cluster/choose_k.csv`. ValueError for a k below 2, or not below the
    number of distinct images.
    """
    from sklearn.metrics import pairwise_distances

    work = Workspace(work)
    images = read_embedded(work, drop, embedding)
    vectors, originals = images.vectors, images.by_name(images.originals)
    upper = min(len(originals), FIT_ROWS)
    bad = [k for k in ks if not 2 <= k < upper]
    if bad:
        raise ValueError(
            f"expected numbers of clusters from 2 to below {upper:,}, the distinct images that are fitted, found {bad}"
        )
    judged = draw(np.random.default_rng(seed), originals, JUDGED)
    distances = pairwise_distances(vectors.take(judged).astype(np.float32))
    np.fill_diagonal(distances, 0)
    rows = []
    for k in progress_bar(sorted(set(ks)), desc="fits", unit="k"):
        fits = _fits(vectors, originals, judged, k, seed)
        scores = judge_fits(fits, distances)
        rows.append(
            {
                "k": k,
                "silhouette": scores.silhouette,
                "stability": scores.stability,
                "least_stability": scores.least_stability,
            }
        )
    table = pa.Table.from_pylist(rows)
    spreadsheet.write_table(work.choose_k_file, table)
    return table


def best_k(table: pa.Table) -> int | None:
    """The k of the highest silhouette among the stable ones of `choose_k`, a row per k; None when none is stable."""
    stable = [row for row in table.to_pylist() if row["stability"] >= STABLE]
    if not stable:
        return None
    best = max(stable, key=lambda row: float(row["silhouette"]))
    return int(best["k"])


def _fits(
    vectors: Vectors, originals: Indices, judged: Indices, k: int, seed: int
) -> list[Indices]:
    """Labels of the judged images by each fit."""
    fits = []
    for fit_seed in range(seed, seed + FITS):
        rng = np.random.default_rng((seed, fit_seed))
        rows = draw(rng, originals, FIT_ROWS)
        centroids = kmeans(vectors, rows, k, seed=fit_seed)
        labels, _ = nearest(vectors, judged, centroids)
        fits.append(labels)
    return fits
