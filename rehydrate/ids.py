"""Read post ids from the lists people publish, as exact strings; `twigma rehydrate IDS` starts here.

CSV, TSV, JSON lines, Parquet, plain text, or a zip of one of them. An id is text from the first byte to the last: it
never passes through a float. A line without a usable id is set aside with its number and the reason.
"""

import csv
import hashlib
import io
import json
import re
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from twigma import columns

ID = re.compile(r"[0-9]{1,20}")
NAMES = ("id_str", "tweet_id", "post_id", "id")  # the specific names first: `id` may be a row number beside them
SNOWFLAKE_EPOCH = 1288834974657  # ms; ids made since November 2010 carry their time in the bits above 22
MOST_JOINED = 100  # a quoted cell may run over this many lines; a stray quote must not swallow more
FLOAT_STEP, EXCEL_STEP = 256, 1000  # what float64 and a spreadsheet's 15 digits round ids of 18 to 19 digits to
DAMAGED, ENOUGH = 0.9, 50


class Layout(NamedTuple):
    """How a text table is cut: its delimiter, cells a record, and which of them is the id."""

    delimiter: str
    width: int
    id_at: int


class BadLine(NamedTuple):
    """A line that holds no usable id: its number (from 1; the row in Parquet), what it holds, and what is wrong."""

    line: int
    value: str
    reason: str


