"""Do longer prompts give more alike images (Fig 3c)? Words of each prompt against the distance between its images.

`twigma analyze` runs it on the reference set whose images name their prompt.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import pdist

IMAGES = 10  # of each prompt: with fewer the noise of the distance hides part of the correlation


def prompt_variation(
    embedding: NDArray[np.floating], prompts: NDArray[np.object_], m: int = IMAGES, seed: int = 0
) -> pd.DataFrame:
    """Words (split at white space) and mean pairwise distance of `m` images of every prompt that has as many.

    Parameters
    ----------
    embedding : float [n, d], rows of norm 1.
    prompts : text or None [n].

    Returns
    -------
    DataFrame (words, distance, images), a row per prompt; the text of the prompt is left out.
    """
    rng = np.random.default_rng(seed)
    groups = pd.Series(np.arange(len(prompts))).groupby(prompts).indices
    rows = []
    for prompt, members in sorted(groups.items(), key=lambda item: str(item[0])):
        if len(members) >= m:
            chosen = embedding[rng.choice(members, m, replace=False)].astype(np.float64)
            rows.append((len(str(prompt).split()), float(pdist(chosen).mean()), m))
    return pd.DataFrame(rows, columns=["words", "distance", "images"])


def kendall(prompts: pd.DataFrame) -> dict[str, float]:
    """Kendall's tau-b between words and distance, with Fieller's 95% interval: atanh tau ± 1.96 sqrt(.437/(n-4)).

    Returns
    -------
    value, low, high, p, n (prompts). ValueError for fewer than 8 prompts or all of one length.
    """
    n = len(prompts)
    if n < 8 or prompts["words"].nunique() < 2:
        raise ValueError(
            f"fig3c needs at least 8 prompts of different lengths with {IMAGES} images each, found {n}; "
            "add more images per prompt to the reference set"
        )
    found = stats.kendalltau(prompts["words"], prompts["distance"])
    centre, half = (
        np.arctanh(np.clip(found.statistic, -1 + 1e-9, 1 - 1e-9)),
        stats.norm.ppf(0.975) * np.sqrt(0.437 / (n - 4)),
    )
    low, high = np.tanh([centre - half, centre + half])
    return {"value": float(found.statistic), "low": float(low), "high": float(high), "p": float(found.pvalue), "n": n}
