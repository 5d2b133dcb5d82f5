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

from twigma.analysis.convert import Floats, as_column, as_matrix
from twigma.analysis.inference.intervals import Estimate
from twigma.core.safety.failures import DataError

IMAGES = 10  # of each prompt: with fewer the noise of the distance hides part of the correlation
NUMBERS = 2**21  # of pairs in one array
BLURRED = 2.0  # DiffusionDB's `image_nsfw` of an image that was blurred
# Images equal in all of these are one image.
GENERATION = ("group", "seed", "cfg", "step", "sampler")
EXCLUDING = (*GENERATION, "image_nsfw", "duplicate_of")  # by which images are left out


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
    """Which images are no evidence of a prompt's variation: blurred ones, and repeats of one generation (for Fig 3c).

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
    """Kendall's tau-b between words and distance, with a 95% interval by the jackknife over prompts.

    The interval is tanh(atanh tau ± t se), se² = (n − 1)/n Σ (atanh tau without prompt i − atanh tau)². Many prompts
    have equally many words, and Fieller's formula, which knows of no ties, is then too narrow.

    Parameters
    ----------
    prompts : words and distance, a row per prompt.

    Returns
    -------
    Correlation of n prompts. ValueError for fewer than 8 prompts or all of one length.
    """
    n = len(prompts)
    if n < 8 or prompts["words"].nunique() < 2:
        raise DataError(
            f"fig3c needs at least 8 prompts of different lengths with {IMAGES} images each, found {n}; "
            "add more images per prompt to the reference set"
        )
    test = stats.kendalltau(prompts["words"], prompts["distance"])
    centre = _transform(test.statistic)
    without = _transform(tau_without_each(prompts["words"], prompts["distance"]))
    se = np.sqrt((n - 1) / n * np.sum((without - centre) ** 2))
    half = stats.t.ppf(0.975, n - 1) * se
    low, high = np.tanh([centre - half, centre + half])
    return Correlation(
        value=float(test.statistic),
        low=float(low),
        high=float(high),
        n=n,
        p=float(test.pvalue),
    )


def _transform(tau: Any) -> Any:
    """Fisher's transform; a tau of exactly ±1 has no finite one."""
    return np.arctanh(np.clip(tau, -1 + 1e-9, 1 - 1e-9))


def tau_without_each(x: Any, y: Any) -> Floats:
    """Kendall's tau-b of all pairs but those of one row, float64 [n], for each row in turn.

    Parameters
    ----------
    x, y : numbers [n]. Where all that is left is tied, tau is that of all rows.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    n = len(x)
    concordant, untied_x, untied_y = np.zeros(n), np.zeros(n), np.zeros(n)
    step = max(1, NUMBERS // n)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        # int8, as n² of them are what this costs.
        signs_x = np.sign(x[rows, None] - x).astype(np.int8)
        signs_y = np.sign(y[rows, None] - y).astype(np.int8)
        concordant[rows] = (signs_x * signs_y).sum(axis=1, dtype=np.int64)
        untied_x[rows] = np.count_nonzero(signs_x, axis=1)
        untied_y[rows] = np.count_nonzero(signs_y, axis=1)
    # Each pair is counted at both of its rows.
    pairs, pairs_x, pairs_y = (
        counts.sum() / 2 for counts in (concordant, untied_x, untied_y)
    )
    left = (pairs_x - untied_x) * (pairs_y - untied_y)
    tau = np.full(n, pairs / np.sqrt(pairs_x * pairs_y))
    np.divide(pairs - concordant, np.sqrt(left), out=tau, where=left > 0)
    return tau
