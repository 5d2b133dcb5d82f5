"""Worlds of unit vectors with planted copies of reference images among others that nobody copied."""

from dataclasses import dataclass

import numpy as np

TOPICS, DIM, SPREAD = 60, 64, 0.5


@dataclass(frozen=True)
class Copies:
    """Studied vectors [n, d], the reference [m, d], and which studied ones are planted copies, bool [n]."""

    query: np.ndarray
    reference: np.ndarray
    planted: np.ndarray


def unit(x):
    """Rows of length 1, float32."""
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def plant_copies(n, m, share, *, cosine=1.0, repeats=0.0, isotropic=False, seed=0):
    """Both sets are drawn from one mixture of topics, the hardest null; then `share` of the studied rows are copies.

    `cosine` is that of a copy with its original; `repeats` is the share of the reference that repeats another row of
    it. `isotropic` rows have 16 dimensions and no topics, and lie farther apart.
    """
    rng = np.random.default_rng(seed)
    reference = _draw(m, isotropic, rng)
    query = _draw(n, isotropic, rng)
    repeated = rng.permutation(m)[: round(2 * repeats * m)].reshape(2, -1)
    reference[repeated[0]] = reference[repeated[1]]
    planted = np.zeros(n, bool)
    planted[rng.permutation(n)[: round(share * n)]] = True
    originals = reference[rng.integers(0, m, planted.sum())]
    query[planted] = at_cosine(originals, cosine, rng)
    return Copies(query, reference, planted)


def at_cosine(rows, cosine, rng):
    """A unit vector at this cosine from each unit row, in a random direction."""
    noise = rng.standard_normal(rows.shape)
    noise -= np.einsum("nd,nd->n", noise, rows)[:, None] * rows
    return unit(cosine * rows + np.sqrt(1 - cosine**2) * unit(noise))


def found(copies, result):
    """Power and false discovery proportion of `SimilarPairs`."""
    rows = result.listed.loc[result.listed["p_adjusted"] < 0.05, "row"].to_numpy()
    hits = copies.planted[rows].sum()
    power = hits / max(1, copies.planted.sum())
    return power, (len(rows) - hits) / max(1, len(rows))


def _draw(n, isotropic, rng):
    if isotropic:
        return unit(rng.standard_normal((n, 16)))
    fixed = np.random.default_rng(7)
    centres = fixed.standard_normal((TOPICS, DIM))
    latent = fixed.standard_normal((TOPICS, 12, DIM)) * SPREAD / 2
    topic = rng.integers(0, TOPICS, n)
    x = centres[topic] + 0.35 * rng.standard_normal((n, DIM))
    for i in range(TOPICS):
        mine = topic == i
        x[mine] += rng.standard_normal((mine.sum(), 12)) @ latent[i]
    return unit(x)
