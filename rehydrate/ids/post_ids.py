"""Post ids as exact strings: what an id is, which lines hold none, and whether a list was damaged on the way.

`twigma ids` checks lists with it; `twigma rehydrate --ids` starts here. An id never passes through a float. A line
without a usable id is set aside with its number and the reason.
"""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from twigma.core import inventory
from twigma.core.progress import progress_bar
from twigma.core.safety import spreadsheet
from twigma.rehydrate.ids.id_files import ID, read_rows

SNOWFLAKE_EPOCH = 1288834974657  # ms; ids made since November 2010 carry their time in the bits above 22
FLOAT_STEP, EXCEL_STEP = (
    256,
    1000,
)  # what float64 and a spreadsheet's 15 digits round ids of 18 to 19 digits to
DAMAGED, ENOUGH = 0.9, 50
LISTED = 100_000  # lines set aside that are kept one by one; of more only the number is
HOPELESS, USABLE = (
    300_000,
    0.01,
)  # lines set aside after which a list of fewer usable ones is read no further
CELL = 200  # characters of a line set aside that are kept
QUARANTINE = ["file", "line", "reason", "value"]


class BadLine(NamedTuple):
    """A line that holds no usable id: its number (from 1; the row in Parquet), what it holds, and what is wrong."""

    line: int
    value: str
    reason: str


class SetAside(list[BadLine]):
    """Lines set aside: the first ones, and how many there are `more`, from line `beyond` on."""

    more = beyond = 0

    @property
    def total(self) -> int:
        """How many lines were set aside."""
        return len(self) + self.more

    def note(self, line: int, value: str, reason: str) -> None:
        """Set one more line aside."""
        if len(self) < LISTED:
            self.append(BadLine(line, value[:CELL], reason[:CELL]))
        else:
            self.beyond = self.beyond or line
            self.more += 1

    def rows(self) -> list[BadLine]:
        """The lines, and one for those beyond."""
        rest = BadLine(
            self.beyond,
            "",
            f"this line and those after it: {self.more:,} more were set aside",
        )
        return [*self, rest] if self.more else list(self)


class IdList(NamedTuple):
    """A list: each distinct id, in file order, with the cells of its first row; rows with an id; lines set aside."""

    ids: dict[str, tuple[str, ...]]
    rows: int
    bad: SetAside


def read_ids(path: Path, column: str | None = None) -> tuple[list[str], SetAside]:
    """The distinct ids of a file in file order, and the lines set aside; see `read_id_list`."""
    found = read_id_list(path, column)
    return list(found.ids), found.bad


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
    found, shared = IdList({}, 0, SetAside()), dict[tuple[str, ...], tuple[str, ...]]()
    rows = 0
    rows_read = read_rows(path, column, others)
    bar = progress_bar(
        rows_read,
        desc=path.name,
        unit="row",
        unit_scale=True,
        leave=False,
    )
    for row in bar:
        value = row.value.strip(" \t\r\n")
        if reason := row.reason or why_bad(value):
            found.bad.note(row.line, value, reason)
            _refuse_hopeless(path, found)
        elif value not in found.ids:
            found.ids[value] = shared.setdefault(
                row.others, row.others
            )  # few strata, on many rows
            rows += 1
        else:
            rows += 1
    refuse_damaged(path, found.ids, found.bad)
    return found._replace(rows=rows)


def _refuse_hopeless(path: Path, found: IdList) -> None:
    if found.bad.total >= HOPELESS and len(found.ids) < USABLE * found.bad.total:
        first = found.bad[0]
        raise ValueError(
            f"{path}: expected post ids, found {len(found.ids):,} on the first {found.bad.total:,} lines; line "
            f"{first.line}: {first.reason}; is it a list of ids, and the id column the right one?"
        )


def write_quarantine(
    folder: Path, bad: Sequence[BadLine], source: Path, name: str = inventory.QUARANTINE
) -> Path | None:
    """Write the lines set aside to a CSV in a folder (file, line, reason, value), beside those of other lists.

    Gives None when this list has none. Raises ValueError when the file there is something else.
    """
    target, shown = Path(folder) / name, _shown(Path(source).name)
    rows = []
    if target.exists():
        head, *rows = spreadsheet.read_rows(target) or [[]]
        if head != QUARANTINE:
            raise ValueError(
                f"{target}: expected a list of lines set aside ({', '.join(QUARANTINE)}): move it away"
            )
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
    if int(post) < 1 << 45:
        return ""
    made = datetime.fromtimestamp(((int(post) >> 22) + SNOWFLAKE_EPOCH) / 1000, UTC)
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
        marked = sum(int(post) % step == 0 for post in ids)
        if len(ids) >= ENOUGH and marked > DAMAGED * len(ids):
            raise ValueError(
                f"{path}: {marked:,} of {len(ids):,} ids ({marked / len(ids):.1%}) are multiples of {step}, as at most "
                f"{usual:.1%} of real ids are: they were rounded by {culprit}; get the list again as text"
            )
    floats, total = (
        [line.value for line in bad if "digits are lost" in line.reason],
        len(ids) + len(bad),
    )
    if total >= ENOUGH and len(floats) > DAMAGED * total:
        raise ValueError(
            f"{path}: {len(floats):,} of {total:,} ids are written as floating-point numbers, such as {floats[0]!r}: "
            "their last digits are lost; get the list again as text"
        )


def _shown(value: str) -> str:
    """The beginning of a line, in ASCII."""
    return value[:200].encode("ascii", "backslashreplace").decode()
