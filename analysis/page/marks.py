"""What charts have in common: names of sets, looks, intervals, legends, and ticks that can be read.

Names are strangers' (artists, hashtags, reference sets): they are cleaned, and cut by the width at which they are
shown. The charts of `analysis/figures` use all of it.
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.page.drawing import COLOURS
from twigma.analysis.page.formatting import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import FigureBase

LONGEST_NAME = 24  # letters of middle width; a Chinese character is as wide as two
BROAD = "MWmw@%—ЖМШЩФЫЮжмшщфыю"
LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)))
MARKERS = "os^Dv<>P"
MOST_MONTHS = 7  # named below an axis
BESIDE_NAMES = 40
LEGEND_COLUMNS = 74  # of text in a line of a legend
FEWEST_TICKS = 4
LOG_STEPS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))


class Look(NamedTuple):
    """What tells a set from the others: its colour and, beyond six sets, its line and its marker."""

    colour: str
    line: Any
    marker: str


FIRST = Look(COLOURS[0], "-", "o")


def look_by_name(names: Iterable[str]) -> dict[str, Look]:
    """A look for each set, always the same for the same place in the list; 24 sets all look different."""
    looks = {}
    for place, name in enumerate(names):
        round_, colour = divmod(place, len(COLOURS))
        line = LINES[round_ % len(LINES)]
        looks[name] = Look(COLOURS[colour], line, MARKERS[round_ % len(MARKERS)])
    return looks


# ------------------------------------------------------------------ names


def width_of(text: str) -> int:
    """How many letters of middle width a text takes; a mark over a letter counts, as not every font places it there.

    >>> width_of("paintings"), width_of("画像"), width_of("WWW")
    (9, 4, 5)
    """
    double = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    broad = sum(c in BROAD for c in text)
    return len(text) + double + math.ceil(0.6 * broad)


def short_names(names: Iterable[object], columns: int = LONGEST_NAME) -> list[str]:
    """Names as a chart shows them: clean, at most so wide, and different where the names are.

    >>> short_names(["paintings", "a very long name of a set 1", "a very long name of a set 2"], 12)
    ['paintings', 'a ver… set 1', 'a ver… set 2']
    """
    texts = [clean(name) for name in names]
    cut = [_cut_end(text, columns) for text in texts]
    shown: list[str] = []
    for text, short in zip(texts, cut, strict=True):
        name = short
        if cut.count(short) > 1 and short != text:
            name = _cut_middle(text, columns)
        if name in shown:
            number = f" ({len(shown) + 1})"
            name = _cut_end(text, columns - len(number)) + number
        shown.append(name)
    return shown


def _cut_end(text: str, columns: int) -> str:
    if width_of(text) <= columns:
        return text
    while width_of(text) > columns - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _cut_middle(text: str, columns: int) -> str:
    head, tail = text, text
    while width_of(head) > (columns - 1) // 2:
        head = head[:-1]
    while width_of(tail) > columns - 1 - (columns - 1) // 2:
        tail = tail[1:]
    return f"{head}…{tail}"


def names_on_y(
    ax: "Axes", names: Sequence[object], columns: int = LONGEST_NAME
) -> None:
    """Names at 0, 1, 2, … from the top of an axis down, with half a row above and below."""
    ax.set_yticks(range(len(names)), short_names(names, columns))
    ax.set_ylim(len(names) - 0.4, -0.6)


def legend_above(
    ax: "Axes", handles: Sequence[Any] = (), room: int = LEGEND_COLUMNS
) -> None:
    """The legend over the axes, in as many columns as its names leave room for; nothing for no names.

    `room` is in letters: BESIDE_NAMES where names are left of the axes.
    """
    if not handles:
        handles = ax.get_legend_handles_labels()[0]
    if handles:
        place: Any = {
            "loc": "lower left",
            "bbox_to_anchor": (0, 1.01),
            "borderaxespad": 0,
        }
        ax.legend(handles=handles, ncols=_columns(handles, room), **place)


def legend_of_panels(figure: "FigureBase", ax: "Axes") -> None:
    """The legend of one panel over all of them."""
    handles = ax.get_legend_handles_labels()[0]
    if handles:
        place: Any = {"loc": "outside upper left", "borderaxespad": 0}
        figure.legend(handles=handles, ncols=_columns(handles, LEGEND_COLUMNS), **place)


def _columns(handles: Sequence[Any], room: int) -> int:
    widest = max(width_of(str(handle.get_label())) for handle in handles)
    return min(len(handles), max(1, room // (widest + 7)))


def panel_grid(panels: int, beside: int) -> tuple[int, int]:
    """Rows and columns of so many panels, at most `beside` in a row."""
    columns = min(beside, panels)
    return -(-panels // columns), columns


def label_lowest(panels: npt.NDArray[Any], shown: int) -> None:
    """The ticks of the lowest of the first `shown` panels in each column are named; the panels after them are empty.

    Parameters
    ----------
    panels : axes that share their ticks, [rows, columns].
    """
    columns = panels.shape[1]
    for ax in panels.flat[max(0, shown - columns) : shown]:
        ax.xaxis.set_tick_params(labelbottom=True)
    for ax in panels.flat[shown:]:
        ax.axis("off")


# ------------------------------------------------------------------ intervals


def draw_intervals(
    ax: "Axes",
    place: npt.ArrayLike,
    rows: pd.DataFrame,
    value: str,
    *,
    limits: tuple[str, str] = ("low", "high"),
    look: Look = FIRST,
    along: str = "x",
    label: str | None = None,
    **style: Any,
) -> None:
    """A mark at each value with its interval as a line.

    A value that is not finite has no mark; an interval of which an end is unknown or infinite has no line.

    Parameters
    ----------
    place : where on the other axis, [n].
    rows : n rows, with columns `value` and both `limits`.
    along : the axis of the values.
    style : of the marks, as `Axes.plot` has it.
    """
    place = np.asarray(place, float)
    ends = rows[[value, *limits]].to_numpy(float)
    marked = np.isfinite(ends[:, 0])
    known = marked & np.isfinite(ends).all(axis=1)
    draw_lines = ax.hlines if along == "x" else ax.vlines
    if known.any():
        low, high = ends[known, 1], ends[known, 2]
        draw_lines(place[known], low, high, color=look.colour, lw=1.4)
    shown, at = ends[marked, 0], place[marked]
    across = (shown, at) if along == "x" else (at, shown)
    ax.plot(*across, look.marker, color=look.colour, label=label, **style)


# ------------------------------------------------------------------ ticks


def months_on_x(ax: "Axes", months: Sequence[str], most: int = MOST_MONTHS) -> None:
    """Every so many months named at 0, 1, 2, …, the first among them."""
    step = max(1, -(-len(months) // most))
    ax.set_xticks(range(0, len(months), step), list(months[::step]))


def ends_on_x(ax: "Axes", months: Sequence[str]) -> None:
    """The first and the last of months at 0, 1, 2, …, each within the axes, or neighbours' would touch."""
    ends = sorted({0, len(months) - 1})
    ax.set_xticks(ends, [months[end] for end in ends])
    sides: tuple[Any, ...] = ("left", "right")
    # There are none where a panel below names them.
    for label, side in zip(ax.get_xticklabels(), sides, strict=False):
        label.set_horizontalalignment(side)


def month_ticks(first: float, last: float) -> dict[float, str]:
    """Five days from the first to the last, in days since 1970, by their month; each month once."""
    ticks: dict[float, str] = {}
    for day in np.linspace(first, last, 5):
        month = str(np.datetime64(int(day), "D"))[:7]
        if month not in ticks.values():
            ticks[float(day)] = month
    return ticks


def ratio_ticks(axis: "Axis") -> None:
    """Plain numbers along a logarithmic axis of ratios, as many as tell where a value lies; none between them."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

    low, high = sorted(axis.get_view_interval())
    ticks: npt.NDArray[np.float64] = np.array([])
    for steps in LOG_STEPS:
        decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)))
        every = np.multiply.outer(decades, steps).ravel()
        ticks = np.append(every, 10 * decades[-1:])
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        if len(ticks) >= FEWEST_TICKS:
            break
    else:
        even = MaxNLocator(FEWEST_TICKS + 1, steps=[1, 2, 2.5, 5, 10])
        ticks = np.asarray(even.tick_values(low, high))
        ticks = ticks[(ticks >= low) & (ticks <= high)]
    axis.set_major_locator(FixedLocator(ticks.tolist()))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(_plain)


def _plain(value: float, position: float) -> str:
    return f"{value:.4g}"
