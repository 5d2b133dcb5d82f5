"""Numbers, intervals, tables and strangers' text as the report writes them; `twigma report` uses it.

Text that strangers wrote loses its control, bidirectional and invisible characters here, and only here: tables on
disk keep it raw. Escaping for HTML is the template's.
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twigma.core.names import join_names

NONE = "–"
GAP = "\u00a0"  # a space where no line breaks
# Unicode categories: control, format (bidi, zero width), surrogate, private, unassigned.
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text, whether it is a number, and how it stands out ("max", "min" or "")."""

    text: str
    number: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the report; `folded` ones open on a click."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers and nothing else but dashes."""
        if not self.rows:
            return (False,) * len(self.header)
        columns = zip(*self.rows, strict=True)
        return tuple(_is_numeric(column) for column in columns)


def _is_numeric(column: Sequence[Cell]) -> bool:
    """Whether a column has a number, and no text beside numbers and dashes."""
    if not any(cell.number for cell in column):
        return False
    return all(cell.number or cell.text == NONE for cell in column)


def clean(text: object, most: int = 200) -> str:
    """Text as it is displayed: white space single, nothing invisible, at most `most` characters.

    >>> clean("a\\u202eb\\x07\\n c")
    'ab c'
    """
    spaced = " ".join(str(text).split())
    visible = [c for c in spaced if unicodedata.category(c) not in INVISIBLE]
    if len(visible) > most:
        visible[most - 1 :] = "…"
    return "".join(visible)


def number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits, thousands grouped, a true minus; a dash when there is none.

    >>> number(1234567), number(0.012345), number(-2.5), number(None), number(7.0)
    ('1,234,567', '0.0123', '−2.50', '–', '7')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if float(value).is_integer() and size < 1e15:
        text = f"{int(value):,}"
    elif size >= 10**digits:
        text = f"{value:,.0f}"
    elif size >= 10 ** (digits - 1):
        text = f"{value:,.1f}"
    elif size < 1e-4:
        text = f"{value:.{digits - 1}e}"
    else:
        places = digits - 1 - math.floor(math.log10(size))
        text = f"{value:.{places}f}"
    return text.replace("-", "−")


def interval(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    digits: int = 3,
) -> str:
    """A value and its interval on one line: "1.19 [1.18, 1.20]"; without limits the value alone."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return number(value, digits)
    limits = f"[{number(low, digits)},{GAP}{number(high, digits)}]"
    return f"{number(value, digits)}{GAP}{limits}"


def percent(value: float | None, digits: int = 3) -> str:
    """A share as a percentage."""
    if value is None or math.isnan(value):
        return NONE
    return f"{number(100 * value, digits)}%"


def percents(
    value: float | None, low: float | None, high: float | None, digits: int = 3
) -> str:
    """A share and its interval as percentages: "12% [11, 13]"."""
    if value is None or low is None or high is None:
        return percent(value, digits)
    limits = f"[{number(100 * low, digits)},{GAP}{number(100 * high, digits)}]"
    return f"{percent(value, digits)}{GAP}{limits}"


def counted(blocks: float, known: bool) -> str:
    """How many authors, artists or prompts an interval rests on, as of one size: "57.3", or "unknown"."""
    return number(blocks) if known else "unknown"


def p_value(p: float | None) -> str:
    """A p-value after a relation sign: "p = 0.03", "p < 0.001"."""
    if p is None or math.isnan(p):
        return "p unknown"
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.2g}"


def listed(names: Iterable[object]) -> str:
    """Names in a sentence: "a, b and c"; "none" for none."""
    words = [clean(name) for name in names]
    return join_names(words) or "none"


def cell(value: Any, digits: int = 3) -> Cell:
    """A value as a cell: numbers to the right, text cleaned, true and false as words."""
    if isinstance(value, Cell):
        return value
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no")
    if value is None:
        return Cell(NONE)
    if hasattr(value, "__float__"):
        return Cell(number(float(value), digits), number=True)
    return Cell(clean(value))


def table(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    folded: bool = False,
) -> Table:
    """A table from plain values."""
    cells = tuple(tuple(cell(value) for value in row) for row in rows)
    return Table(caption, tuple(header), cells, folded)
