"""The tables of an ImageFolder (Hugging Face `datasets`): `metadata.jsonl`, `.csv` or `.parquet` beside pictures.

A row names a picture by the path in its column `file_name`, seen from the folder of the table; its other columns are
what is known of that picture. A table may lie above the pictures; where two name one, the nearer counts.
"""

import io
import math
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from twigma.core.lists.packed import open_stream
from twigma.core.values import read_text
from twigma.rehydrate.sources.facts.columns import Facts, flat_name
from twigma.rehydrate.sources.facts.records import LeftOut, content_records
from twigma.rehydrate.sources.facts.thousands import join_thousands
from twigma.rehydrate.sources.pictures.image_columns import is_image

MOST_TABLE = 256 << 20  # bytes
UNREADABLE = "lines of metadata that cannot be read"
UNMATCHED = "names in metadata that match no picture"
REPEATED = "rows of metadata on a picture that an earlier row is on"
NAMELESS = "tables without a column file_name"
TABLES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")

LeaveOut = Callable[[str, str], None]  # takes a reason and a name


def is_table_name(name: str) -> bool:
    """Whether a file is called as the table of an ImageFolder is.

    >>> is_table_name("train/metadata.jsonl"), is_table_name("metadata.json")
    (True, False)
    """
    return PurePosixPath(name).name.lower() in TABLES


def holds_pictures(data: bytes) -> bool:
    """Whether a file that is called like a table is Parquet with the pictures themselves."""
    if not data.startswith(b"PAR1"):
        return False
    if len(data) > MOST_TABLE:
        return True
    try:
        schema = pq.read_schema(pa.BufferReader(data))
    except pa.ArrowException:
        return False
    return any(is_image(field, named=False) for field in schema)


def by_distance(tables: Collection[str]) -> list[str]:
    """Tables from the top of a tree downwards, so that the nearer one of a picture comes later."""
    return sorted(tables, key=lambda name: (name.count("/"), name))


def table_facts(
    data: bytes,
    table: str,
    holder: str,
    pictures: Collection[str],
    leave_out: LeaveOut,
) -> dict[str, Facts]:
    """What a table says of each of these pictures, by the picture's name.

    Lines that cannot be read and names of no picture go to `leave_out`. ValueError where the table is damaged, with the
    name of its `holder`: the folder or archive that it is in.
    """
    where = f"{holder}/{table}" if holder else table
    if len(data) > MOST_TABLE:
        raise ValueError(
            f"{where}: expected a table of at most {MOST_TABLE:,} bytes: split it by folders"
        )
    left_out = LeftOut()
    rows = list(_rows(data, table, where, left_out, leave_out))
    join_thousands([row for _, row in rows])
    facts = match_facts(rows, table, pictures, leave_out)
    for line in left_out.first:
        leave_out(UNREADABLE, f"{table}, {line}")
    for _ in range(left_out.lines - len(left_out.first)):
        leave_out(UNREADABLE, table)
    return facts


def match_facts(
    rows: Iterable[tuple[str, Facts]],
    table: str,
    pictures: Collection[str],
    leave_out: LeaveOut,
) -> dict[str, Facts]:
    """The facts of each of these pictures, of rows that begin with its path seen from the folder of the table."""
    by_name = {_normal(PurePosixPath(name)): name for name in pictures}
    folder = PurePosixPath(table).parent
    facts: dict[str, Facts] = {}
    for stated, row in rows:
        path = folder / stated.replace("\\", "/")
        picture = by_name.get(_normal(path))
        if picture is None:
            leave_out(UNMATCHED, f"{stated} of {table}")
        elif picture in facts:
            leave_out(REPEATED, f"{stated} of {table}")
        else:
            facts[picture] = row
    return facts


def _normal(path: PurePosixPath) -> str:
    """A path in one spelling: without `./`, and with accents that are not characters of their own, as on macOS."""
    return unicodedata.normalize("NFC", str(path))


def _rows(
    data: bytes, table: str, where: str, left_out: LeftOut, leave_out: LeaveOut
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name on each row, and what else is on it."""
    raw: Any = io.BufferedReader(io.BytesIO(data))
    name = PurePosixPath(table).name
    with ExitStack() as stack:
        content, inner = stack.enter_context(open_stream(raw, name, where, len(data)))
        records = content_records(content, inner, None, left_out)
        column = _name_column(next(records, {}).get("names", []))
        if column is None:
            leave_out(NAMELESS, table)
            return
        for number, record in enumerate(records, 1):
            stated = read_text(record.get(column))
            if stated is None:
                left_out.add(number, f"row {number} has no {column}")
                continue
            yield stated, _known(record, column)


def _name_column(names: list[str]) -> str | None:
    """The column with the names of files: `file_name`, or the only one that ends so, such as `image_file_name`."""
    for name in names:
        if flat_name(name) == "filename":
            return name
    endings = [name for name in names if name.lower().endswith("_file_name")]
    return endings[0] if len(endings) == 1 else None


def _known(record: dict[str, Any], column: str) -> dict[str, Any]:
    """What is on a row but for the name; missing values and bytes are nothing known."""
    known: dict[str, Any] = {}
    for name, value in record.items():
        is_nan = isinstance(value, float) and math.isnan(value)
        is_missing = value is None or value == "" or is_nan
        if name != column and not is_missing and not isinstance(value, bytes):
            known[name] = value
    return known
