"""How much variation the prompts bring and how much the model adds by itself; beside Fig 3c, in `twigma analyze`.

Jalali et al. 2024 (arXiv:2411.02817) split the Vendi score of generated images in two factors: Information-Vendi, what
the images tell of their prompts, and Conditional-Vendi, the variation that is left once the prompt is known.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Array, Floats, as_column, as_matrix
from twigma.analysis.inference.intervals import interval
from twigma.analysis.variation.groups import group_rows
from twigma.analysis.variation.prompts import IMAGES
from twigma.analysis.vectors.samples import SAMPLE
from twigma.analysis.vectors.spectra import eigenvalues, eigenvectors
from twigma.core.numeric.stored_rows import StoredRows
from twigma.core.numeric.unit_vectors import require_unit_rows
from twigma.core.safety.failures import DataError

Codes = npt.NDArray[np.int64]


class Entropies(NamedTuple):
    """Matrix entropies in nats: of the images, of the prompts, of both, and of the images within each prompt [G]."""

    images: float
    prompts: float
    both: float
    within: Floats


def matrix_entropies(x: Array, codes: Codes) -> Entropies:
    """H(K) = −Σ λ ln λ over the eigenvalues of K/n, for three kernels of n images.

    K_X is the cosine of two images, K_T is 1 for images of one prompt and else 0, and the joint kernel is their product
    element by element. That one falls apart into a block for each prompt, of share w_g of the images and entropy H_g:
    H(X, T) = −Σ w_g ln w_g + Σ w_g H_g.

    Parameters
    ----------
    x : float [n, d]. codes : prompt of each row, int64[n], 0 … G − 1.
    """
    x = require_unit_rows(x, "matrix_entropies", dtype=np.float64)
    groups = list(group_rows(codes, int(codes.max()) + 1))
    share = np.array([len(rows) for rows in groups]) / len(x)
    within = np.array([_entropy(eigenvalues(x[rows])) for rows in groups])
    prompts = -float(share @ np.log(share))
    images = _entropy(eigenvalues(x))
    return Entropies(images, prompts, prompts + float(share @ within), within)


def conditional_vendi(
    x: Any, prompts: Any, *, m: int = IMAGES, n: int = SAMPLE, seed: int = 0
) -> pd.DataFrame:
    """Vendi score, Conditional-Vendi and Information-Vendi of images by prompt.

    conditional = exp(H(X, T) − H(T)), the mean over prompts of the entropy within one: between 1 (all images of a
    prompt alike) and m. information = exp(H(X) + H(T) − H(X, T)): between 1 (prompts change nothing) and the number of
    prompts. Their product is the Vendi score exp(H(X)).

    Parameters
    ----------
    x : matrix [N, d]. prompts : text or None [N].
    m : images of each prompt, drawn among those with as many: the entropy within a prompt grows with their number.
    n : images at most, as complete prompts.

    Returns
    -------
    DataFrame (measure, value, low, high, prompts, n, m, seed); measure is vendi, conditional or information, and the
    95% intervals take the prompts as the sample, and end at the most that a measure can be. All three are plug-in
    values: with few prompts vendi and information are low. ValueError for fewer than two prompts with `m` images.
    """
    rows, codes = _drawn(as_column(prompts), m, n, seed)
    unit: Any = as_matrix(x)
    # Stored rows have norm 1, all of them.
    if not isinstance(unit, StoredRows):
        unit = require_unit_rows(unit, "conditional_vendi")
    x = require_unit_rows(unit[rows], "conditional_vendi", dtype=np.float64)
    entropies = matrix_entropies(x, codes)
    conditional = entropies.both - entropies.prompts
    logs = {
        "vendi": entropies.images,
        "conditional": conditional,
        "information": entropies.images - conditional,
    }
    of_images = _influence(x)
    of_prompts = entropies.within[codes]
    influence = {
        "vendi": of_images,
        "conditional": of_prompts,
        "information": of_images - of_prompts,
    }
    prompt_count = len(entropies.within)
    most = {"vendi": len(rows), "conditional": m, "information": prompt_count}
    table = []
    for measure, log in logs.items():
        score = float(np.exp(log))
        limits = interval(
            score, score * influence[measure], codes, least=1.0, most=most[measure]
        )
        table.append(
            {"measure": measure, "value": score, "low": limits.low, "high": limits.high}
        )
    return pd.DataFrame(table).assign(prompts=prompt_count, n=len(rows), m=m, seed=seed)


def _drawn(prompts: Array, m: int, n: int, seed: int) -> tuple[Codes, Codes]:
    """Rows of `m` random images of as many random prompts as fit in `n`, and the prompt of each."""
    rng = np.random.default_rng(seed)
    codes = pd.factorize(pd.Series(np.asarray(prompts, dtype=object)), sort=True)[0]
    rows = np.flatnonzero(codes >= 0)
    groups = group_rows(codes[rows], int(codes.max(initial=-1)) + 1)
    large = [rows[members] for members in groups if len(members) >= m]
    if len(large) < 2 or m < 2:
        raise DataError(
            f"conditional_vendi: expected at least two prompts with {m} images each, found {len(large)}; add more "
            "images per prompt to the reference set"
        )
    order = rng.permutation(len(large))[: max(2, n // m)]
    chosen = [np.sort(rng.choice(large[at], m, replace=False)) for at in order]
    return np.concatenate(chosen), np.repeat(np.arange(len(chosen)), m)


def _entropy(values: Floats) -> float:
    share = values[values > 0] / values.sum()
    return -float(share @ np.log(share))


def _influence(x: Floats) -> Floats:
    """−Σ_i ln(λ_i) (v_i · x)² of each row, [n]: its mean is H(X)."""
    values, vectors = eigenvectors(x)
    values = values / len(x)
    some = values > 1e-12  # a null direction has no part in the entropy
    return -((x @ vectors[:, some]) ** 2 @ np.log(values[some]))
