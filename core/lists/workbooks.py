"""The rows of a workbook, .xlsx or .ods, as text: the only sheet that has any."""

import datetime
import importlib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from twigma.core.installing import install_command
from twigma.core.lists.packed import Content
from twigma.core.safety import bounded

MOST_COLUMNS = 1 << 14  # of a sheet, as spreadsheets have them
MOST_REPEATS = 1_000_000  # cells that an .ods may fill by repeating a few
EXACT = 10**15  # from here on a spreadsheet rounds numbers
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"

Cells = tuple[int, list[str]]  # the row, from 1, and its cells


def import_reader(name: str, where: str | Path) -> Any:
    """A module of the extra `tables`; ValueError that names it where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ValueError(
            f"{where}: reading it needs {name}, which is not installed: {install_command('tables')}; "
            "or save the list as CSV"
        ) from None


def workbook_rows(content: Content, kind: str) -> Iterator[Cells]:
    """The rows of the only sheet of a workbook that has any, its header first, empty ones left out.

    Raises ValueError where several sheets have rows, the file is damaged, or unpacks to far more than its size.
    """
    _limit_size(content)
    read = READERS[kind]
    try:
        sheets = read(content)
        filled = {name: rows for name, rows in sheets if rows}
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(
            f"{content.where}: expected a complete .{kind} workbook, found {error!r}; save it again, or as CSV"
        ) from None
    if len(filled) > 1:
        raise ValueError(
            f"{content.where}: expected a workbook of one sheet, found rows on {len(filled)}: "
            f"{list(filled)[:5]}; save the sheet as a file of its own"
        )
    for rows in filled.values():
        yield from rows


def _limit_size(content: Content) -> None:
    """ValueError where the members of a workbook unpack to far more than its size."""
    with zipfile.ZipFile(content.raw) as archive:
        infos = archive.infolist()
    total = sum(info.file_size for info in infos)
    most = bounded.ceiling(content.size)
    if total > most:
        raise ValueError(
            f"{content.where}: unpacks to {total:,} bytes, at most {most:,} are read; save it as CSV"
        )
    content.raw.seek(0)


def _xlsx(content: Content) -> Iterator[tuple[str, list[Cells]]]:
    openpyxl = import_reader("openpyxl", content.where)
    book = openpyxl.load_workbook(content.raw, read_only=True, data_only=True)
    for sheet in book.worksheets:
        # A file may state more rows and columns than it has.
        sheet.reset_dimensions()
        rows = sheet.iter_rows(values_only=True)
        yield sheet.title, _texts(rows)


def _texts(rows: Iterator[tuple[Any, ...]]) -> list[Cells]:
    found: list[Cells] = []
    for number, values in enumerate(rows, 1):
        cells = [cell_text(value) for value in values[:MOST_COLUMNS]]
        if any(cells):
            found.append((number, cells))
    return found


def cell_text(value: Any) -> str:
    """A cell as text; a number beyond 15 digits in scientific notation, because that is what it was rounded from.

    >>> cell_text(1547770898463770000), cell_text(5.0), cell_text("1547770898463771828")
    ('1.54777089846377e+18', '5', '1547770898463771828')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        if abs(value) >= EXACT:
            return f"{value:.15g}" if abs(value) >= 10**16 else repr(float(value))
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    return str(value)


def _ods(content: Content) -> Iterator[tuple[str, list[Cells]]]:
    """The sheets of an OpenDocument workbook; its cells are read one by one, as a file may repeat them without end."""
    with zipfile.ZipFile(content.raw) as archive, archive.open("content.xml") as file:
        rows: list[Cells] = []
        name, number, repeats = "", 0, 0
        for event, element in ElementTree.iterparse(file, ("start", "end")):
            if event == "start":
                if element.tag == f"{TABLE}table":
                    name, rows, number = element.get(f"{TABLE}name", ""), [], 0
                continue
            if element.tag == f"{TABLE}table-row":
                count = int(element.get(f"{TABLE}number-rows-repeated", "1"))
                cells = _ods_cells(element)
                if any(cells):
                    repeats += (count - 1) * len(cells)
                    _limit_repeats(repeats, content.where)
                    rows += [(number + 1 + more, cells) for more in range(count)]
                number += count
                element.clear()
            elif element.tag == f"{TABLE}table":
                yield name, rows
                element.clear()


def _ods_cells(row: ElementTree.Element) -> list[str]:
    cells: list[str] = []
    empty = 0  # cells before the next that is filled: a row ends in thousands of them
    for cell in row:
        if not cell.tag.endswith("table-cell"):
            continue
        count = int(cell.get(f"{TABLE}number-columns-repeated", "1"))
        text = _ods_text(cell)
        if not text:
            empty += count
            continue
        if len(cells) + empty + count > MOST_COLUMNS:
            break
        cells += [""] * empty + [text] * count
        empty = 0
    return cells


def _ods_text(cell: ElementTree.Element) -> str:
    value = cell.get(f"{OFFICE}value")
    if value is not None:
        return cell_text(float(value))
    paragraphs = cell.findall(f"{TEXT}p")
    return "\n".join("".join(part.itertext()) for part in paragraphs)


def _limit_repeats(repeats: int, where: str) -> None:
    if repeats > MOST_REPEATS:
        raise ValueError(
            f"{where}: repeats cells over {MOST_REPEATS:,} times; save it as CSV"
        )


READERS: dict[str, Callable[[Content], Iterator[tuple[str, list[Cells]]]]] = {
    "xlsx": _xlsx,
    "ods": _ods,
}
