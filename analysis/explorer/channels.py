"""What the images of the explorer are coloured and filtered by: one byte or two an image and property.

Values are whole numbers, so that the page counts exactly what the release holds: likes as they are up to `MOST_LIKES`,
scores in steps of 1/200 rounded down. The largest number of a type means that the value is missing.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twigma.core import columns
from twigma.core.numeric.months import month_labels, months_between

SCORE_STEPS = 200
MOST_LIKES = 65_534  # what has more is counted as having this many
MOST_CATEGORIES = 254  # of one column; the rarest ones beyond become "other"
OTHER = "other"

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


def shown(names: Collection[str]) -> list[str]:
    """Which columns of a release `channels_of` reads, among these."""
    wanted = (columns.LABELS, "created_at", "like_count", "nsfw_score", "source")
    return columns.those_of(wanted, names)


def channels_of(frame: pd.DataFrame) -> list[Channel]:
    """The channels of images, a row each, as far as the release has the columns."""
    made = [make(frame) for make in (_clusters, _months, _likes, _scores, _sources)]
    return [channel for channel in made if channel is not None]


def _clusters(frame: pd.DataFrame) -> Channel | None:
    name = columns.find_label_column(frame.columns)
    if name is None:
        return None
    return clusters(frame[name], sorted(frame[name].dropna().unique()))


def clusters(
    labels: pd.Series, known: list[float], name: str = "cluster", title: str = "Cluster"
) -> Channel:
    """Cluster labels [n], one an image, as a channel; `known` are all there are, in order."""
    named = labels.map({label: cluster_name(label) for label in known})
    return category(name, title, named, [cluster_name(label) for label in known])


def cluster_name(label: float) -> str:
    """What a cluster is called on the page."""
    return f"cluster {label:.0f}"


def _months(frame: pd.DataFrame) -> Channel | None:
    """Calendar months, or years where there are too many of them; those without an image between are included."""
    if "created_at" not in frame or frame["created_at"].notna().sum() == 0:
        return None
    months = month_labels(frame["created_at"])
    known = months.dropna()
    every = months_between(known.min(), known.max())
    if len(every) > MOST_CATEGORIES:
        years = months.str[:4]
        first, last = int(every[0][:4]), int(every[-1][:4])
        every_year = [f"{year:04d}" for year in range(first, last + 1)]
        return category("month", "Year", years, every_year)
    return category("month", "Month", months, every)


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
    return category("source", "Source", frame["source"], [])


def category(name: str, title: str, values: pd.Series, order: list[str]) -> Channel:
    """A channel of names [n], one an image, in `order` or by how often they occur.

    Beyond `MOST_CATEGORIES` the last ones are "other".
    """
    order = order or list(values.value_counts().index)
    if len(order) > MOST_CATEGORIES:
        order = [*order[: MOST_CATEGORIES - 1], OTHER]
        values = values.where(values.isin(order) | values.isna(), OTHER)
    codes = pd.Categorical(values, categories=order).codes.astype(np.int16)
    whole = np.where(codes < 0, 255, codes).astype(np.uint8)
    return Channel(name, title, "category", whole, names=[str(one) for one in order])
