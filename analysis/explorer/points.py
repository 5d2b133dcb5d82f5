"""The images of a release as points of a map: a few bytes an image, for `twigma explore`."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twigma.analysis.explorer.channels import Channel, channels_of, shown
from twigma.builder.maps import FEWEST
from twigma.dataset.opened_release import Release

SIDE = 65_535  # the longer side of the map, in its own units
GOLDEN = (math.sqrt(5) - 1) / 2
AXES = ("UMAP_dim_1", "UMAP_dim_2")

Whole16 = NDArray[np.uint16]


@dataclass(frozen=True)
class Points:
    """The images of a release: where they are on the map, and what they are filtered and coloured by.

    Arrays are in the order in which points are drawn, which has nothing to do with time: no month covers another.
    Point i is image `placed[i * step % n]` of `table`.
    """

    x: Whole16  # [n]
    y: Whole16  # [n]
    channels: list[Channel]
    table: pa.Table  # the rows of the release; those of an earlier one after them
    placed: NDArray[np.int64]  # rows of `table` that have a place on the map
    step: int
    unplaced: int  # images without a place on the map, which are left out
    # By how much the place of each point was another in an earlier release, modulo 2^16; [n].
    dx: Whole16 | None = None
    dy: Whole16 | None = None
    gone: int = 0  # the last of `placed`, which only the earlier release has

    def __len__(self) -> int:
        return len(self.x)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each point in `table`, int64[n]."""
        return self.placed[drawing_order(len(self), self.step)]

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything of the points that the page holds, by name, each [n]."""
        arrays: dict[str, NDArray[Any]] = {"x": self.x, "y": self.y}
        if self.dx is not None and self.dy is not None:
            arrays |= {"dx": self.dx, "dy": self.dy}
        for channel in self.channels:
            arrays[channel.name] = channel.values
        if self.unplaced:
            arrays["placed"] = self.placed.astype(np.uint32)
        return arrays

    @property
    def image_names(self) -> list[str]:
        """The `image_name` of each of `placed`."""
        names = self.table["image_name"].to_numpy(zero_copy_only=False)
        listed: list[str] = names[self.placed].tolist()
        return listed


@dataclass(frozen=True)
class Places:
    """Where the images of a release lie on its map, in its own coordinates; nan where an image has no place."""

    across: NDArray[np.float64]  # [n]
    up: NDArray[np.float64]  # [n]
    known: NDArray[np.bool_] = field(init=False)  # [n]

    def __post_init__(self) -> None:
        known = np.isfinite(self.across) & np.isfinite(self.up)
        object.__setattr__(self, "known", known)


def read_places(release: Release) -> Places:
    """The places of all images of a release.

    Raises
    ------
    ValueError when it has no map: no columns UMAP_dim_1 and UMAP_dim_2, or no image with both.
    """
    table = release.metadata
    absent = set(AXES).difference(table.column_names)
    if absent:
        _refuse_few(release)
        raise ValueError(
            f"{release.folder} has no map (no column {' or '.join(sorted(absent))}): `twigma cluster`, then "
            "`twigma release` make one"
        )
    across, up = (table[axis].to_pandas().to_numpy(np.float64) for axis in AXES)
    places = Places(across, up)
    if not places.known.any():
        _refuse_few(release)
        raise ValueError(
            f"{release.folder} has no image with a place on the map: run `twigma cluster`, then `twigma release`"
        )
    return places


def _refuse_few(release: Release) -> None:
    images = len(release.metadata)
    if images < FEWEST:
        raise ValueError(
            f"{release.folder} has no map: one needs at least {FEWEST} distinct images, found {images}; add more, or "
            "go on with `twigma analyze`, which needs none"
        )


def read_points(release: Release) -> Points:
    """The points of a release; ValueError as `read_places`."""
    places = read_places(release)
    placed = np.flatnonzero(places.known)
    step = drawing_step(len(placed))
    rows = placed[drawing_order(len(placed), step)]
    x, y = fitted(places.across[rows], places.up[rows])
    # The texts of ten million images as Python objects would take most of the memory.
    table = release.metadata
    frame = table.select(shown(table.column_names)).to_pandas()
    channels = channels_of(frame.iloc[rows])
    unplaced = len(release) - len(placed)
    return Points(x, y, channels, table, placed, step, unplaced)


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
) -> tuple[Whole16, Whole16]:
    """Coordinates [n] in whole units of the map, 0 to `SIDE`; both axes keep one scale, and y grows downwards."""
    extent = max(np.ptp(across), np.ptp(up)) or 1.0
    scale = SIDE / extent
    x = np.rint((across - across.min()) * scale)
    y = np.rint((up.max() - up) * scale)
    return x.astype(np.uint16), y.astype(np.uint16)
