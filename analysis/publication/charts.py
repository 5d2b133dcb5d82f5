"""A chart as files for a paper: SVG and PDF with text as text and its fonts inside, drawn once for the page too.

Up to `MOST_SHAPES` points are shapes; more become pixels inside axes that stay shapes, as a file of a million circles
opens nowhere. Equal tables give equal bytes.
"""

import base64
import html
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from twigma.analysis.page.drawing import NO_METADATA, as_address, drawn
from twigma.analysis.page.section import Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from twigma.analysis.page.drawing import Draw

MOST_SHAPES = 5_000  # points of a chart
DPI = 300  # of what becomes pixels
FONT = "DejaVu Sans"  # as `STYLE` names it
TEXT = re.compile(r"<text[^>]*>([^<]*)")
BOLD = re.compile(r"font-weight: (?:700|bold)")
NO_PDF_METADATA = dict.fromkeys(("Creator", "Producer", "CreationDate"))


@dataclass(frozen=True)
class Chart:
    """A chart in both formats, and the names of the tables that it shows."""

    svg: str
    pdf: bytes
    tables: tuple[str, ...]

    @property
    def address(self) -> str:
        """The `data:` address for the `src` of an image, where no script could ever run; text in the reader's font."""
        return as_address(self.svg)

    @property
    def file(self) -> str:
        """The SVG with the characters that it needs of its fonts inside."""
        characters = html.unescape("".join(TEXT.findall(self.svg)))
        faces = [_font_face(_subset("normal", characters), "400")]
        if BOLD.search(self.svg):
            faces.append(_font_face(_subset("bold", characters), "700"))
        style = f'<style type="text/css">{"".join(faces)}</style>'
        head, defs, rest = self.svg.partition("<defs>")
        return f"{head}{defs}\n  {style}{rest}"


class Watched(Mapping[str, pd.DataFrame]):
    """Tables by name, a row an estimate, which remember those that were read."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.read: list[str] = []

    def __getitem__(self, name: str) -> pd.DataFrame:
        table = self.tables[name]
        if name not in self.read:
            self.read.append(name)
        return table

    def __contains__(self, name: object) -> bool:
        return name in self.tables

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)


def draw_chart(draw: "Draw", tables: Tables) -> Chart:
    """Draw a chart once, and save it in both formats.

    Parameters
    ----------
    draw : of a `Chapter`.
    tables : by name, a row an estimate.
    """
    watched = Watched(tables)
    svg, pdf = io.BytesIO(), io.BytesIO()
    with drawn(draw, watched) as chart:
        rasterize_many(chart)
        chart.savefig(svg, format="svg", dpi=DPI / 2, metadata=NO_METADATA)
        chart.savefig(pdf, format="pdf", dpi=DPI, metadata=NO_PDF_METADATA)
    return Chart(svg.getvalue().decode(), pdf.getvalue(), tuple(watched.read))


def rasterize_many(figure: "Figure") -> None:
    """Points of scatter plots as pixels where there are more than `MOST_SHAPES`, else as shapes."""
    from matplotlib.collections import PathCollection

    scattered = []
    for panel in figure.get_axes():
        for points in panel.collections:
            if isinstance(points, PathCollection):
                scattered.append(points)
    total = sum(len(np.asarray(points.get_offsets())) for points in scattered)
    for points in scattered:
        points.set_rasterized(total > MOST_SHAPES)


# ------------------------------------------------------------------ fonts


@cache
def _font_file(weight: str) -> str:
    """The file of the font of this weight, which Matplotlib brings along."""
    from matplotlib.font_manager import FontProperties, findfont

    return findfont(FontProperties(family=FONT, weight=weight))


def _subset(weight: str, characters: str) -> bytes:
    """The font with these characters alone."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    options = subset.Options(hinting=False, notdef_outline=True)
    options.layout_features = []
    # Layout, which takes most of the time to read and is not kept; FFTM says when the font was made.
    layout = ("GDEF", "GPOS", "GSUB", "MATH", "kern")
    options.drop_tables = [*options.drop_tables, *layout, "FFTM"]
    font = TTFont(_font_file(weight), recalcTimestamp=False)
    chosen = subset.Subsetter(options)
    chosen.populate(text=characters)
    chosen.subset(font)
    buffer = io.BytesIO()
    font.save(buffer)
    return buffer.getvalue()


def _font_face(font: bytes, weight: str) -> str:
    encoded = base64.b64encode(font).decode()
    source = f"url(data:font/ttf;base64,{encoded}) format('truetype')"
    return (
        f"@font-face {{ font-family: '{FONT}'; font-weight: {weight}; src: {source}; }}"
    )