def read_ids(path: Path, column: str | None = None) -> tuple[list[str], list[BadLine]]:
    """The distinct ids of a file in file order, and the lines set aside.

    `column` names the id column; otherwise it is `id_str`, `tweet_id`, `post_id`, `id`, or the only column there is.
    Raises FileNotFoundError, or ValueError when no id column is found or when the ids were damaged on the way:
    rounded to float64 (over 90% of at least 50 are multiples of 256) or by a spreadsheet (multiples of 1,000).
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file of post ids at {path}")
    ids: list[str] = []
    bad: list[BadLine] = []
    for cell in _cells(path, column):
        value = cell.value.strip(" \t\r\n")
        reason = cell.reason or why_bad(value)
        if reason:
            bad.append(BadLine(cell.line, value, reason))
        else:
            ids.append(value)
    refuse_damaged(path, ids, bad)
    return list(dict.fromkeys(ids)), bad


def write_quarantine(work: Path, bad: Iterable[BadLine], source: Path, name: str = "quarantine.csv") -> Path | None:
    """Write the lines set aside to `WORK/NAME` (file, line, reason, value); None when there are none."""
    target, bad = Path(work) / name, list(bad)
    if not bad:
        target.unlink(missing_ok=True)
        return None
    with columns.atomic(target) as partial, partial.open("w", encoding="ascii", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "line", "reason", "value"])
        name = _safe_cell(Path(source).name)
        writer.writerows([name, line, reason, _safe_cell(value)] for line, value, reason in bad)
    return target


def sample_ids(ids: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """`count` ids in proportion to the months they were posted in (read off the id), in the order given.

    Drawn by a keyed hash: the same seed draws the same ids tomorrow, and nearly the same from a longer list.
    """
    if count >= len(ids):
        return list(ids)
    months: dict[int, list[str]] = {}
    for post in sorted(ids, key=lambda post: hashlib.sha256(f"{seed}/{post}".encode()).digest()):
        months.setdefault(_month(post), []).append(post)
    share = count / len(ids)
    quota = {month: int(len(posts) * share) for month, posts in months.items()}
    by_remainder = sorted(months, key=lambda month: (quota[month] - len(months[month]) * share, month))
    for month in by_remainder[: count - sum(quota.values())]:
        quota[month] += 1
    drawn = {post for month, posts in months.items() for post in posts[: quota[month]]}
    return [post for post in ids if post in drawn]


def _month(post: str) -> int:
    """The thirty-day month an id was made in; ids older than the scheme share month 0."""
    return ((int(post) >> 22) + SNOWFLAKE_EPOCH) // 2_592_000_000 if int(post) >= 1 << 45 else 0


def why_bad(value: str) -> str:
    """What is wrong with a text as a post id; empty when nothing is."""
    if ID.fullmatch(value):
        return ""
    if not value:
        return "empty"
    if re.fullmatch(r"[-+]?[0-9.,]+[eE][-+]?[0-9]+", value):
        return "scientific notation: digits are lost"
    if re.fullmatch(r"[0-9]+\.[0-9]*", value):
        return "a decimal number: the id went through a float"
    if value.isdigit():
        return "more than 20 digits" if value.isascii() else "digits that are not ASCII"
    return "not a number of 1 to 20 digits"


def refuse_damaged(path: Path, ids: list[str], bad: list[BadLine]) -> None:
    """Raise ValueError with the numbers when most ids carry the mark of a float or of a spreadsheet."""
    steps = ((FLOAT_STEP, "a float64 column", 0.4), (EXCEL_STEP, "a spreadsheet", 0.001))
    for step, culprit, usual in steps:
        marked = sum(int(post) % step == 0 for post in ids)
        if len(ids) >= ENOUGH and marked > DAMAGED * len(ids):
            raise ValueError(
                f"{path}: {marked:,} of {len(ids):,} ids ({marked / len(ids):.1%}) are multiples of {step}, as at most "
                f"{usual:.1%} of real ids are: they were rounded by {culprit}; get the list again as text"
            )
    lost, total = sum("scientific" in line.reason for line in bad), len(ids) + len(bad)
    if total >= ENOUGH and lost > DAMAGED * total:
        raise ValueError(
            f"{path}: {lost:,} of {total:,} ids are in scientific notation, such as {bad[0].value!r}: "
            "a spreadsheet has cut their digits; get the list again as text"
        )


def _safe_cell(value: str) -> str:
    """A cell no spreadsheet runs as a formula, in ASCII."""
    shown = value[:200].encode("ascii", "backslashreplace").decode()
    return "'" + shown if shown.startswith(("=", "+", "-", "@", "\t", "\r")) else shown


# ------------------------------------------------------------------ formats


def _cells(path: Path, column: str | None) -> Iterator[BadLine]:
    """Each line's id cell as (line, value, reason), reason empty where the line can be read."""
    kind = path.suffix.lower()
    if kind == ".parquet":
        yield from _parquet_cells(path, column)
    elif kind == ".zip":
        if not zipfile.is_zipfile(path):
            raise ValueError(f"{path}: expected a zip file, found something else; unpack or download it again")
        with zipfile.ZipFile(path) as archive:
            member = _only_member(path, archive)
            with archive.open(member) as raw:
                yield from _reader(Path(member).suffix)(_lines(raw), column, f"{path}/{member}")
    else:
        with path.open("rb") as raw:
            yield from _reader(kind)(_lines(raw), column, str(path))


def _reader(suffix: str) -> Callable[[Iterator[str], str | None, str], Iterator[BadLine]]:
    return _json_cells if suffix.lower() in (".jsonl", ".ndjson", ".json") else _csv_cells


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise ValueError(f"{path}: expected a zip of one file, found {len(names)}: {names[:5]}; unpack it first")
    return names[0]


def _lines(raw: IO[bytes]) -> Iterator[str]:
    r"""Lines ended by \n, \r\n or \r only; bytes that are not UTF-8 stay visible and fail as ids."""
    buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw)  # type: ignore[type-var]
    wide = buffered.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff")
    encoding, errors = ("utf-16", "replace") if wide else ("utf-8-sig", "surrogateescape")
    with io.TextIOWrapper(buffered, encoding, errors) as text:
        for line in text:
            yield line.removesuffix("\n")


def _name(text: str) -> str:
    return text.strip().lower().replace(" ", "_")


def _pick(found: Sequence[str], column: str | None, where: str) -> int:
    """Which of these columns holds the ids."""
    if column is not None:
        if column not in found:
            raise ValueError(f"{where}: expected a column {column!r}, found {list(found)}")
        return found.index(column)
    names = [_name(text) for text in found]
    for name in NAMES:
        if name in names:
            return names.index(name)
    if len(found) == 1:
        return 0
    raise ValueError(f"{where}: expected a column named {', '.join(NAMES)}, found {list(found)}; name the id column")


