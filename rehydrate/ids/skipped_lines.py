"""Lines of a list that hold no usable id: counted, and listed in `quarantine.csv` with number and reason."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from twigma.core.safety import spreadsheet
from twigma.core.workspace import inventory

LISTED = 100_000  # skipped lines that are listed one by one; the rest is only counted
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


def _shown(value: str) -> str:
    """The beginning of a line, in ASCII."""
    return value[:CELL].encode("ascii", "backslashreplace").decode()
