"""Post ids as exact strings: what an id is, which lines hold none, and whether a list was damaged on the way.

`twigma ids` checks lists with it; `twigma rehydrate --ids` starts here. An id never passes through a float. A line
without a usable id is skipped, and listed with its number and the reason.
"""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from twigma.core import inventory
from twigma.core.progress import progress_bar
from twigma.core.safety import spreadsheet
from twigma.rehydrate.ids.id_files import read_rows
from twigma.rehydrate.ids.list_columns import ID

# Ids made since November 2010 carry their time, in milliseconds since this epoch, in the bits above 22.
SNOWFLAKE_EPOCH = 1288834974657
# What float64 and a spreadsheet's 15 digits round ids of 18 to 19 digits to multiples of.
FLOAT_STEP, EXCEL_STEP = 256, 1000
DAMAGED = 0.9  # share of rounded ids above which a list is refused
ENOUGH = 50  # ids below which that share says nothing
LISTED = 100_000  # skipped lines that are listed one by one; the rest is only counted
# After so many skipped lines a list with a smaller share of usable ones is read no further.
HOPELESS, USABLE = 300_000, 0.01
CELL = 200  # characters of a skipped line that are listed
QUARANTINE = ["file", "line", "reason", "value"]


class BadLine(NamedTuple):
    """A line that holds no usable id: its number (from 1; the row in Parquet), its content, and what is wrong."""

    line: int
    value: str
    reason: str


class SkippedLines(list[BadLine]):
    """Skipped lines: the first LISTED, and how many there are `more`, from line `beyond` on."""

    more = beyond = 0

    @property
    def total(self) -> int:
        """How many lines were skipped."""
        return len(self) + self.more

    def note(self, line: int, value: str, reason: str) -> None:
        """Add one line."""
        if len(self) < LISTED:
            self.append(BadLine(line, value[:CELL], reason[:CELL]))
        else:
            self.beyond = self.beyond or line
            self.more += 1

    def rows(self) -> list[BadLine]:
        """The lines, and one for those beyond."""
        if not self.more:
            return list(self)
        reason = f"this line and those after it: {self.more:,} more were skipped"
        return [*self, BadLine(self.beyond, "", reason)]


class IdList(NamedTuple):
    """A list: each distinct id, in file order, with the cells of its first row; rows with an id; skipped lines."""

    ids: dict[str, tuple[str, ...]]
    rows: int
    bad: SkippedLines


def read_ids(path: Path, column: str | None = None) -> tuple[list[str], SkippedLines]:
    """The distinct ids of a file in file order, and the skipped lines; see `read_id_list`."""
    listed = read_id_list(path, column)
    return list(listed.ids), listed.bad


