"""Pictures for the report: ten random images of each cluster (Fig 4c), the most similar pairs (Fig 4e).

`twigma analyze` selects them; `twigma report --work FOLDER` shows them, small, inside the page, and those that may be
sensitive as a few coarse squares.
"""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from twigma.core import columns
from twigma.core.safety.failures import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

PER_CLUSTER = 10  # the paper's
SIDE = 160  # pixels of the longer side, as wide as the page shows it
SQUARES = 6  # along the longer side of a picture that may be sensitive
QUALITY = 75
THRESHOLD = 0.5  # of the NSFW score


@dataclass(frozen=True)
class Tile:
    """One picture: its `data:` address (empty when it is not stored), what it is, and whether it is made coarse."""

    src: str
    alt: str
    coarse: bool = False


@dataclass(frozen=True)
class Row:
    """Pictures that belong together, what they are called, and what is told of them."""

    label: str
    tiles: tuple[Tile, ...]
    lines: tuple[str, ...] = ()  # of text above the pictures
    chart: str = ""  # a small picture of a trend, as its `data:` address


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures under a heading."""

    caption: str
    rows: tuple[Row, ...]


def drawn_images(table: pa.Table, n: int = PER_CLUSTER, seed: int = 0) -> pd.DataFrame:
    """`n` random different images of every cluster.

    Parameters
    ----------
    table : image_name and the labels (label_K_cluster); nsfw_score and possibly_sensitive where they are known.

    Returns
    -------
    DataFrame (cluster, image_name, sensitive), clusters ascending. ValueError when no image is in a cluster.
    """
    columns.require(table, ["image_name", columns.LABELS], "gallery")
    names = columns.present(["image_name", columns.LABELS], table.column_names)
    images = table.select(names).rename_columns(["image_name", "cluster"]).to_pandas()
    images = images.assign(sensitive=sensitive(table))
    # An image on several posts has no better chance than another.
    images = images.dropna(subset=["cluster"]).drop_duplicates("image_name")
    if images.empty:
        raise DataError(
            "gallery: no image is in a cluster; `twigma cluster` finds them"
        )
    order = np.random.default_rng(seed).permutation(len(images))
    drawn: pd.DataFrame = images.iloc[order].groupby("cluster").head(n)
    drawn = drawn.astype({"cluster": int}).sort_values("cluster", kind="stable")
    return drawn[["cluster", "image_name", "sensitive"]].reset_index(drop=True)


def sensitive(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Whether each image may be sensitive, bool [n]: by its score (above one half) or its post, or neither is known."""
    known = np.zeros(len(table), bool)
    flagged = np.zeros(len(table), bool)
    for name in ("nsfw_score", "possibly_sensitive"):
        if name in table.column_names:
            values = table[name].cast(pa.float64()).to_numpy()
            known |= ~np.isnan(values)
            flagged |= values > THRESHOLD
    return np.asarray(flagged | ~known)


def tile(
    images: "Mapping[str, Image]", name: str, alt: str, *, coarse: bool = False
) -> Tile:
    """A small picture of the image of this name; without a picture when it is not stored or cannot be read."""
    try:
        image = images[name].convert("RGB")
    except (KeyError, ValueError, OSError):
        return Tile("", f"{alt}: not stored")
    picture = _coarse(image) if coarse else _small(image, SIDE)
    return Tile(_address(picture), alt, coarse)


def _small(image: "Image", side: int) -> "Image":
    """The picture scaled so that its longer side is of this many pixels."""
    from PIL.Image import Resampling

    scale = side / max(image.size)
    width = max(1, round(image.width * scale))
    height = max(1, round(image.height * scale))
    # A coarse square is the plain mean of its pixels; LANCZOS would ring across squares.
    filter_ = Resampling.BOX if side <= SQUARES else Resampling.LANCZOS
    return image.resize((width, height), filter_)


def _coarse(image: "Image") -> "Image":
    """A few squares, each of the mean colour: what they show cannot be recognised, nor computed back."""
    from PIL.Image import Resampling

    few = _small(image, SQUARES)
    step = SIDE // SQUARES
    return few.resize((few.width * step, few.height * step), Resampling.NEAREST)


def _address(image: "Image") -> str:
    """A JPEG without any metadata, as a `data:` address; equal pixels give equal bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/jpeg;base64,{encoded}"
