"""Training, validation and test: no author in two splits, and each split later than the one before it.

An author is in one split, with the images posted in the time of that split; the author's other images are left out.
When most authors are active all the time, 80 % of the time is not 80 % of the images that remain: so the time where
validation begins is searched for, and authors are assigned such that the splits have the sizes asked for and the fewest
images are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twigma.builder.finetuning.row_keys import (
    author_numbers,
    exclude,
    images_at,
    included_rows,
    post_times,
)

SPLITS = ("train", "validation", "test")
SHARES = np.array([0.8, 0.1, 0.1])
TOLERANCE = 0.02  # of a share: further off is said
FEWEST = 20  # images that are split; fewer are all for training
# Shares of the dated images before validation begins; the rest of the time is halved.
CUTS = (0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35)
STEPS = 100  # of the search for one cut
CLOSE = 0.001  # of a share: ends that search
NOISE = 0.5  # on the log scale: authors with equal numbers of images change splits one by one
RULE = "Splits share no author and follow each other in time"
OTHER_SPLIT = "its author is in another split, or it is of that split's time"


@dataclass(frozen=True)
class Splits:
    """The split of each of n rows (None for those left out), all reasons, and what is to be said of the sizes.

    `rule` is how they were split: RULE as far as authors and dates are known.
    """

    of_row: list[str | None]
    reasons: pa.ChunkedArray
    warning: str
    rule: str = RULE

    def counts(self) -> Mapping[str, int]:
        """Images of each split."""
        return {name: self.of_row.count(name) for name in SPLITS}


@dataclass(frozen=True)
class Plan:
    """Where the cuts are and which split each author is in."""

    window: NDArray[np.int64]  # of each image: the split of its time, -1 where unknown
    of_author: NDArray[np.int64]
    sizes: NDArray[np.float64]  # images of each split

    @property
    def deviation(self) -> float:
        """How far the share of a split is from what was asked for, at most."""
        shares = self.sizes / self.sizes.sum()
        return float(np.abs(shares - SHARES).max())


def split(table: pa.Table, reasons: pa.ChunkedArray, seed: int) -> Splits:
    """Split the rows without a reason, 80 %, 10 % and 10 %; those that tie two splits together get one.

    Images without a time go with their author. Fewer than FEWEST images are all for training.
    """
    rows = included_rows(reasons)
    of_row: list[str | None] = [None] * len(table)
    if len(rows) < FEWEST:
        for row in rows:
            of_row[row] = "train"
        warning = f"{len(rows):,} images are too few to split: all are in train"
        return Splits(of_row, reasons, warning)
    selected = images_at(table, rows)
    author = author_numbers(selected)
    plan = best_plan(author, post_times(selected), np.random.default_rng(seed))
    assigned = plan.of_author[author]
    fits = (plan.window == assigned) | (plan.window < 0)
    for row, number in zip(rows[fits], assigned[fits], strict=True):
        of_row[row] = SPLITS[number]
    reasons = exclude(reasons, rows[~fits], OTHER_SPLIT)
    rule = _rule(selected.filter(pa.array(fits)))
    return Splits(of_row, reasons, _warning(plan), rule)


def _rule(images: pa.Table) -> str:
    """How these images are split; says how many lack an author or a date."""
    missing = []
    for column in ("author_id", "created_at"):
        known = 0
        if column in images.column_names:
            known = len(images) - images[column].null_count
        missing.append(len(images) - known)
    no_author, no_date = missing
    if no_author == no_date == 0:
        return RULE
    return (
        f"{RULE} where these are known: of {len(images):,} images, {no_author:,} have no author and {no_date:,} no "
        "date, and those with neither are split at random"
    )


def best_plan(
    author: NDArray[np.int64], times: NDArray[np.float64], rng: np.random.Generator
) -> Plan:
    """The plan that leaves out fewest images, of those with the sizes asked for; else that with the nearest sizes.

    `author` numbers the authors of the n images from 0; `times` are float64[n], NaN where unknown.
    """
    noise = np.exp(NOISE * rng.random((int(author.max()) + 1, len(SPLITS))))
    best: Plan | None = None
    for cut in CUTS:
        window = _windows(times, cut)
        counts = _images_by_author(author, window)
        plan = _assign(window, counts, noise)
        if best is None or _is_better(plan, best):
            best = plan
        if np.isnan(times).all():
            break  # every cut is the same
    assert best is not None
    return best


def _is_better(plan: Plan, other: Plan) -> bool:
    near = TOLERANCE / 2
    if plan.deviation <= near and other.deviation <= near:
        return bool(plan.sizes.sum() > other.sizes.sum())
    return plan.deviation < other.deviation


def _windows(times: NDArray[np.float64], cut: float) -> NDArray[np.int64]:
    """The split whose time every image is of, -1 without a time: int64[n]."""
    window = np.full(len(times), -1)
    dated = ~np.isnan(times)
    if dated.any():
        shares = [cut, (1 + cut) / 2]
        cuts = np.quantile(times[dated], shares, method="higher")
        window[dated] = np.searchsorted(cuts, times[dated], side="right")
    return window


def _images_by_author(
    author: NDArray[np.int64], window: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many images an author would have in each split; those without a time would be in any: int64[authors, 3]."""
    authors = int(author.max()) + 1
    undated = np.bincount(author[window < 0], minlength=authors)
    columns = []
    for number in range(len(SPLITS)):
        dated = np.bincount(author[window == number], minlength=authors)
        columns.append(dated + undated)
    return np.column_stack(columns)


def _assign(
    window: NDArray[np.int64], counts: NDArray[np.int64], noise: NDArray[np.float64]
) -> Plan:
    """The split of each author: that with most of its images, splits that are too small weighing more."""
    everyone = np.arange(len(counts))
    weights = np.zeros(len(SPLITS))  # on the log scale
    smallest = 0.5 / counts.sum()  # stands for an empty split
    best: Plan | None = None
    for step in range(STEPS):
        of_author = np.argmax(counts * noise * np.exp(weights), axis=1)
        images = counts[everyone, of_author]
        counted = np.bincount(of_author, images, minlength=len(SPLITS))
        sizes = np.asarray(counted, np.float64)
        plan = Plan(window, of_author, sizes)
        if best is None or plan.deviation < best.deviation:
            best = plan
        if best.deviation <= CLOSE:
            break
        shares = np.maximum(sizes / sizes.sum(), smallest)
        weights += (np.log(SHARES) - np.log(shares)) / (2 + step / 4)
    assert best is not None
    return best


def _warning(plan: Plan) -> str:
    if plan.deviation <= TOLERANCE:
        return ""
    shares = 100 * plan.sizes / plan.sizes.sum()
    actual = ", ".join(f"{share:.1f}" for share in shares)
    return (
        f"the splits have {actual} % of the images, not 80, 10 and 10: "
        "no cut in time that shares no author comes nearer"
    )
