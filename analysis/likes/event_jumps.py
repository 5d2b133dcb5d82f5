"""The jump of two lines at any number of dates, from sums by author and by the days between any two dates.

Around a date are eight months of four weeks. Their first days, of all dates together, cut the time into spans: each
month of each date is some spans, so that rows are summed once and not again for every date. `event_study` runs it.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MONTH = 28  # days: four weeks
MONTHS = 4  # on either side of a date
NO_SPREAD = 1e-12  # of the levels: rounding, where all rows are alike
FEWEST_AUTHORS = 2  # in every month
AUTHORS = 1 << 16  # of which influences at all dates are in memory at a time

Measure = Literal["count", "mean", "ratio"]
Days = npt.NDArray[np.int64]


class Jump(NamedTuple):
    """On the scale of the lines: the logarithm, but for means."""

    size: float
    se: float
    n: float


@dataclass(frozen=True)
class Rows:
    """Images or posts with a date and a value.

    Attributes
    ----------
    day : int64 [n] from the first. author : int64 [n], from 0. weight : float64 [n].
    value : float64 [n]; None where rows are counted.
    last : the last day. measure : what of them is the outcome.
    """

    day: Days
    author: Days
    weight: Floats
    value: Floats | None
    last: int
    measure: Measure


@dataclass(frozen=True)
class _Sums:
    """Rows summed by author and span.

    Attributes
    ----------
    starts : int64 [spans], the first day of each.
    n, total : weights, and weights times values, float64 [authors, spans]; no total where rows are counted.
    n_of_span, total_of_span : these of all authors, float64 [spans].
    pairs : int64 [spans + 1, spans], how many authors have rows in a span (the second index) whose last span with rows
        before it was the one before the first index; 0 for none.
    """

    starts: Days
    n: "csr_array"
    total: "csr_array | None"
    n_of_span: Floats
    total_of_span: Floats
    pairs: Days
    measure: Measure

    def authors(self, low: int, high: int) -> int:
        """How many have rows from span `low` up to but not with `high`: each counts where its first one is."""
        return int(self.pairs[: low + 1, low:high].sum())


class _Lines(NamedTuple):
    """The levels of the months around a date, and how the rows of a span move the jump."""

    size: float
    n: float
    authors: int
    level: float  # the largest, without its sign
    by_n: Floats  # [spans], of a unit of weight
    by_total: Floats  # [spans], of a unit of weight times value


def jumps(rows: Rows, days: Sequence[int]) -> list[Jump | str]:
    """The distance of the two lines at each day [d], or why there is none.

    Parameters
    ----------
    days : from the first day of the rows.

    The standard error is that of the sum of the influences of each author, which are linear in the author's sums.
    """
    found: list[Jump | str] = [_too_near(rows, day) for day in days]
    admissible = [place for place, reason in enumerate(found) if not reason]
    if not admissible:
        return found
    sums = _summed(rows, [days[place] for place in admissible])
    lines: dict[int, _Lines] = {}
    for place in admissible:
        line = _lines(sums, days[place])
        if isinstance(line, str):
            found[place] = line
        else:
            lines[place] = line
    errors = _standard_errors(sums, list(lines.values()))
    for (place, line), se in zip(lines.items(), errors, strict=True):
        found[place] = Jump(line.size, float(se), line.n)
        if se <= NO_SPREAD * line.level:
            found[place] = "the same in all rows around it"
    return found


def line_weights() -> Floats:
    """Weights of the months, float64 [months], that give the line after less the line before at the date.

    >>> line_weights().round(2).tolist()
    [0.35, -0.05, -0.45, -0.85, 0.85, 0.45, 0.05, -0.35]
    """
    middle = np.arange(MONTHS) + 0.5
    line = np.column_stack([np.ones(MONTHS), middle])
    after = np.linalg.pinv(line)[0]
    return np.concatenate([-after[::-1], after])


def _too_near(rows: Rows, day: int) -> str:
    """Why a day is too near an end of the time; empty where it is not."""
    need = MONTHS * MONTH
    before, after = day, rows.last + 1 - day
    if min(before, after) >= need:
        return ""
    return f"{max(before, 0)} days before and {max(after, 0)} after it, of {need} each"


def _summed(rows: Rows, days: Sequence[int]) -> _Sums:
    """The sums of the rows by author and span, of the spans that months around these days are made of."""
    from scipy.sparse import coo_array

    firsts = MONTH * np.arange(-MONTHS, MONTHS + 1)
    edges = np.unique(np.add.outer(np.asarray(days, np.int64), firsts))
    spans = len(edges) - 1
    span_of_day = np.searchsorted(edges, np.arange(rows.last + 1), side="right") - 1
    span = span_of_day[rows.day].astype(np.int32)
    inside = (span >= 0) & (span < spans)
    span, weight = span[inside], rows.weight[inside]
    author = rows.author[inside].astype(np.int32)
    shape = int(author.max(initial=-1)) + 1, spans
    n = coo_array((weight, (author, span)), shape).tocsr()
    total, total_of_span = None, np.zeros(spans)
    if rows.value is not None:
        weighted = weight * rows.value[inside]
        total = coo_array((weighted, (author, span)), shape).tocsr()
        total_of_span = _of_spans(span, weighted, spans)
    return _Sums(
        starts=edges[:-1],
        n=n,
        total=total,
        n_of_span=_of_spans(span, weight, spans),
        total_of_span=total_of_span,
        pairs=_pairs(n),
        measure=rows.measure,
    )


def _of_spans(span: npt.NDArray[np.int32], weights: Floats, spans: int) -> Floats:
    """The sum of the weights in each span, float64 [spans]."""
    return np.asarray(np.bincount(span, weights, spans), dtype=np.float64)


def _pairs(n: "csr_array") -> Days:
    """Of each author's spans in their order, how often one follows another, as `_Sums` has them."""
    spans = n.shape[1]
    here = n.indices.astype(np.int64)
    before = np.zeros_like(here)
    before[1:] = here[:-1] + 1
    has_rows = np.diff(n.indptr) > 0
    before[n.indptr[:-1][has_rows]] = 0
    counts = np.bincount(before * spans + here, minlength=(spans + 1) * spans)
    return counts.reshape(spans + 1, spans)


