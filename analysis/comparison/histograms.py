"""Divergence of two histograms, and its standard deviation where their rows are independent."""

import numpy as np

from twigma.analysis.convert import Array, Floats

KT = 0.5  # Krichevsky-Trofimov: added to every count


def kl(p_counts: Array, q_counts: Array, smoothing: float = KT) -> float:
    """Σ p ln(p/q) in nats of two histograms [k], with `smoothing` added to every count; inf where p > 0 = q."""
    p = shares(p_counts, smoothing)
    q = shares(q_counts, smoothing)
    some = p > 0
    if (q[some] == 0).any():
        return float("inf")
    return float(np.sum(p[some] * np.log(p[some] / q[some])))


def kl_sd(p_counts: Array, q_counts: Array, smoothing: float = KT) -> float:
    """Delta-method standard deviation of `kl` of two histograms [k], from the sampling of both."""
    p = shares(p_counts, smoothing)
    q = shares(q_counts, smoothing)
    ratio = np.log(p / q)
    first = np.sum(p * ratio**2) - np.sum(p * ratio) ** 2
    second = np.sum(p**2 / q) - 1
    # Equal histograms have no variance, which rounding can make negative.
    variance = max(0.0, first) / np.sum(p_counts) + max(0.0, second) / np.sum(q_counts)
    return float(np.sqrt(variance))


def shares(counts: Array, smoothing: float) -> Floats:
    """Counts [..., k], each plus `smoothing`, over their sum."""
    counts = np.asarray(counts, dtype=np.float64) + smoothing
    result: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return result


def smoothed_kl(p_counts: Array, q_counts: Array) -> Floats:
    """`kl` with 1/2 added to every count, of histograms [..., k] against others of the same or one shape, [...]."""
    p, q = shares(p_counts, KT), shares(q_counts, KT)
    result: Floats = np.sum(p * np.log(p / q), axis=-1)
    return result
