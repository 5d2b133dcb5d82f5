"""Unit rows some of which are close neighbours, and how far a float32 product of two of them can be off."""

import numpy as np

# The order of a sum differs by processor: a float32 product of unit rows of this length errs by a few units.
ROUNDING = 2e-6


def near_directions(
    rng: np.random.Generator, n: int, d: int = 256, rest: float = 0.1
) -> np.ndarray:
    """Unit rows float32[n, d] near twenty directions: the larger the rest, the more scattered."""
    directions = np.random.default_rng(0).normal(size=(20, d))
    x = rng.normal(size=(n, 20)) @ directions / np.sqrt(20)
    x += rest * rng.normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
