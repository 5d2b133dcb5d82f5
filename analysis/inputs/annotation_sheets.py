"""Annotation sheets for Fig 4c: `twigma sheets RELEASE` writes blank ones; filled, they are read here.

A sheet lists random images of every cluster in random order, without the cluster, which is in `key.csv` alone.
Rows are known by their item number: a spreadsheet rounds ids of 19 digits when it saves a sheet.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from twigma.analysis.inputs import load
from twigma.analysis.inputs.annotators import (
    annotator_names,
    refuse_copies,
    refuse_other_image,
    remarks,
)
from twigma.analysis.themes.words import TOKEN
from twigma.core import columns
from twigma.core.lists.sheets import read_sheet, saved_sheets
from twigma.core.progress import notice
from twigma.core.safety import spreadsheet
from twigma.core.safety.failures import DataError
from twigma.core.workspace import inventory

KEYWORDS = ("keyword_1", "keyword_2", "keyword_3")
BLANK = (*KEYWORDS, "group")
KEY = inventory.SHEETS_KEY
NAMES = ["image_name", "id", columns.LABELS]


def sheets(
    release: Path, out: Path, *, annotators: int = 4, images: int = 10, seed: int = 0
) -> int:
    """Write `annotators` blank sheets of `images` random images of each cluster, and the key to them.

    Each annotator fills in up to three keywords an image, and a group: any name, the same for images that belong
    together. Sheets differ in order alone.

    Returns
    -------
    Images on a sheet. ValueError when there are fewer than two clusters; FileExistsError when sheets are there.
    """
    require_free(out)
    rows = load.load(release, None, {}).images.table
    columns.require(rows, NAMES, "sheets")
    names = columns.present(NAMES, rows.column_names)
    label = names[-1]
    frame = rows.select(names).to_pandas().dropna().drop_duplicates("image_name")
    if frame[label].nunique() < 2:
        raise DataError(
            f"sheets: expected images of at least 2 clusters in {release}, found fewer; `twigma cluster`"
        )
    rng = np.random.default_rng(seed)
    shuffled = frame.iloc[rng.permutation(len(frame))]
    drawn = shuffled.groupby(label).head(images)
    # Once more, or the items would come in the order of their clusters' first images.
    key = drawn.iloc[rng.permutation(len(drawn))].reset_index(drop=True)
    key.insert(0, "item", np.arange(1, len(key) + 1))
    for number in range(1, annotators + 1):
        blank = key.drop(columns=label).assign(**dict.fromkeys(BLANK, ""))
        blank = blank.iloc[rng.permutation(len(blank))]
        spreadsheet.write_frame(out / f"annotator-{number}.csv", blank)
    key_columns = key[[*inventory.SHEETS_KEY_COLUMNS, label]]
    spreadsheet.write_frame(out / KEY, key_columns.astype({label: int}))
    return len(key)


def require_free(out: Path) -> None:
    """FileExistsError before any work where a folder has sheets, which may be filled in.

    Their key may lie elsewhere, as people are not to see it.
    """
    if (out / KEY).exists() or any(out.glob("annotator-*")):
        raise FileExistsError(
            f"{out} has sheets already, which may be filled in: name another folder with --out"
        )


def label_folders(folder: Path) -> list[Path]:
    """The folders of label sheets (`twigma sheets --for`) among a folder and those right below it, in order."""
    about = inventory.LABELS_ABOUT
    paths = (*folder.glob(about), *folder.glob(f"*/{about}"))
    return sorted(path.parent for path in paths)


def theme_folder(folder: Path) -> Path | None:
    """The folder of sheets of clusters: this one, or else one right below it; None beside label sheets alone.

    ValueError where there are two.
    """
    labelled = label_folders(folder)
    keys = (*folder.glob(KEY), *folder.glob(f"*/{KEY}"))
    found = sorted(path.parent for path in keys if path.parent not in labelled)
    if len(found) > 1:
        raise DataError(
            f"expected one folder of sheets of clusters in {folder}, found {found[0]} and {found[1]}: name one of them"
        )
    if found:
        return found[0]
    return None if labelled else folder


class FilledSheets(NamedTuple):
    """What annotators filled in, and what a reader has to know of it, a sentence each."""

    table: pd.DataFrame
    remarks: tuple[str, ...]


def read_sheets(folder: Path) -> pd.DataFrame:
    """Filled sheets of a folder, or one right below it, and their key, as one table; notices tell what is left out.

    Returns
    -------
    DataFrame (annotator, item, image_name, cluster, group, keywords), a row per image that an annotator put in a group;
    `keywords` is a frozenset of lemmas, and `image_name` that of the key. ValueError naming file and line where a sheet
    is not one of ours, or was changed beyond its answers; and where a sheet is a copy of another.
    """
    filled = filled_sheets(folder)
    for remark in filled.remarks:
        notice(f"{folder}: {remark}")
    return filled.table


def filled_sheets(folder: Path) -> FilledSheets:
    """The table of `read_sheets`, and its remarks, which are not told; errors likewise."""
    folder = theme_folder(folder) or folder
    key = read_key(folder)
    frames: dict[str, pd.DataFrame] = {}
    rows: dict[str, int] = {}
    for name in annotator_names(folder):
        frame = _annotator(folder / f"{name}.csv", key)
        rows[name] = len(frame)
        is_filled = frame["group"] != ""
        if is_filled.any():
            frames[name] = frame[is_filled]
    if not frames:
        raise DataError(
            f"no sheet in {folder} is filled in: give each image a group in the column of that name"
        )
    refuse_copies(folder, frames)
    answers = {name: _answers(frame) for name, frame in frames.items()}
    table = pd.concat(frames.values(), ignore_index=True)
    names_of_items = key["image_name"].reindex(table["item"])
    table.insert(2, "image_name", names_of_items.to_numpy())
    return FilledSheets(table, remarks(answers, rows, len(key)))


def _answers(frame: pd.DataFrame) -> dict[str, tuple[str, frozenset[str]]]:
    """Group and keywords by item."""
    cells = zip(frame["group"], frame["keywords"], strict=True)
    return dict(zip(frame["item"], cells, strict=True))


def require_key(folder: Path) -> Path:
    """The key of a folder of sheets of either kind; FileNotFoundError where there is none."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"expected a folder of sheets at {folder}, found none: `twigma sheets` writes blank ones"
        )
    path = folder / KEY
    if path.is_file():
        return path
    if not any(folder.glob("annotator-*")):
        raise FileNotFoundError(
            f"expected sheets and their {KEY} in {folder}, found neither: name the folder that `twigma sheets` wrote"
        )
    raise FileNotFoundError(
        f"expected {KEY} beside the sheets in {folder}, found none: put {KEY} back from the folder that "
        "`twigma sheets` wrote"
    )