def _csv_cells(lines: Iterator[str], column: str | None, where: str) -> Iterator[BadLine]:
    first = next(lines, "")
    delimiter = "\t" if "\t" in first else ";" if ";" in first and "," not in first else ","
    head = _split(first, delimiter) or [first]
    if len(head) == 1 and column is None and not re.match(r"[^\W\d]", head[0].strip()):
        yield from _records(iter([first]), Layout(delimiter, 1, 0), 0)  # no header: the first line is a row
        index = 0
    else:
        if any(ID.fullmatch(cell.strip()) for cell in head):
            raise ValueError(f"{where}: expected a first line that names the columns, found {first[:80]!r}")
        index = _pick([cell.strip() for cell in head], column, where)
    yield from _records(lines, Layout(delimiter, len(head), index), 1)


def _records(lines: Iterator[str], layout: Layout, number: int) -> Iterator[BadLine]:
    """One cell a record. A record is a line, or more while a quote is open, if that makes it whole."""
    ahead: deque[str] = deque()
    while (line := ahead.popleft() if ahead else next(lines, None)) is not None:
        number += 1
        taken, cells = 0, _split(line, layout.delimiter)
        if cells is None:
            taken, cells = _join(line, ahead, lines, layout)
        if not cells:
            yield BadLine(number, line, "a quote is open or stray")
        elif len(cells) != layout.width and line.strip():
            yield BadLine(number, line, f"expected {layout.width} cells, found {len(cells)}")
        elif line.strip():
            yield BadLine(number, cells[layout.id_at], "")
        for _ in range(taken):
            ahead.popleft()
        number += taken


def _split(text: str, delimiter: str) -> list[str] | None:
    """The cells of one CSV record; None while a quote is open, no cell where one is out of place."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        return None if "end of data" in str(error) else []


def _join(line: str, ahead: deque[str], lines: Iterator[str], layout: Layout) -> tuple[int, list[str] | None]:
    """How many following lines make `line` a whole record with an id, and its cells; (0, None) if none do."""
    for taken in range(1, MOST_JOINED + 1):
        if len(ahead) < taken:
            following = next(lines, None)
            if following is None:
                break
            ahead.append(following)
        line += "\n" + ahead[taken - 1]
        cells = _split(line, layout.delimiter) if '"' in ahead[taken - 1] else None
        if cells == []:
            break
        if cells and len(cells) == layout.width and ID.fullmatch(cells[layout.id_at].strip(" \t")):
            return taken, cells
    return 0, None


def _json_cells(lines: Iterator[str], column: str | None, where: str) -> Iterator[BadLine]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line, parse_int=str, parse_float=str)  # numbers stay as they are written
        except (ValueError, RecursionError):
            yield BadLine(number, line, "not JSON")
            continue
        values = value if isinstance(value, list) else [value]
        for item in values:
            yield BadLine(number, *_json_id(item, column, where))


def _json_id(item: Any, column: str | None, where: str) -> tuple[str, str]:
    if isinstance(item, Mapping):
        try:
            item = list(item.values())[_pick(list(item), column, where)]
        except ValueError:
            return str(dict(item)), f"no field {column or ' or '.join(NAMES)}"
    return (item, "") if isinstance(item, str) else (str(item), "not a number or text")


def _parquet_cells(path: Path, column: str | None) -> Iterator[BadLine]:
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        field = schema.field(_pick(schema.names, column, str(path)))
        if pa.types.is_floating(field.type) or pa.types.is_nested(field.type):
            raise ValueError(f"{path}: expected ids as string or integer, found column {field.name!r} of {field.type}")
        row = 0
        for batch in file.iter_batches(columns=[field.name]):
            for value in batch.column(0).cast(pa.string()).to_pylist():
                row += 1
                yield BadLine(row, value or "", "")
