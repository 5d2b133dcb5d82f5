"""How strongly near rows attract each other on a map: the weights of UMAP (McInnes, Healy & Melville 2018, section 3).

The same as umap-learn's, which computes them compiled: that takes it seconds in every process.
"""

import numpy as np
import numpy.typing as npt
from scipy import sparse

BISECTIONS = 50
LEAST_SCALE = 1e-3  # of a row's mean distance: nearer neighbours than that are alike

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def graph(indices: Indices, distances: Floats) -> sparse.csr_array:
    """The weights of all pairs of neighbours, symmetric float64[n, n], 0 to 1.

    The nearest neighbour of a row has weight 1, and others by how much farther they are (`strengths`). Two rows are
    joined if either has the other among its neighbours: their weight is w + v - wv.

    Parameters
    ----------
    indices : int64[n, count], the nearest rows of each, itself first.
    distances : float32[n, count], ascending in each row.
    """
    n, count = indices.shape
    apart = np.where(distances > 0, distances, np.inf).min(axis=1)
    nearest = np.where(np.isfinite(apart), apart, 0)
    weights = strengths(distances, nearest)
    weights[:, 0] = 0  # of itself
    begin = np.arange(n + 1) * count
    one = sparse.csr_array((weights.ravel(), indices.ravel(), begin), shape=(n, n))
    both = one + one.T - one.multiply(one.T)
    return sparse.csr_array(both)


def strengths(distances: Floats, nearest: npt.ArrayLike = 0) -> Doubles:
    """UMAP's weights exp(-(d - nearest) / s) of ascending distances from a row to its neighbours; 1 of nearer ones.

    The scale s of each row is such that the weights after the first add up to log2(count); computed by bisection.

    Parameters
    ----------
    distances : float32[n, count], ascending in each row.
    nearest : float[n], what is subtracted from the distances of each row, or 0 for all.

    Returns
    -------
    float64[n, count], 0 to 1.
    """
    nearest = np.broadcast_to(np.asarray(nearest, np.float64), len(distances))
    d = np.clip(distances - nearest[:, None], 0, None)
    target = np.log2(d.shape[1])
    low = np.full(len(d), -15.0)  # of log s
    high = np.full(len(d), 15.0)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        scale = np.exp(middle)[:, None]
        is_wide = np.exp(-d[:, 1:] / scale).sum(axis=1) > target
        low = np.where(is_wide, low, middle)
        high = np.where(is_wide, middle, high)
    least = np.where(nearest > 0, LEAST_SCALE * distances.mean(axis=1), 0)
    scale = np.maximum(np.exp(low), least)[:, None]
    weights: Doubles = np.exp(-d / scale)
    return weights