def read_key(folder: Path) -> pd.DataFrame:
    """The key of a folder of sheets.

    Returns
    -------
    DataFrame (cluster, image_name), by item. FileNotFoundError without a key; ValueError naming file and line where it
    was changed.
    """
    path = require_key(folder)
    key = read_sheet(path, ("item", columns.LABELS))
    name = columns.find_label_column(key.names)
    assert name is not None  # `read_sheet` has required it
    items: dict[str, tuple[int, str | None]] = {}
    for line, cells in key.rows:
        label = cells[name].strip()
        if not label.isdecimal():
            raise key.error(line, name, "the number of a cluster", label)
        items[cells["item"].strip()] = int(label), cells.get("image_name")
    return pd.DataFrame.from_dict(items, "index", columns=["cluster", "image_name"])


def _annotator(path: Path, key: pd.DataFrame) -> pd.DataFrame:
    """The rows of an annotator, whose sheet may be saved as another file beside the blank one."""
    frames = {file: _sheet(file, key) for file in saved_sheets(path)}
    filled = [file for file, frame in frames.items() if (frame["group"] != "").any()]
    if len(filled) > 1:
        raise DataError(
            f"{filled[0]} and {filled[1].name} are both filled in: delete the one that does not count"
        )
    return frames[filled[0]] if filled else next(iter(frames.values()))


def lemma(word: str) -> str:
    """A word in the singular, by its ending alone; it knows no irregular words.

    >>> [lemma(word) for word in ("paintings", "ladies", "boxes", "glass", "art")]
    ['painting', 'lady', 'box', 'glass', 'art']
    """
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _sheet(path: Path, key: pd.DataFrame) -> pd.DataFrame:
    """The rows of one sheet; `group` is empty where nothing was filled in."""
    read = read_sheet(path, ("item", *BLANK))
    names = dict(zip(key.index, key["image_name"], strict=True))
    seen: set[str] = set()
    for row in read.rows:
        item = row.cells["item"].strip()
        if item not in key.index or item in seen:
            expected = f"each item of {KEY} at most once"
            raise read.error(row.line, "item", expected, item)
        seen.add(item)
        refuse_other_image(read, row, names)
        row.cells["item"] = item
    columns_read = ["item", *BLANK]
    frame = pd.DataFrame([cells for _, cells in read.rows], columns=columns_read)
    group = frame["group"].str.strip().str.lower()
    sheet = pd.DataFrame({"item": frame["item"], "group": group})
    sheet["cluster"] = key["cluster"].loc[frame["item"]].to_numpy()
    texts = [" ".join(row) for row in frame[list(KEYWORDS)].to_numpy()]
    sheet["keywords"] = pd.Series([_lemmas(text) for text in texts], sheet.index)
    sheet["annotator"] = path.stem
    return sheet


def _lemmas(text: str) -> frozenset[str]:
    return frozenset(lemma(word) for word in TOKEN.findall(text.lower()))
