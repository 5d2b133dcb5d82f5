"""The images of a release as points of a map: a few bytes an image, for `twigma explore`.

Values are whole numbers, so that the page counts exactly what the release holds: likes as they are up to `MOST_LIKES`,
scores in steps of 1/200 rounded down. The largest number of a type means that the value is missing.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twigma.core import columns
from twigma.core.numeric.months import months_between
from twigma.dataset.opened_release import Release

SIDE = 65_535  # the longer side of the map, in its own units
SCORE_STEPS = 200
MOST_LIKES = 65_534  # what has more is counted as having this many
MOST_CATEGORIES = 254  # of one column; the rarest ones beyond become "other"
OTHER = "other"
GOLDEN = (math.sqrt(5) - 1) / 2

Whole = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class Channel:
    """One property of every image.

    `kind` is "category" (a value is the place of its name in `names`) or "number" (a value of `steps` a unit).
    """

    name: str
    title: str
    kind: str
    values: Whole  # [n]; the largest number of the type is a missing value
    names: list[str] = field(default_factory=list)
    steps: int = 1

    @property
    def missing(self) -> int:
        """The number that stands for a missing value."""
        return int(np.iinfo(self.values.dtype).max)


@dataclass(frozen=True)
class Points:
    """The images of a release: where they are on the map, and what they are filtered and coloured by.

    Arrays are in the order in which points are drawn, which has nothing to do with time: no month covers another.
    Point i is image `placed[i * step % n]` of the release.
    """

    x: NDArray[np.uint16]
    y: NDArray[np.uint16]
    channels: list[Channel]
    placed: NDArray[np.int64]  # rows of the release that have a place on the map
    step: int
    unplaced: int  # images without a place on the map, which are left out

    def __len__(self) -> int:
        return len(self.x)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each point in the release, int64[n]."""
        return self.placed[drawing_order(len(self), self.step)]


def read_points(release: Release) -> Points:
    """The points of a release.

    Raises
    ------
    ValueError when it has no map: no columns UMAP_dim_1 and UMAP_dim_2, or no image with both.
    """
    table = release.metadata
    absent = {"UMAP_dim_1", "UMAP_dim_2"}.difference(table.column_names)
    if absent:
        raise ValueError(
            f"{release.folder} has no map (no column {' or '.join(sorted(absent))}): `twigma cluster`, then "
            "`twigma release` make one"
        )
    across = _floats(table, "UMAP_dim_1")
    up = _floats(table, "UMAP_dim_2")
    placed = np.flatnonzero(np.isfinite(across) & np.isfinite(up))
    if not len(placed):
        raise ValueError(
            f"{release.folder} has no image with a place on the map: run `twigma cluster`, then `twigma release`"
        )
    step = drawing_step(len(placed))
    rows = placed[drawing_order(len(placed), step)]
    x, y = fitted(across[rows], up[rows])
    frame = release.to_pandas().iloc[rows]
    channels = [make(frame) for make in (_clusters, _months, _likes, _scores, _sources)]
    kept = [channel for channel in channels if channel is not None]
    return Points(x, y, kept, placed, step, len(table) - len(placed))


def drawing_step(n: int) -> int:
    """By how many rows the points of `n` rows are apart: about a golden section, without a common divisor."""
    step = max(1, round(n * GOLDEN))
    while math.gcd(step, n) != 1:
        step += 1
    return step


def drawing_order(n: int, step: int) -> NDArray[np.int64]:
    """A fixed order of `n` rows in which neighbours in the release are far apart, int64[n].

    >>> drawing_order(7, drawing_step(7)).tolist()
    [0, 4, 1, 5, 2, 6, 3]
    """
    return np.arange(n, dtype=np.int64) * step % n


def fitted(
    across: NDArray[np.float64], up: NDArray[np.float64]
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Coordinates [n] in whole units of the map, 0 to `SIDE`; both axes keep one scale, and y grows downwards."""
    extent = max(np.ptp(across), np.ptp(up)) or 1.0
    scale = SIDE / extent
    x = np.rint((across - across.min()) * scale)
    y = np.rint((up.max() - up) * scale)
    return x.astype(np.uint16), y.astype(np.uint16)


# ------------------------------------------------------------------ channels


def _clusters(frame: pd.DataFrame) -> Channel | None:
    name = columns.find_label_column(frame.columns)
    if name is None:
        return None
    labels = frame[name]
    known = sorted(labels.dropna().unique())
    named = labels.map({label: f"cluster {label:.0f}" for label in known})
    order = [f"cluster {label:.0f}" for label in known]
    return _category("cluster", "Cluster", named, order)


def _months(frame: pd.DataFrame) -> Channel | None:
    """Calendar months, those without an image between the first and the last included."""
    if "created_at" not in frame or frame["created_at"].notna().sum() == 0:
        return None
    months = frame["created_at"].dt.strftime("%Y-%m")
    known = months.dropna()
    every = months_between(known.min(), known.max())
    if len(every) > MOST_CATEGORIES:
        years = frame["created_at"].dt.year
        return _category("month", "Year", years.dropna().astype(int).astype(str), [])
    return _category("month", "Month", months, every)


def _likes(frame: pd.DataFrame) -> Channel | None:
    if "like_count" not in frame or frame["like_count"].notna().sum() == 0:
        return None
    likes = frame["like_count"].clip(0, MOST_LIKES).fillna(MOST_LIKES + 1)
    return Channel("likes", "Likes", "number", likes.to_numpy(np.uint16))


def _scores(frame: pd.DataFrame) -> Channel | None:
    if "nsfw_score" not in frame or frame["nsfw_score"].notna().sum() == 0:
        return None
    scores = frame["nsfw_score"].to_numpy(np.float64, na_value=math.nan)
    steps = np.floor(np.clip(scores, 0, 1) * SCORE_STEPS)
    whole = np.where(np.isnan(steps), 255, steps).astype(np.uint8)
    return Channel("score", "NSFW score", "number", whole, steps=SCORE_STEPS)


def _sources(frame: pd.DataFrame) -> Channel | None:
    if "source" not in frame or frame["source"].nunique() < 2:
        return None
    return _category("source", "Source", frame["source"], [])


def _category(name: str, title: str, values: pd.Series, order: list[str]) -> Channel:
    """A channel of names, in `order`, or by how often they occur; beyond `MOST_CATEGORIES` the last are "other"."""
    order = order or list(values.value_counts().index)
    if len(order) > MOST_CATEGORIES:
        order = [*order[: MOST_CATEGORIES - 1], OTHER]
        values = values.where(values.isin(order) | values.isna(), OTHER)
    codes = pd.Categorical(values, categories=order).codes.astype(np.int16)
    whole = np.where(codes < 0, 255, codes).astype(np.uint8)
    return Channel(name, title, "category", whole, names=[str(one) for one in order])


def _floats(table: Any, name: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = table[name].to_pandas().to_numpy(np.float64)
    return values
