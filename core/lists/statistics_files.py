"""The columns of files by Stata (.dta), SPSS (.sav) and R (.rds), as text; a float column never as ids."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from twigma.core.lists.columns import Columns, Row
from twigma.core.lists.packed import Content
from twigma.core.lists.workbooks import cell_text, import_reader

if TYPE_CHECKING:
    import pandas as pd

PROGRAMS = {"dta": "Stata", "sav": "SPSS", "rds": "R"}
AS_TEXT = {
    "dta": "tostring ID, replace format(%20.0f) before it is rounded",
    "sav": "a string variable",
    "rds": "as.character(ID)",
}


def statistics_frame(content: Content, kind: str, stack: ExitStack) -> "pd.DataFrame":
    """The table of a file by Stata, SPSS or R, one row per record, columns as they are named there.

    ValueError where it is damaged, ModuleNotFoundError where its reader is not installed.
    """
    # These readers want a file with a name.
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    path = folder / f"list.{kind}"
    with path.open("wb") as file:
        shutil.copyfileobj(content.raw, file)
    read = READERS[kind]
    try:
        return read(path, content.where)
    except ValueError as error:
        # A message of ours already names the file; one by a reader has no place.
        if content.where in str(error):
            raise
        found = str(error)
    except Exception as error:
        found = repr(error)
    raise ValueError(
        f"{content.where}: expected a complete {PROGRAMS[kind]} file, found {found}; save it again, or as CSV"
    )


def statistics_rows(
    content: Content, kind: str, columns: Columns, stack: ExitStack
) -> Iterator[Row]:
    """The rows of a file by Stata, SPSS or R; ValueError also where the ids are floats."""
    frame = statistics_frame(content, kind, stack)
    names = [str(name) for name in frame.columns]
    places = columns.places(names, content.where)
    if places[0] is not None and frame.dtypes.iloc[places[0]].kind == "f":
        raise ValueError(
            f"{content.where}: expected ids as text, found column {names[places[0]]!r} of doubles, which hold 15 "
            f"digits: store them as text ({AS_TEXT[kind]})"
        )
    series = [_cells(frame, place) for place in places]
    for number, (value, *others) in enumerate(zip(*series, strict=True), 1):
        yield Row(number, value, "", tuple(others))


def _cells(frame: "pd.DataFrame", place: int | None) -> list[str]:
    if place is None:
        return [""] * len(frame)
    column = frame.iloc[:, place]
    empty = column.isna()
    values = column.astype(object).where(~empty, None)
    return [cell_text(value) for value in values]


def _dta(path: Path, where: str) -> "pd.DataFrame":
    import pandas as pd

    return pd.read_stata(path, convert_categoricals=False, preserve_dtypes=True)


def _sav(path: Path, where: str) -> "pd.DataFrame":
    frame: pd.DataFrame = import_reader("pyreadstat", where).read_sav(path)[0]
    return frame


def _rds(path: Path, where: str) -> "pd.DataFrame":
    frames = import_reader("pyreadr", where).read_r(str(path))
    if len(frames) != 1:
        raise ValueError(
            f"{where}: expected one data frame, found {len(frames)}: {list(frames)[:5]}"
        )
    frame: pd.DataFrame = next(iter(frames.values()))
    return frame


READERS: dict[str, Callable[[Path, str], "pd.DataFrame"]] = {
    "dta": _dta,
    "sav": _sav,
    "rds": _rds,
}
