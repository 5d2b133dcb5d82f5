"""Do longer prompts give more alike images (Fig 3c)? Words of each prompt against the distance between its images.

`twigma analyze` runs it on the reference set whose images name their prompt.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats
from scipy.spatial.distance import pdist

from twigma.analysis.convert import as_column, as_matrix
from twigma.analysis.inference.intervals import Estimate

IMAGES = 10  # of each prompt: with fewer the noise of the distance hides part of the correlation
BLURRED = 2.0  # DiffusionDB's `image_nsfw` of an image that was blurred
# Images equal in all of these are one image.
GENERATION = ("group", "seed", "cfg", "step", "sampler")


@dataclass(frozen=True, repr=False)
class Correlation(Estimate):
    """A correlation with its interval, and the two-sided p value of no correlation."""

    p: float

    def keys(self) -> Iterator[str]:
        """In the order of the results."""
        return iter(("value", "low", "high", "p", "n"))


def prompt_variation(
    embedding: Any, prompts: Any, m: int = IMAGES, seed: int = 0
) -> pd.DataFrame:
    """Words (split at white space) and mean pairwise distance of `m` images of every prompt that has as many.

    Parameters
    ----------
    embedding : matrix [n, d], rows of norm 1.
    prompts : text or None [n].

    Returns
    -------
    DataFrame (words, distance, images), a row per prompt; the text of the prompt is left out.
    """
    embedding = as_matrix(embedding)
    prompts = as_column(prompts)
    rng = np.random.default_rng(seed)
    groups = pd.Series(np.arange(len(prompts))).groupby(prompts).indices
    rows = []
    # In one order, or the draws would depend on the order of the table.
    for prompt, members in sorted(groups.items(), key=lambda item: str(item[0])):
        if len(members) < m:
            continue
        chosen = embedding[rng.choice(members, m, replace=False)].astype(np.float64)
        words = len(str(prompt).split())
        rows.append((words, float(pdist(chosen).mean()), m))
    return pd.DataFrame(rows, columns=["words", "distance", "images"])


def left_out(table: pa.Table) -> pd.DataFrame:
    """Which images are no evidence of a prompt's variation: blurred ones, and repeats of one generation (section 3.3).

    Parameters
    ----------
    table : of the columns `image_nsfw` (2.0: blurred), `duplicate_of` (set on a repeat) and all of group (the prompt),
        seed, cfg, step and sampler, by which repeats are recognised; without these columns nothing is left out.

    Returns
    -------
    DataFrame of bool (blurred, repeated), a row per image; the first of several repeats that is not blurred is none.
    """
    none = np.zeros(len(table), bool)
    frame = pd.DataFrame({"blurred": none, "repeated": none})
    if "image_nsfw" in table.column_names:
        blurred = pc.equal(table["image_nsfw"], BLURRED)
        frame["blurred"] = pc.fill_null(blurred, False).to_numpy()
    if "duplicate_of" in table.column_names:
        frame["repeated"] = table["duplicate_of"].is_valid().to_numpy()
    if set(GENERATION) <= set(table.column_names):
        settings = table.select(list(GENERATION)).to_pandas()
        # A blurred image must not be the one that stays.
        compared = settings.notna().all(axis=1) & ~frame["blurred"]
        frame.loc[compared, "repeated"] |= settings[compared].duplicated()
    return frame


def kendall(prompts: pd.DataFrame) -> Correlation:
    """Kendall's tau-b between words and distance, with Fieller's 95% interval: atanh tau ± 1.96 sqrt(.437/(n-4)).

    Parameters
    ----------
    prompts : words and distance, a row per prompt.

    Returns
    -------
    Correlation of n prompts. ValueError for fewer than 8 prompts or all of one length.
    """
    n = len(prompts)
    if n < 8 or prompts["words"].nunique() < 2:
        raise ValueError(
            f"fig3c needs at least 8 prompts of different lengths with {IMAGES} images each, found {n}; "
            "add more images per prompt to the reference set"
        )
    test = stats.kendalltau(prompts["words"], prompts["distance"])
    # tau of exactly ±1 has no finite transform
    centre = np.arctanh(np.clip(test.statistic, -1 + 1e-9, 1 - 1e-9))
    half = stats.norm.ppf(0.975) * np.sqrt(0.437 / (n - 4))
    low, high = np.tanh([centre - half, centre + half])
    return Correlation(
        value=float(test.statistic),
        low=float(low),
        high=float(high),
        n=n,
        p=float(test.pvalue),
    )
