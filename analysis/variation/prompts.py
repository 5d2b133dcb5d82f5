"""Do longer prompts give more alike images (Fig 3c)? Words of each prompt against the distance between its images.

`twigma analyze` runs it on the reference set whose images name their prompt.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import pdist

IMAGES = 10  # of each prompt: with fewer the noise of the distance hides part of the correlation
BLURRED = 2.0  # DiffusionDB's `image_nsfw` of an image that was blurred
GENERATION = (
    "group",
    "seed",
    "cfg",
    "step",
    "sampler",
)  # images equal in all of these are one image


def prompt_variation(
    embedding: NDArray[np.floating],
    prompts: NDArray[np.object_],
    m: int = IMAGES,
    seed: int = 0,
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


def left_out(table: pa.Table) -> pd.DataFrame:
    """Which images say nothing of a prompt's variation: blurred ones, and repeats of one generation (section 3.3).

    Parameters
    ----------
    table : what it has of `image_nsfw` (2.0: blurred), `duplicate_of` (set on a repeat) and all of group (the prompt),
        seed, cfg, step and sampler, by which repeats are told; without these columns nothing is left out.

    Returns
    -------
    DataFrame of bool (blurred, repeated), a row per image; the first of several repeats, blurred ones aside, is none.
    """
    nothing = np.zeros(len(table), bool)
    frame = pd.DataFrame({"blurred": nothing, "repeated": nothing})
    if "image_nsfw" in table.column_names:
        frame["blurred"] = pc.fill_null(
            pc.equal(table["image_nsfw"], BLURRED), False
        ).to_numpy()
    if "duplicate_of" in table.column_names:
        frame["repeated"] = table["duplicate_of"].is_valid().to_numpy()
    if all(name in table.column_names for name in GENERATION):
        settings = table.select(list(GENERATION)).to_pandas()
        whole = settings.notna().all(axis=1) & ~frame["blurred"]
        frame.loc[whole, "repeated"] |= settings[whole].duplicated()
    return frame


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
    return {
        "value": float(found.statistic),
        "low": float(low),
        "high": float(high),
        "p": float(found.pvalue),
        "n": n,
    }
