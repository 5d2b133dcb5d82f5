"""Numbers, intervals, tables and strangers' text as the report writes them; `twigma report` uses it.

Text that strangers wrote loses its control, bidirectional and invisible characters here, and only here: tables on
disk keep it raw. Escaping for HTML is the template's.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twigma.analysis.inference.intervals import SMALL, decimals_of_width
from twigma.core.names import join_names
from twigma.core.values import noun_for

NONE = "–"
LONGEST_CELL = 320  # characters
GAP = "\u00a0"  # a space where no line breaks
# One that no number needs, to either side of it, is a stranger's, and becomes a plain space.
SPACES = re.compile(rf"(?<![\d%,]){GAP}+|{GAP}+(?![\d\[−∞])|[^\S{GAP}]+")
# Unicode categories: control, format (bidi, zero width), surrogate, private, unassigned.
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text, whether it is a number, and how it stands out.

    `mark` is "max", "min", a verdict ("agrees", "differs", "unknown"), or "".
    """

    text: str
    number: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the report; `folded` ones open on a click.

    Of the kind "verdicts" the rows can be filtered by the mark of one of their cells.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    kind: str = ""

    @property
    def marks(self) -> tuple[str, ...]:
        """The mark of each row: that of its first cell that has one."""
        return tuple(_mark(row) for row in self.rows)

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers and nothing else but dashes."""
        if not self.rows:
            return (False,) * len(self.header)
        columns = zip(*self.rows, strict=True)
        return tuple(_is_numeric(column) for column in columns)


class Share(str):
    """A share as text in percent, with its numbers: the shares of a column are written again with equal decimals."""

    numbers: tuple[float, ...]  # percent: the share, and the limits where there are any

    def __new__(cls, text: str, numbers: Iterable[float]) -> "Share":
        """A text, and the numbers that it states."""
        share = super().__new__(cls, text)
        share.numbers = tuple(numbers)
        return share


def _mark(row: Sequence[Cell]) -> str:
    marks = [cell.mark for cell in row if cell.mark]
    return marks[0] if marks else ""


def _is_numeric(column: Sequence[Cell]) -> bool:
    """Whether a column has a number, and no text beside numbers and dashes."""
    if not any(cell.number for cell in column):
        return False
    return all(cell.number or cell.text == NONE for cell in column)


def clean(text: object, most: int = 200) -> str:
    """Text as it is displayed: white space single, nothing invisible, at most `most` characters.

    A space inside a number and its interval stays one at which no line breaks.

    >>> clean("a\\u202eb\\x07\\n c")
    'ab c'
    >>> clean("1.19\\u00a0[1.18,\\u00a01.20]  by\\u00a0author")
    '1.19\\xa0[1.18,\\xa01.20] by author'
    """
    spaced = SPACES.sub(" ", str(text)).strip()
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
    elif size < SMALL:
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
    """A value and its interval on one line, without limits the value alone; all three with the same decimals.

    >>> interval(1.19, 1.18, 1.2).split(), interval(-0.0152, -0.0252, -0.00521).split()
    (['1.19', '[1.18,', '1.20]'], ['−0.0152', '[−0.0252,', '−0.0052]'])
    """
    if value is None or low is None or high is None:
        return number(value, digits)
    if math.isnan(low) or math.isnan(high):
        return number(value, digits)
    texts = _even(value, low, high, digits)
    return f"{texts[0]}{GAP}[{texts[1]},{GAP}{texts[2]}]"


def _even(value: float, low: float, high: float, digits: int) -> list[str]:
    """The three numbers with as many decimals as the largest of them has, and enough to see the interval's width."""
    numbers = [float(value), float(low), float(high)]
    size = max(abs(one) for one in numbers)
    whole = all(one.is_integer() for one in numbers)
    if not math.isfinite(size) or whole or size < SMALL:
        return [number(one, digits) for one in numbers]
    decimals = _decimals(size, [(high - low) / 2], digits)
    return [_fixed(one, decimals) for one in numbers]


def _decimals(size: float, halves: Iterable[float], digits: int) -> int:
    """Decimals that show `digits` digits of the largest number, and the width of every interval that has one."""
    decimals = digits - 1 - math.floor(math.log10(size))
    for half in halves:
        decimals = max(decimals, decimals_of_width(half, size) or 0)
    return max(0, decimals)


def _fixed(value: float, decimals: int) -> str:
    """A number with so many decimals, thousands grouped, a true minus."""
    # Adding 0 takes the sign off a zero.
    return f"{round(value, decimals) + 0:,.{decimals}f}".replace("-", "−")


def percent(value: float | None, digits: int = 3) -> str:
    """A share as a percentage."""
    if value is None or math.isnan(value):
        return NONE
    return Share(f"{number(100 * value, digits)}%", [100 * value])


def percents(
    value: float | None, low: float | None, high: float | None, digits: int = 3
) -> str:
    """A share and its interval as percentages with the same decimals: "12.0% [11.2, 13.1]"."""
    if value is None or low is None or high is None:
        return percent(value, digits)
    if math.isnan(value) or math.isnan(low) or math.isnan(high):
        return percent(value, digits)
    texts = _even(100 * value, 100 * low, 100 * high, digits)
    return Share(_in_percent(texts), [100 * value, 100 * low, 100 * high])


def _in_percent(texts: Sequence[str]) -> str:
    """The text of a share and of its limits, where it has any."""
    if len(texts) == 1:
        return f"{texts[0]}%"
    return f"{texts[0]}%{GAP}[{texts[1]},{GAP}{texts[2]}]"


def _aligned(column: Sequence[Any], digits: int = 3) -> list[Any]:
    """The shares of a column with equal decimals, as many as the largest needs; other cells as they are."""
    shares = [value for value in column if isinstance(value, Share)]
    numbers = [abs(one) for share in shares for one in share.numbers]
    size = max(numbers, default=0.0)
    if not size:
        return list(column)
    halves = []
    for share in shares:
        if len(share.numbers) > 1:
            halves.append((share.numbers[2] - share.numbers[1]) / 2)
    decimals = _decimals(size, halves, digits)
    aligned: list[Any] = []
    for value in column:
        if isinstance(value, Share):
            texts = [_fixed(one, decimals) for one in value.numbers]
            aligned.append(_in_percent(texts))
        else:
            aligned.append(value)
    return aligned


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


def plural(n: float, one: str, many: str = "") -> str:
    """A number and its noun, in the plural (`many`, or with an s) but for 1.

    >>> plural(1, "image"), plural(1200, "image"), plural(0, "category", "categories")
    ('1 image', '1,200 images', '0 categories')
    """
    return f"{number(n)} {noun_for(n, one, many)}"


def frequent_words(words: Iterable[str], of: str = "") -> str:
    """A sentence with the most frequent words, in the order of the alphabet; `of` says of what they are.

    >>> frequent_words(["b", "a"]), frequent_words(["hi"], " of the captions")
    ('Frequent words are a and b.', 'The only frequent word of the captions is hi.')
    """
    alphabetical = sorted(words)
    if len(alphabetical) == 1:
        return f"The only frequent word{of} is {listed(alphabetical)}."
    return f"Frequent words{of} are {listed(alphabetical)}."


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
    return Cell(clean(value, LONGEST_CELL))


def table(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    folded: bool = False,
    kind: str = "",
) -> Table:
    """A table from plain values; the shares of a column have equal decimals."""
    columns = [_aligned(column) for column in zip(*rows, strict=True)]
    cells = [tuple(map(cell, row)) for row in zip(*columns, strict=True)]
    return Table(caption, tuple(header), tuple(cells), folded, kind)
