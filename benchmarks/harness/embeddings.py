"""The embeddings that the benchmarks of this folder are run on; alone it does nothing."""

import numpy as np
import numpy.typing as npt

COMPONENTS, TOPICS, LATENT = 200, 12, 48


def mixture(
    rows: int, dim: int = 768, *, seed: int = 0, home: int = 0, diffuse: bool = False
) -> npt.NDArray[np.float32]:
    """Unit rows float32[rows, dim] of 200 anisotropic Gaussians; `seed` draws the rows, `home` weighs the Gaussians.

    The Gaussians lie in 12 topics about as far apart as real ones (k-means with k=10 leaves an inertia of .53);
    `diffuse` rows have no topics and spread along shared directions instead, the hard case for k-means (.92).
    """
    fixed, rng = np.random.default_rng(7), np.random.default_rng((seed, home))
    centres = fixed.normal(size=(COMPONENTS, dim))
    if not diffuse:
        centres += fixed.normal(size=(TOPICS, dim))[
            np.arange(COMPONENTS) % TOPICS
        ] + fixed.normal(size=dim)
    directions = fixed.normal(size=(LATENT, dim)).astype(np.float32)
    scales = fixed.gamma(
        1.0, 0.25 if diffuse else 0.1, size=(COMPONENTS, LATENT)
    ).astype(np.float32)
    weights = np.random.default_rng(home).dirichlet(np.full(COMPONENTS, 0.5))
    label = rng.choice(COMPONENTS, rows, p=weights)
    x = rng.standard_normal((rows, dim), np.float32)
    x *= 0.5
    x += centres.astype(np.float32)[label]
    x += (rng.standard_normal((rows, LATENT), np.float32) * scales[label]) @ directions
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x


if __name__ == "__main__":
    pass
