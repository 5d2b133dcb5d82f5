"""The map of embeddings: `builder/maps/layout.py` against umap-learn as it comes, both seeded.

Goal: at least 3 times umap-learn at 40,000 rows, and neighbours as well preserved: of 2,000 rows, how many of the 15
nearest are among the 15 nearest on the map, and scikit-learn's trustworthiness. Each runs in a process of its own, as
`twigma cluster` does, so that what numba compiles counts: most of the peer's time is that, its approximate search and
its spectral start; ours searches exactly, starts from principal components, and moves images by a thread a core.
Run: `python -m benchmarks.builder.umap_map [ROWS]`.
"""

import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from benchmarks.harness.embeddings import mixture
from benchmarks.harness.interleaved import versus
from twigma.builder.engine.vectors import Vectors, as_column
from twigma.builder.maps.descent import MIN_DIST
from twigma.builder.maps.image_map import image_map
from twigma.builder.maps.layout import NEIGHBOURS

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
JUDGED = 2_000  # rows, among all of which their neighbours are looked for
TRUSTED = 5_000  # rows that trustworthiness is computed of: it takes their square

Floats = npt.NDArray[np.float32]


def by_umap(x: Floats) -> Floats:
    """umap-learn with the same neighbours and distance; the rest as it comes."""
    import umap

    model = umap.UMAP(
        n_neighbors=NEIGHBOURS,
        min_dist=MIN_DIST,
        metric="cosine",
        random_state=0,
        n_jobs=1,
    )
    return np.asarray(model.fit_transform(x), np.float32)


def by_us(x: Floats) -> Floats:
    """The map that `twigma cluster` fits."""
    vectors = Vectors([as_column(x.astype(np.float16))], pa.nulls(len(x), pa.string()))
    return image_map(vectors, np.arange(len(x))).positions


def in_a_process(function: Callable[[Floats], Floats], x: Floats) -> Floats:
    """What it returns, called in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, x).result()


def preserved(x: Floats, positions: Floats) -> float:
    """Share of the nearest neighbours that are nearest on the map too."""
    shares = []
    near = []
    for rows in (x, positions):
        search = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(rows)
        near.append(search.kneighbors(rows[:JUDGED], return_distance=False)[:, 1:])
    for one, other in zip(*near, strict=True):
        shares.append(len(np.intersect1d(one, other)) / NEIGHBOURS)
    return float(np.mean(shares))


def trusted(x: Floats, positions: Floats) -> float:
    """Trustworthiness of the first rows."""
    return float(trustworthiness(x[:TRUSTED], positions[:TRUSTED], n_neighbors=15))


def compare(kind: str, x: Floats) -> None:
    """Print the row of one kind."""

    def quality(mine: Floats, theirs: Floats) -> str:
        kept = [preserved(x, one) for one in (mine, theirs)]
        trust = [trusted(x, one) for one in (mine, theirs)]
        return (
            f"neighbours kept {kept[0]:.3f} and {kept[1]:.3f}, trustworthiness "
            f"{trust[0]:.3f} and {trust[1]:.3f}"
        )

    versus(
        f"map of {ROWS:,} {kind} rows | umap-learn",
        lambda: in_a_process(by_us, x),
        lambda: in_a_process(by_umap, x),
        rounds=1,
        quality=quality,
    )


def main() -> None:
    """Print a row for each kind of embeddings."""
    warnings.simplefilter("ignore")
    compare("grouped", mixture(ROWS))
    compare("diffuse", mixture(ROWS, diffuse=True))


if __name__ == "__main__":
    main()
