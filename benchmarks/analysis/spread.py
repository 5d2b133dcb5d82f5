"""Variation of a set (Fig 3a, 3b): singular values, spread and mean distance against NumPy, torch and SciPy.

Goals: singular values at least 3 times torch's svdvals and 8 times np.linalg.svd; standard deviations right where
np.std in float32 is not; the mean distance of millions of pairs from sampled ones, within its interval of all pairs.
Run: `python -m benchmarks.analysis.spread [ROWS]`.
"""

import sys

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.distance import pdist

from benchmarks.harness.embeddings import mixture
from benchmarks.harness.interleaved import versus
from twigma.analysis.inference.intervals import Estimate
from twigma.analysis.variation.distance import mean_pairwise_distance
from twigma.analysis.variation.measures import pmv
from twigma.analysis.vectors.spectra import singular_values

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
PAIRED = 8_000  # rows of which pdist still holds all pairs: 256 MB
DIM = 768

Floats = npt.NDArray[np.floating]


def spectra(ours: Floats, theirs: Floats) -> str:
    """The largest relative difference of a singular value, and of IEV."""
    gap = np.abs(ours / theirs - 1).max()
    iev, peer_iev = ours.sum() / ours[0], theirs.sum() / theirs[0]
    return f"singular values within {gap:.0e}, IEV within {abs(iev / peer_iev - 1):.0e}"


def by_numpy(x: Floats) -> float:
    """PMV of standard deviations as np.std gives them in float32."""
    deviations = x.std(axis=0, ddof=1)
    return float(np.exp(np.log(deviations).mean()))


def all_pairs(x: Floats) -> float:
    """Mean distance of all pairs from the products of a full matrix, a block of rows at a time."""
    total = 0.0
    for start in range(0, len(x), 2048):
        squares = 2 - 2 * (x[start : start + 2048] @ x.T)
        total += float(np.sqrt(np.maximum(squares, 0)).sum(dtype=np.float64))
    return total / (len(x) * (len(x) - 1))


def distances(ours: Estimate, theirs: float) -> str:
    """Ours with its interval, and where the peer's lies."""
    inside = ours.low <= theirs <= ours.high
    return f"{ours.value:.6f} [{ours.low:.6f}, {ours.high:.6f}], all pairs {theirs:.6f}, inside: {inside}"


def main() -> None:
    """Print a row for each measure and peer."""
    x = mixture(ROWS, DIM)
    exact = pmv(x.astype(np.float64))
    name = f"{ROWS:,} x {DIM}"
    versus(
        f"singular values, {name} | np.linalg.svd",
        lambda: singular_values(x),
        lambda: np.linalg.svd(x, compute_uv=False),
        rounds=1,
        quality=spectra,
    )
    versus(
        f"singular values, {name} | torch svdvals",
        lambda: singular_values(x),
        lambda: torch.linalg.svdvals(torch.from_numpy(x)).numpy(),
        quality=spectra,
    )
    versus(
        f"PMV, {name} | np.std in float32",
        lambda: pmv(x),
        lambda: by_numpy(x),
        quality=lambda ours, theirs: (
            f"off by {abs(ours / exact - 1):.0e}, the peer by {abs(theirs / exact - 1):.0e}"
        ),
    )
    versus(
        f"mean distance, {name} | every pair by products",
        lambda: mean_pairwise_distance(x),
        lambda: all_pairs(x),
        rounds=1,
        quality=distances,
    )
    versus(
        f"mean distance, {PAIRED:,} x {DIM} | scipy pdist",
        lambda: mean_pairwise_distance(x[:PAIRED]),
        lambda: float(pdist(x[:PAIRED]).mean()),
        quality=distances,
    )


if __name__ == "__main__":
    main()
