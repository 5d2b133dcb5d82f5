"""How charts look: style, colours, empty axes, and a chart as a picture for the page.

The charts themselves are with their figures (`analysis/figures`); names, ticks and intervals on them are in `marks.py`.
Pictures are drawn without global state and without a date, so equal tables give equal bytes. Text stays text, in the
reader's own sans-serif, of 8 pixels at least where a phone shows the picture 480 pixels wide. Colours are Okabe and
Ito's, which colour-blind readers can tell apart. Where the reader prefers a dark page, the picture is dark too.
Matplotlib is imported when a chart is drawn, not before: `twigma analyze` never draws.
"""

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from twigma.analysis.page.section import Tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure, FigureBase

    class Draw(Protocol):
        """What draws the chart of a chapter."""

        def __call__(self, tables: Tables, into: Axes | None = None) -> FigureBase:
            """Draw the tables of a figure in a new Matplotlib figure, or `into` axes as `axes` does."""


INK, QUIET, RULE = "#1f2933", "#6b7785", "#dde2e8"  # text, axes, grid
GROUND = "#ffffff"
# Of text on a coloured field, which stays as it is on a dark page.
ON_DARK, ON_PALE = "#fdfdfd", "#101820"
# What an ink becomes on a dark page.
AT_NIGHT = {INK: "#e4e8ed", QUIET: "#a5b0bc", RULE: "#37414c", GROUND: "#14191e"}
INVERTED = "inverted-at-night"  # the id of a picture of ink on white
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
STYLE: Any = {
    "svg.fonttype": "none",  # text as text
    "svg.hashsalt": "twigma",  # equal ids in equal charts
    "pdf.fonttype": 42,  # TrueType: type 3, the default, is refused by some publishers
    "text.parse_math": False,  # a "$" of a stranger is a dollar sign
    "font.size": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
}
WIDTH = 7.0  # of a chart, inches: 672 pixels on the page
READERS_FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial"
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


@contextmanager
def drawn(draw: "Draw", tables: Tables) -> "Iterator[Figure]":
    """A chart in our style, to be saved within this context."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # On the page the reader's font draws the text, so what ours lacks is no loss.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield draw(tables).get_figure(root=True)


def svg(draw: "Draw", tables: Tables) -> str:
    """A chart as the `data:` address of its SVG, for the `src` of an image, where no script could ever run."""
    buffer = io.BytesIO()
    with drawn(draw, tables) as chart:
        chart.savefig(buffer, format="svg", metadata=NO_METADATA)
    return as_address(buffer.getvalue().decode())


def as_address(picture: str) -> str:
    """The `data:` address of an SVG for the page: text in the reader's font, dark where the reader's page is."""
    text = picture.replace("'DejaVu Sans'", READERS_FONT)
    text = text.replace("<defs>", f"<style>{_night_rules()}</style><defs>", 1)
    encoded = base64.b64encode(text.encode()).decode()
    return f"data:image/svg+xml;base64,{encoded}"


def _night_rules() -> str:
    """The style sheet that turns a picture dark where the reader's page is; elsewhere it does nothing."""
    rules = [f"#{INVERTED} {{ filter: invert(0.9) }}"]
    for ink, light in AT_NIGHT.items():
        for paint in ("fill", "stroke"):
            # Matplotlib writes every colour in a style attribute, which only `!important` outweighs.
            rules.append(f'[style*="{paint}: {ink}"] {{ {paint}: {light} !important }}')
    return f"@media (prefers-color-scheme: dark) {{ {' '.join(rules)} }}"


def date_colours() -> "Colormap":
    """Colours of dates from early to late, without the pale end that would be lost on a white ground."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    part = colormaps["cividis"](np.linspace(0, 0.88, 256))
    return ListedColormap(part, "dates")


def axes(
    rows: int = 1,
    columns: int = 1,
    width: float = WIDTH,
    height: float = 3.4,
    into: "Axes | None" = None,
    **kwargs: Any,
) -> "tuple[FigureBase, Any]":
    """Axes to draw a chart in, and the figure that holds them.

    Parameters
    ----------
    rows, columns : how many panels.
    width, height : of a new figure, inches.
    into : axes to draw into instead. One panel is drawn into them; several take their place, as a sub-figure.
    kwargs : of `Figure.subplots`, for several panels.

    Returns
    -------
    The figure or sub-figure, and one Axes, or an array of them as `Figure.subplots` returns it. ValueError where
    several panels are to take the place of axes that are in no grid.
    """
    from matplotlib.figure import Figure

    if into is None:
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, **kwargs)
    if rows == columns == 1 and not kwargs:
        return into.figure, into
    place = into.get_subplotspec()
    if place is None:
        raise ValueError(
            "this chart has several panels and needs axes of a grid, as `plt.subplots()` makes them, to take their "
            "place; found axes at a free position"
        )
    panels = into.figure.add_subfigure(place)
    into.remove()
    return panels, panels.subplots(rows, columns, **kwargs)
