"""One section of the report in words, and all the results its sentences are written from; `twigma report` uses it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from twigma.analysis.page.formatting import Table, interval
from twigma.analysis.page.gallery import Gallery

if TYPE_CHECKING:
    from PIL.Image import Image

Tables = Mapping[str, pd.DataFrame]
Pictures = Mapping[str, "Image"]  # by image_name, as `twigma.open_images` gives them


@dataclass(frozen=True)
class Results:
    """All results: tables by file name, numbers by key, what each figure was computed on, and pictures if given.

    `pictures` are those of the studied images ("ours") and of reference sets by role.
    """

    tables: Tables
    values: Mapping[str, Mapping[str, Any]]
    figures: Mapping[str, Mapping[str, Any]]
    pictures: Mapping[str, Pictures] = field(default_factory=dict)

    def of(self, prefix: str) -> list[str]:
        """The figures with results whose name starts like this."""
        return [name for name in self.figures if name.startswith(prefix)]

    def interval(self, key: str, digits: int = 3) -> str:
        """The number of this key with its interval; a dash when it could not be computed."""
        entry = self.values.get(key, {"value": None})
        return interval(entry["value"], entry.get("low"), entry.get("high"), digits)


@dataclass(frozen=True)
class Section:
    """One section of the report, in words; `chart` is a picture and `alt` says what it shows."""

    figure: str
    title: str
    claim: str
    basis: str  # n, and what the interval is
    paper: str
    differs: str = ""
    chart: str = ""
    alt: str = ""
    tables: tuple[Table, ...] = ()
    galleries: tuple[Gallery, ...] = ()


def records(table: pd.DataFrame) -> list[Any]:
    """The rows of a table, each with its cells as attributes."""
    return list(table.itertuples(index=False))
