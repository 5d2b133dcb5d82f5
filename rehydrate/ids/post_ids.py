"""Lists of post ids: each distinct id as an exact string, and the lines that hold none.

`twigma ids` checks lists with it; `twigma rehydrate --ids` starts here. A line without a usable id is skipped, and
listed with its number and the reason; a list most of whose lines are skipped, or that was damaged on the way, is
refused.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from twigma.core.lists.columns import Block, Row
from twigma.core.lists.reader import read_blocks
from twigma.core.progress import progress_bar
from twigma.rehydrate.ids.damage import refuse_damaged
from twigma.rehydrate.ids.list_columns import Wanted
from twigma.rehydrate.ids.post_id import are_digits, parse_post_id, why_bad
from twigma.rehydrate.ids.skipped_lines import SkippedLines

# After so many skipped lines a list with a smaller share of usable ones is read no further.
HOPELESS, USABLE = 300_000, 0.01


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

    `column` names the id column; otherwise it is recognised by its name (`list_columns.NAMES`), or the only one.
    Raises FileNotFoundError, or ValueError when no id column is found, when ids were rounded on the way (`damage`), or
    when most lines hold none.
    """
    path = Path(path)
    listed = collect_ids(path, column, others)
    refuse_damaged(path, listed.ids, listed.bad)
    if listed.bad.total > listed.rows:
        raise _few_ids(path, listed.rows, listed.bad)
    return listed


def collect_ids(
    path: Path, column: str | None = None, others: Sequence[str] = ()
) -> IdList:
    """As `read_id_list`, of a list in any state: it is not tested for damage."""
    if not path.is_file():
        raise FileNotFoundError(f"no file of post ids at {path}")
    collector = _Collector(path)
    parts = read_blocks(path, Wanted(column, tuple(others)))
    with progress_bar(desc=path.name, unit="row", unit_scale=True, leave=False) as bar:
        for part in parts:
            if isinstance(part, Block):
                collector.add_block(part)
                bar.update(len(part.values))
            else:
                collector.add_row(part)
                bar.update()
    return IdList(collector.ids, collector.rows, collector.skipped)


class _Collector:
    """What was read of a list so far: its distinct ids with the cells of their first rows, and its skipped lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ids: dict[str, tuple[str, ...]] = {}
        self.rows = 0
        self.skipped = SkippedLines()
        # Few combinations of cells on many rows: equal ones are one tuple in memory.
        self._shared: dict[tuple[str, ...], tuple[str, ...]] = {}

    def add_block(self, block: Block) -> None:
        """Add rows, all at once where each has an id written as digits only."""
        if not are_digits(block.values):
            for row in block.rows():
                self.add_row(row)
            return
        self.rows += len(block.values)
        if any(block.others):
            for post, cells in zip(block.values, block.others, strict=True):
                self._add(post, cells)
        else:  # no other columns are read: an id that is there already stays as it is
            self.ids.update(zip(block.values, block.others, strict=True))

    def add_row(self, row: Row) -> None:
        """Add a row, or note it as skipped."""
        post = "" if row.reason else parse_post_id(row.value)
        if post:
            self.rows += 1
            self._add(post, row.others)
        else:
            _skip(self.path, row, len(self.ids), self.skipped)

    def _add(self, post: str, cells: tuple[str, ...]) -> None:
        if post not in self.ids:
            self.ids[post] = self._shared.setdefault(cells, cells)


def _skip(path: Path, row: Row, ids: int, skipped: SkippedLines) -> None:
    """Note a line without a usable id; ValueError where there are no others."""
    value = row.value.strip(" \t\r\n\0")
    if value.startswith("#") and not row.reason:
        return  # a comment
    skipped.note(row.line, value, row.reason or why_bad(value))
    if skipped.total >= HOPELESS and ids < USABLE * skipped.total:
        raise _few_ids(path, ids, skipped)


def _few_ids(path: Path, rows: int, skipped: SkippedLines) -> ValueError:
    first = skipped[0]
    found = f"{rows:,}" if rows else "none"
    return ValueError(
        f"{path}: expected post ids, found {found} on {rows + skipped.total:,} lines; line {first.line}: "
        f"{first.reason}: {first.value[:60]!r}; is it a list of ids, and the id column the right one?"
    )