def read_id_list(
    path: Path, column: str | None = None, others: Sequence[str] = ()
) -> IdList:
    """The ids of a file, with the cells its rows have in `others`: empty where a column is missing.

    `column` names the id column; otherwise it is `id_str`, `tweet_id`, `post_id`, `id`, or the only column there is.
    Raises FileNotFoundError, or ValueError when no id column is found or when the ids were damaged on the way:
    rounded to float64 (over 90% of at least 50 are multiples of 256) or by a spreadsheet (multiples of 1,000).
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file of post ids at {path}")
    ids: dict[str, tuple[str, ...]] = {}
    skipped = SkippedLines()
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    rows = 0
    bar = progress_bar(
        read_rows(path, column, others),
        desc=path.name,
        unit="row",
        unit_scale=True,
        leave=False,
    )
    for row in bar:
        value = row.value.strip(" \t\r\n")
        reason = row.reason or why_bad(value)
        if reason:
            skipped.note(row.line, value, reason)
            _refuse_hopeless(path, len(ids), skipped)
            continue
        rows += 1
        if value not in ids:
            # Few combinations of cells on many rows: equal ones are one tuple in memory.
            ids[value] = shared.setdefault(row.others, row.others)
    refuse_damaged(path, ids, skipped)
    return IdList(ids, rows, skipped)


def _refuse_hopeless(path: Path, ids: int, skipped: SkippedLines) -> None:
    if skipped.total < HOPELESS or ids >= USABLE * skipped.total:
        return
    first = skipped[0]
    raise ValueError(
        f"{path}: expected post ids, found {ids:,} on the first {skipped.total:,} lines; line "
        f"{first.line}: {first.reason}; is it a list of ids, and the id column the right one?"
    )


def write_quarantine(
    folder: Path, bad: Sequence[BadLine], source: Path, name: str = inventory.QUARANTINE
) -> Path | None:
    """Write the skipped lines of a list to a CSV in a folder (file, line, reason, value), beside those of other lists.

    Returns None when this list has none. Raises ValueError when the file there is something else.
    """
    target = Path(folder) / name
    shown = _shown(Path(source).name)
    rows: list[list[str]] = []
    if target.exists():
        head, *rows = spreadsheet.read_rows(target) or [[]]
        if head != QUARANTINE:
            raise ValueError(
                f"{target}: expected a list of skipped lines ({', '.join(QUARANTINE)}): move it away"
            )
    # A list that is read again replaces its own lines only.
    rows = [row for row in rows if row[0] != shown]
    rows += [[shown, str(line), reason, _shown(value)] for line, value, reason in bad]
    if not rows:
        target.unlink(missing_ok=True)
        return None
    spreadsheet.write_rows(target, QUARANTINE, rows, "ascii", private=True)
    return target if bad else None


def month(post: str) -> str:
    """The month an id was made in (UTC), such as 2022-07; empty for ids older than the scheme.

    >>> month("1547770898463771828")
    '2022-07'
    """
    # Earlier ids were counted up, and carry no time.
    number = int(post)
    if number < 1 << 45:
        return ""
    milliseconds = (number >> 22) + SNOWFLAKE_EPOCH
    made = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{made.year}-{made.month:02}"


def why_bad(value: str) -> str:
    """What is wrong with a text as a post id; empty when nothing is."""
    if ID.fullmatch(value):
        return ""
    if not value:
        return "empty"
    if re.fullmatch(r"[-+]?[0-9.,]+[eE][-+]?[0-9]+", value):
        return "scientific notation: digits are lost"
    if re.fullmatch(r"[0-9]+\.[0-9]*", value):
        return "a decimal number: it went through a float, digits are lost"
    if value.isdigit():
        return "more than 20 digits" if value.isascii() else "digits that are not ASCII"
    return "not a number of 1 to 20 digits"


def refuse_damaged(
    path: Path | str, ids: Collection[str], bad: Sequence[BadLine] = ()
) -> None:
    """Raise ValueError with the numbers when most ids carry the mark of a float or of a spreadsheet."""
    steps = (
        (FLOAT_STEP, "a float64 column", 0.4),
        (EXCEL_STEP, "a spreadsheet", 0.001),
    )
    for step, culprit, usual in steps:
        rounded = sum(int(post) % step == 0 for post in ids)
        if len(ids) >= ENOUGH and rounded > DAMAGED * len(ids):
            share = rounded / len(ids)
            raise ValueError(
                f"{path}: {rounded:,} of {len(ids):,} ids ({share:.1%}) are multiples of {step}, as at most "
                f"{usual:.1%} of real ids are: they were rounded by {culprit}; get the list again as text"
            )
    floats = [line.value for line in bad if "digits are lost" in line.reason]
    total = len(ids) + len(bad)
    if total >= ENOUGH and len(floats) > DAMAGED * total:
        raise ValueError(
            f"{path}: {len(floats):,} of {total:,} ids are written as floating-point numbers, such as {floats[0]!r}: "
            "their last digits are lost; get the list again as text"
        )


def _shown(value: str) -> str:
    """The beginning of a line, in ASCII."""
    return value[:CELL].encode("ascii", "backslashreplace").decode()