def _lines(sums: _Sums, day: int) -> _Lines | str:
    """The lines around a day; or why a month beside it has too little for them."""
    month = (sums.starts - day) // MONTH + MONTHS
    inside = (month >= 0) & (month < 2 * MONTHS)
    firsts = np.searchsorted(month, np.arange(2 * MONTHS + 1))
    authors = [sums.authors(*ends) for ends in itertools.pairwise(firsts)]
    if min(authors) < FEWEST_AUTHORS:
        return f"fewer than {FEWEST_AUTHORS} authors in a month around it"
    month = month[inside]
    count = np.bincount(month, weights=sums.n_of_span[inside], minlength=2 * MONTHS)
    total = np.bincount(month, sums.total_of_span[inside], minlength=2 * MONTHS)
    if sums.measure == "ratio" and not total.min() > 0:
        return "nothing but zeros in a month around it"
    weight = line_weights()
    mean = total / count
    # The lines are linear in the levels; a row moves its month's mean by (total - mean n) / count.
    by_total = weight / count
    by_n = -by_total * mean
    level = mean
    if sums.measure == "count":
        level, by_n = np.log(count), weight / count
    elif sums.measure == "ratio":
        level, by_n, by_total = np.log(mean), by_n / mean, by_total / mean
    of_span = np.zeros((2, len(inside)))
    of_span[:, inside] = by_n[month], by_total[month]
    return _Lines(
        size=float(weight @ level),
        n=float(count.sum()),
        authors=sums.authors(firsts[0], firsts[-1]),
        level=float(np.abs(level).max()),
        by_n=of_span[0],
        by_total=of_span[1],
    )


def _standard_errors(sums: _Sums, lines: Sequence[_Lines]) -> Floats:
    """√(a / (a − 1) Σ influence²) over the `a` authors around each date, float64 [d]; an author's influence is one."""
    if not lines:
        return np.zeros(0)
    by_n = np.column_stack([line.by_n for line in lines])
    by_total = np.column_stack([line.by_total for line in lines])
    squares = np.zeros(len(lines))
    for start in range(0, sums.n.shape[0], AUTHORS):
        some = slice(start, start + AUTHORS)
        influence = sums.n[some] @ by_n
        if sums.total is not None:
            influence += sums.total[some] @ by_total
        squares += np.einsum("ad,ad->d", influence, influence)
    authors = np.array([line.authors for line in lines])
    return np.asarray(np.sqrt(squares * authors / (authors - 1)))
