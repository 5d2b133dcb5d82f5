"""The files of a folder of label sheets: what was asked, the key with the probabilities, a sheet an annotator.

`measurement.json` says what is measured. `frame.parquet` has a hash of the name of every image that could have been
drawn: a release may have more by now. `key.csv` has a row an image that was drawn: its number on the sheets, its
stratum and the probability with which it was drawn. `annotator-NAME.csv` has the labels of one annotator.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.analysis.inputs.annotation_sheets import require_key
from twigma.analysis.inputs.annotators import refuse_other_image
from twigma.core.files import read_parquet, write_parquet
from twigma.core.lists.sheets import read_sheet
from twigma.core.safety.failures import DataError
from twigma.core.workspace import inventory

KEY = inventory.SHEETS_KEY
ABOUT = inventory.LABELS_ABOUT
FRAME = inventory.LABELS_FRAME
HASH = "image"  # the column of the frame
KEY_COLUMNS = (
    "item",
    "image_name",
    "stratum",
    "probability",
    "sensitive",
    "caption",
)
SHEET_COLUMNS = ("item", "image_name", "id", "label")
YES, NO, UNSURE, NONE = "1", "2", "0", ""
LABELS = (YES, NO, UNSURE)
Hashes = npt.NDArray[np.uint64]
NAME = re.compile(r"[^\W_][\w .-]{0,39}")  # also of a file


class About(NamedTuple):
    """What is measured: a column, above which value it says yes, the question, and of how many images."""

    column: str
    threshold: float
    question: str
    images: int
    blur: bool  # every picture, or blurring would tell annotators what the model says

    @classmethod
    def read(cls, folder: Path) -> "About":
        """What a folder is for; FileNotFoundError or ValueError where it is none of label sheets."""
        path = folder / ABOUT
        if not path.is_file():
            raise FileNotFoundError(
                f"no {ABOUT} in {folder}: `twigma sheets --for COLUMN --out {folder}` draws images to label"
            )
        try:
            values: dict[str, Any] = json.loads(path.read_text("utf-8"))
            about = cls(**values)
            if not about._is_typed():
                raise TypeError(f"expected {list(cls._fields)}, found {values}")
            return about
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{path} is damaged ({error}): draw the images again into another folder"
            ) from error

    def _is_typed(self) -> bool:
        """Whether each value is of its type."""
        texts = (self.column, self.question)
        numbers = (self.threshold, self.images)
        return (
            all(isinstance(text, str) for text in texts)
            and all(isinstance(number, int | float) for number in numbers)
            and isinstance(self.blur, bool)
        )


def write_frame(folder: Path, names: Iterable[str]) -> None:
    """Note the images, by name, among which others were drawn."""
    write_parquet(folder / FRAME, pa.table({HASH: np.sort(name_hashes(names))}))


def read_frame(folder: Path) -> Hashes | None:
    """The hashes of the images that could have been drawn, uint64 [n]; None of a folder of an earlier version."""
    path = folder / FRAME
    return read_parquet(path)[HASH].to_numpy() if path.exists() else None


def name_hashes(names: Iterable[str]) -> Hashes:
    """A hash of each name, uint64 [n], equal for equal names."""
    digests = b"".join(blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, np.uint64)


class Item(NamedTuple):
    """An image that was drawn, as the key has it."""

    item: str
    image_name: str
    stratum: str
    probability: float
    sensitive: bool
    caption: str


def read_key(folder: Path) -> dict[str, Item]:
    """The images that were drawn, by item.

    FileNotFoundError without a key; ValueError naming the line where it was changed.
    """
    sheet = read_sheet(require_key(folder), KEY_COLUMNS)
    items: dict[str, Item] = {}
    for line, cells in sheet.rows:
        try:
            probability = float(cells["probability"])
        except ValueError:
            probability = 0.0
        if not 0 < probability <= 1:
            found = cells["probability"]
            raise sheet.error(line, "probability", "a number from 0 to 1", found)
        item = cells["item"].strip()
        if item in items:
            raise sheet.error(line, "item", "each item once", item)
        items[item] = Item(
            item=item,
            image_name=cells["image_name"],
            stratum=cells["stratum"].strip(),
            probability=probability,
            sensitive=cells["sensitive"].strip() != "no",
            caption=cells["caption"],
        )
    return items


class SheetLabels(NamedTuple):
    """The labels of one sheet by item, blank ones left out, and how many rows it has."""

    labels: dict[str, str]
    rows: int


def read_labels(path: Path, items: Mapping[str, Item]) -> SheetLabels:
    """The labels of one sheet of the images `items`, by item.

    ValueError naming file and line for an item that was not drawn, is there twice or has the name of another image, and
    for another label.
    """
    sheet = read_sheet(path, ("item", "label"))
    names = {item: drawn.image_name for item, drawn in items.items()}
    seen: set[str] = set()
    labels = {}
    for row in sheet.rows:
        line, cells = row
        item = cells["item"].strip()
        if item not in items or item in seen:
            raise sheet.error(line, "item", f"each item of {KEY} at most once", item)
        seen.add(item)
        refuse_other_image(sheet, row, names)
        # A spreadsheet may write 1 as 1.0.
        label = cells["label"].strip().removesuffix(".0")
        if label in LABELS:
            labels[item] = label
        elif label:
            raise sheet.error(
                line, "label", "1 (yes), 2 (no), 0 (cannot tell) or nothing", label
            )
    return SheetLabels(labels, len(sheet.rows))


def sheet_path(folder: Path, annotator: str) -> Path:
    """The sheet of an annotator; ValueError for a name that is none of a file.

    >>> sheet_path(Path("sheets"), " Ada  Lovelace ").name
    'annotator-Ada Lovelace.csv'
    """
    name = unicodedata.normalize("NFC", " ".join(annotator.split()))
    if not NAME.fullmatch(name):
        raise ValueError(
            f"a name has up to 40 letters, digits, spaces, dots and hyphens, and begins with a letter or digit; "
            f"found {name[:60]!r}"
        )
    return folder / f"annotator-{name}.csv"
