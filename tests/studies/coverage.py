"""A registry of intervals and tests, the worlds they are tried in, and how often they hold or reject the truth.

To add one, write a function of a world and register it; `docs/studies/interval_coverage.py` and the slow test run all:

    @interval("Share of images, Fig 0")
    def share(world: World) -> Interval: ...

A world says how many images each owner has, and whether the estimator is told whose they are.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from twigma.analysis.inference.blocks import FEW

WORLDS = 100  # of each interval and design: a coverage of .95 is known to ±.04
LEVEL = 0.05


@dataclass(frozen=True)
class World:
    """One draw: images of each owner of each of two sets, the random numbers, and whether owners are known."""

    rng: np.random.Generator
    sizes: np.ndarray
    other_sizes: np.ndarray
    known: bool = True

    @property
    def owner(self) -> np.ndarray:
        """The owner of each image."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @property
    def other_owner(self) -> np.ndarray:
        """The owner of each image of the other set."""
        return np.repeat(np.arange(len(self.other_sizes)), self.other_sizes)

    def told(self, owner: np.ndarray) -> np.ndarray | None:
        """Owners as the estimator is given them: None where it is not told."""
        return owner if self.known else None


@dataclass(frozen=True)
class Interval:
    """What an estimator says of a world, and the truth; None where that is the mean of the estimate over worlds."""

    value: float
    low: float
    high: float
    truth: float | None
    blocks: float  # effective number of owners: below 30 the result warns


def one_each(rng: np.random.Generator) -> np.ndarray:
    """600 images of 600 owners."""
    return np.ones(600, dtype=int)


def ten_each(rng: np.random.Generator) -> np.ndarray:
    """600 images of 60 owners."""
    return np.full(60, 10)


def heavy_tailed(rng: np.random.Generator) -> np.ndarray:
    """Images of 200 owners by a Pareto law of exponent 1.5, at most 60: a few own much."""
    return np.minimum(1 + rng.pareto(1.5, 200) * 2, 60).astype(int)


def few(rng: np.random.Generator) -> np.ndarray:
    """600 images of 12 owners."""
    return np.full(12, 50)


DESIGNS = {
    "independent": (one_each, one_each),
    "10 an author": (ten_each, ten_each),
    "heavy-tailed": (heavy_tailed, heavy_tailed),
    "12 authors": (few, few),
}
# Sets whose owners are unlike, where a permutation may fail.
UNLIKE = {"10 an author against independent": (ten_each, one_each)}

INTERVALS: dict[str, Callable[[World], Interval]] = {}
TESTS: dict[str, Callable[[World], float]] = {}


def interval(name):
    """Register an interval."""

    def register(function):
        INTERVALS[name] = function
        return function

    return register


def test_of_null(name):
    """Register a test by its p in a world without a difference."""

    def register(function):
        TESTS[name] = function
        return function

    return register


test_of_null.__test__ = False  # for pytest, which collects what is called test


def worlds(design: str, count: int = WORLDS, seed: int = 0):
    """Worlds of a design, each of its own random numbers, so that they do not depend on what ran before."""
    first, second = (DESIGNS | UNLIKE)[design]
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        yield World(rng, first(rng), second(rng))


def coverage(name: str, design: str, count: int = WORLDS, seed: int = 0) -> dict:
    """How often the interval holds the truth, with owners known and without, and how often the result warns."""
    row = {"interval": name, "design": design}
    for label, known in (("known", True), ("unknown", False)):
        found = []
        for world in worlds(design, count, seed):
            found.append(INTERVALS[name](replace(world, known=known)))
        mean = float(np.mean([each.value for each in found]))
        hits, blocks = [], []
        for each in found:
            truth = mean if each.truth is None else each.truth
            hits.append(each.low <= truth <= each.high)
            blocks.append(each.blocks)
        row[label] = float(np.mean(hits))
        if known:
            row["blocks"] = float(np.median(blocks))
            row["warned"] = float(np.mean(np.array(blocks) < FEW))
    return row


def size(name: str, design: str, count: int = WORLDS, seed: int = 0) -> dict:
    """How often the test rejects at 5% where there is no difference, with owners known and without."""
    row = {"test": name, "design": design}
    for label, known in (("known", True), ("unknown", False)):
        rejected = []
        for world in worlds(design, count, seed):
            p = TESTS[name](replace(world, known=known))
            rejected.append(p <= LEVEL)
        row[label] = float(np.mean(rejected))
    return row


def coverages(count: int = WORLDS) -> pd.DataFrame:
    """Every interval in every design, a row each: interval, design, known, unknown, blocks, warned."""
    rows = [coverage(name, design, count) for name in INTERVALS for design in DESIGNS]
    return pd.DataFrame(rows)


def sizes(count: int = WORLDS) -> pd.DataFrame:
    """Every test in every design, a row each: test, design, known, unknown."""
    rows = [size(name, design, count) for name in TESTS for design in DESIGNS | UNLIKE]
    return pd.DataFrame(rows)
