"""The files that hold a selection: what `twigma explore` saved, or a list of images or posts by hand.

The explorer saves JSON: the release it was made from, and the images by id, or by row where the page holds no ids. A
list by hand is a sheet with a column image_name (as `twigma search --out` writes it), a sheet with a column of post
ids, or one id a line, in any file that `core/lists` reads. Text stays text: no id passes through a number.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from twigma.core.lists.columns import SHOWN, Row, find_places
from twigma.core.lists.reader import column_names, read_rows
from twigma.core.safety import spreadsheet
from twigma.rehydrate.ids.list_columns import NAMES, normalize_name
from twigma.rehydrate.ids.post_id import why_bad

FORMAT = "twigma selection"
OF_IMAGES = ("image_name", "media_key")
ROW = "row"  # the column of rows in the table that a page without ids saves
EXPECTED = "a selection saved by `twigma explore`, or a list with a column image_name or id, or one id a line"
AGAIN = "save it again in `twigma explore`"


class SelectionFile(NamedTuple):
    """What a file names: each name with its first line, and the columns of a release in which it is looked for.

    `rows` are those of the release with the hash `release`, where the file holds rows and no names.
    """

    names: dict[str, int]
    columns: tuple[str, ...]
    release: str = ""
    rows: list[int] | None = None


class _Chosen(NamedTuple):
    """The column of a list that names images or posts; that of images where it has both."""

    exact: bool = False

    def are_named(self, names: Sequence[str]) -> bool:
        return _column(names) is not None

    def is_header(self, cells: Sequence[str]) -> bool:
        return len(cells) > 1 or _column(cells) is not None or _is_rows(cells)

    def is_row(self, value: str) -> bool:
        return "\n" not in value.strip()

    def places(self, names: Sequence[str], where: str) -> tuple[int | None, ...]:
        column = _column(names)
        if column is None and _is_rows(names):
            raise ValueError(
                f"{where} holds rows of a release, and does not say of which: expected ids; use the selection that the "
                "page saves (.json), or make the page with `twigma explore --ids`"
            )
        joined = ",".join(names)
        if "digits are lost" in why_bad(joined):
            raise ValueError(
                f"{where}, line 1: expected an id, found {why_bad(joined)}: {joined!r}; save the list again with its "
                "ids as text"
            )
        if column is None and len(names) > 1:
            raise ValueError(
                f"{where}: expected {EXPECTED}; found the columns {list(names)[:SHOWN]}: name the column of the ids"
            )
        normalized = [normalize_name(name) for name in names]
        return find_places(normalized, [column or normalized[0]])


def read_file(path: Path) -> SelectionFile:
    """What a file selects, by name or by row.

    Raises
    ------
    FileNotFoundError without a file; ValueError where it is damaged, is no list, or is empty.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no selection at {path}: expected {EXPECTED}")
    saved = _read_saved(path)
    listed = _read_list(path) if saved is None else _from_page(path, saved)
    if not listed.names and not listed.rows:
        raise ValueError(
            f"{path} selects nothing: it is empty; choose images in `twigma explore`, or list one id a line"
        )
    return listed


def _column(names: Sequence[str]) -> str | None:
    """The column to read among these, as `normalize_name` spells it; None without any."""
    normalized = {normalize_name(name) for name in names}
    known = [name for name in (*OF_IMAGES, *NAMES) if name in normalized]
    return known[0] if known else None


def _is_rows(names: Sequence[str]) -> bool:
    return ROW in map(normalize_name, names)


# ------------------------------------------------------------------ what the page saved


def _read_saved(path: Path) -> dict[str, Any] | None:
    """The selection that the page saved; None where the file is a list of another kind."""
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head.startswith(b"{") or FORMAT.encode() not in head:
        return None
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is a damaged selection ({error}): {AGAIN}") from None
    if isinstance(found, dict) and found.get("format") == FORMAT:
        return found
    return None


def _from_page(path: Path, found: dict[str, Any]) -> SelectionFile:
    if "image_name" in found:
        names = _listed(path, found, "image_name")
        places: dict[str, int] = {}
        for place, name in enumerate(names, 1):
            if not isinstance(name, str):
                raise ValueError(
                    f"{path}: expected ids as text, found {name!r} at place {place:,}: {AGAIN}"
                )
            places.setdefault(name, place)
        return SelectionFile(places, ("image_name",))
    rows = _listed(path, found, "rows")
    for place, row in enumerate(rows, 1):
        if not isinstance(row, int) or isinstance(row, bool) or row < 0:
            raise ValueError(
                f"{path}: expected rows of a release, found {row!r} at place {place:,}: {AGAIN}"
            )
    return SelectionFile({}, ("image_name",), str(found.get("release", "")), rows)


def _listed(path: Path, found: dict[str, Any], key: str) -> list[Any]:
    values = found.get(key)
    if isinstance(values, list):
        return values
    raise ValueError(
        f"{path}: expected a list of image_name or of rows, found neither: {AGAIN}"
    )


# ------------------------------------------------------------------ lists by hand


def _read_list(path: Path) -> SelectionFile:
    chosen = _Chosen()
    column = _column(column_names(path, chosen))
    names: dict[str, int] = {}
    for row in read_rows(path, chosen):
        name = _name(path, row)
        if name:
            names.setdefault(name, row.line)
    if column in OF_IMAGES:
        return SelectionFile(names, ("image_name",))
    return SelectionFile(names, ("image_name", "id"))


def _name(path: Path, row: Row) -> str:
    """What a row names; empty where it is empty or a comment."""
    if row.reason:
        raise ValueError(
            f"{path}, line {row.line}: {row.reason}: {row.value[:80]!r}; correct that line"
        )
    text = str(spreadsheet.original(row.value)).strip(" \t\r\n\0")
    return "" if text.startswith("#") else text
