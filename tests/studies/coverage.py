"""A registry of intervals and tests, the worlds they are tried in, and how often they hold or reject the truth.

To add one, write a function of a world and register it; `docs/studies/interval_coverage.py` and the slow test run all:

    @study(intervals=["Share of images, Fig 0"])
    def shares(world: World) -> dict[str, Interval | float]: ...

A world says how many images each owner has, and whether the estimator is told whose they are. A function gives all
that one world can tell: an `Interval` for each name of `intervals`, and for each of `tests` the p of a world without a
difference.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from twigma.analysis.inference.blocks import FEW

WORLDS = 400  # of each cell: a coverage of .95 is known to ±.02
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


Measured = Mapping[str, Interval | float]


@dataclass(frozen=True)
class Study:
    """A function of worlds, and what it measures.

    Attributes
    ----------
    blind : the estimator takes no owners, so that it is tried once. caveat : what the result itself says it cannot do.
    worlds : of each cell, fewer where one is slow. designs : the worlds it is tried in.
    page : the study of its own that it has beside this page, and whose worlds it takes. pairs : it is of two sets, and
    tried with owners that are unlike, too.
    """

    function: Callable[[World], Measured]
    intervals: tuple[str, ...]
    tests: tuple[str, ...]
    blind: bool
    caveat: str
    worlds: int
    designs: tuple[str, ...]
    page: str
    pairs: bool

    @property
    def names(self) -> tuple[str, ...]:
        """All that it measures."""
        return self.intervals + self.tests


# ------------------------------------------------------------------ worlds


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
GROUPED = ("10 an author", "heavy-tailed", "12 authors")


def worlds(design: str, count: int, seed: int = 0) -> Iterator[World]:
    """Worlds of a design, each of its own random numbers, so that they do not depend on what ran before."""
    first, second = (DESIGNS | UNLIKE)[design]
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        yield World(rng, first(rng), second(rng))


# ------------------------------------------------------------------ the registry

STUDIES: list[Study] = []


def study(
    *,
    intervals: Sequence[str] = (),
    tests: Sequence[str] = (),
    blind: bool = False,
    caveat: str = "",
    worlds: int = WORLDS,
    designs: Sequence[str] = tuple(DESIGNS),
    page: str = "",
    pairs: bool = False,
) -> Callable[[Callable[[World], Measured]], Callable[[World], Measured]]:
    """Register a function of a world; the parameters are those of `Study`."""

    def register(function: Callable[[World], Measured]) -> Callable[[World], Measured]:
        one = Study(
            function=function,
            intervals=tuple(intervals),
            tests=tuple(tests),
            blind=blind,
            caveat=caveat,
            worlds=worlds,
            designs=tuple(designs),
            page=page,
            pairs=pairs,
        )
        STUDIES.append(one)
        return function

    return register


def cells() -> list[tuple[Study, str]]:
    """Every study in each of its designs; two sets of unlike owners are one where there is a test."""
    found = []
    for one in STUDIES:
        unlike = tuple(UNLIKE) if one.pairs else ()
        for design in (*one.designs, *unlike):
            found.append((one, design))
    return found


def named(name: str) -> Study:
    """The study that measures this interval or test."""
    return next(one for one in STUDIES if name in one.names)


# ------------------------------------------------------------------ rates


def rates(
    one: Study, design: str, count: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """How often the intervals of a study hold the truth, and how often its tests reject it.

    Returns
    -------
    DataFrame, a row per interval or test: what ("interval", "test"), name, design, known and unknown (the rate with
    owners known, and not), blocks (median of the effective number), warned (how often the result warns
    of few), none (how often there is no interval, which no rate counts), worlds.
    """
    count = count or one.worlds
    measured = {True: [], False: []}
    for world in worlds(design, count, seed):
        state = world.rng.bit_generator.state
        for known in (True, False):
            if known or not one.blind:
                # The same images, with their owners told and not.
                world.rng.bit_generator.state = state
                measured[known].append(one.function(replace(world, known=known)))
    rows = []
    for name in one.names:
        row = {"name": name, "design": design, "worlds": count}
        for label, known in (("known", True), ("unknown", False)):
            found = [each[name] for each in measured[known]]
            # The truth belongs to the world, and is measured where owners are known alone.
            truths = [each[name] for each in measured[True]]
            if name in one.tests:
                row |= {"what": "test", label: _rejected(found)}
                continue
            row |= {"what": "interval", label: _held(found, truths)}
            if known:
                blocks = np.array([each.blocks for each in found])
                row["blocks"] = float(np.median(blocks))
                row["warned"] = float(np.mean(blocks < FEW))
                row["none"] = float(np.mean([np.isnan(each.high) for each in found]))
        rows.append(row)
    columns = ["what", "name", "design", "known", "unknown", "blocks", "warned"]
    return pd.DataFrame(rows).reindex(columns=[*columns, "none", "worlds"])


def _held(found: list[Interval], worlds: list[Interval]) -> float:
    """The share of the intervals that hold the truth of their world; NaN for none."""
    if not found:
        return float("nan")
    mean = float(np.mean([each.value for each in found]))
    hits = []
    for each, world in zip(found, worlds, strict=bool(found)):
        truth = mean if world.truth is None else world.truth
        if not np.isnan(each.high):
            hits.append(each.low <= truth <= each.high)
    return float(np.mean(hits)) if hits else float("nan")


def _rejected(p: list[float]) -> float:
    """The share of the tests that reject at 5%; NaN for none."""
    return float(np.mean(np.array(p) <= LEVEL)) if p else float("nan")
