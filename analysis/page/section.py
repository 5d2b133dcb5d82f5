"""One section of the report in words, and the results its sentences are written from; `twigma report` uses it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

import pandas as pd

from twigma.analysis.page.formatting import Table, interval
from twigma.analysis.page.gallery import Gallery

if TYPE_CHECKING:
    from PIL.Image import Image

    from twigma.analysis.tables.long_table import LongTable

Tables = Mapping[str, pd.DataFrame]  # by file name
Pictures = Mapping[str, "Image"]  # by image_name, such as `twigma.open_images`


class FigureFacts(TypedDict):
    """What results.json holds of one figure beside its numbers."""

    n: int  # rows it was computed on
    tables: list[str]  # file names in `results/`
    values: list[str]  # keys of its numbers
    notes: list[str]  # what the estimators warned of


@dataclass(frozen=True)
class Results:
    """All results: tables by file name, numbers by key, the facts of each figure, and pictures where there are any.

    `pictures` are those of the studied images ("twigma") and of reference sets by role.
    """

    tables: Tables
    values: Mapping[str, Mapping[str, Any]]
    figures: Mapping[str, FigureFacts]
    pictures: Mapping[str, Pictures] = field(default_factory=dict)
    long: "Mapping[str, LongTable]" = field(default_factory=dict)  # a row an image

    def interval(self, key: str, digits: int = 3) -> str:
        """The number of this key with its interval; a dash when it could not be computed."""
        entry = self.values.get(key, {"value": None})
        return interval(entry["value"], entry.get("low"), entry.get("high"), digits)


@dataclass(frozen=True)
class Section:
    """One section of the report, in words; `alt` describes its chart."""

    figure: str
    title: str
    claim: str
    basis: str  # n, and what the interval is
    paper: str
    differs: str = ""
    alt: str = ""
    tables: tuple[Table, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    chart: str = ""  # a picture as its `data:` address; its `Chapter` draws it


def records(table: pd.DataFrame) -> list[Any]:
    """The rows of a table in its order, a named tuple for each row with its cells as attributes."""
    return list(table.itertuples(index=False))
