"""The labels of each annotator on disk: a sheet each, written anew and atomically with every label.

What a killed server leaves is the sheet with every label that was confirmed, and none twice: a sheet has a row an
image.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from random import Random

from twigma.analysis.annotation.sheet_files import (
    LABELS,
    NONE,
    SHEET_COLUMNS,
    About,
    Item,
    read_key,
    read_labels,
    sheet_path,
)
from twigma.core.lists.sheets import read_sheet
from twigma.core.safety import spreadsheet

Cells = Mapping[str, str]  # of a row, by column


class LabelStore:
    """The images of a folder of label sheets, and the labels of its annotators."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about = About.read(folder)
        self.items: dict[str, Item] = read_key(folder)
        self._lock = threading.Lock()

    def start(self, annotator: str) -> tuple[list[str], dict[str, str]]:
        """The order in which an annotator sees the images, and the labels they have; ValueError for a bad name."""
        path = sheet_path(self.folder, annotator)
        with self._lock:
            if not path.exists():
                self._write(path, {item: {} for item in self._order(path.stem)}, {})
            return list(self._rows_of(path)), read_labels(path, self.items).labels

    def record(self, annotator: str, item: str, label: str) -> int:
        """Store a label, or take it back where it is empty; how many the annotator has. On disk when this returns.

        ValueError for an image that was not drawn, and a label that is none.
        """
        if item not in self.items:
            raise ValueError(f"expected an image of the sample, found {item[:40]!r}")
        if label not in (*LABELS, NONE):
            raise ValueError(
                f"expected a label 1, 2 or 0, or none to undo, found {label[:40]!r}"
            )
        path = sheet_path(self.folder, annotator)
        with self._lock:
            # Read each time: somebody may have filled it in with a spreadsheet meanwhile.
            labels = read_labels(path, self.items).labels
            labels[item] = label
            if not label:
                del labels[item]
            self._write(path, self._rows_of(path), labels)
            return len(labels)

    def _order(self, name: str) -> list[str]:
        """The images in an order of the annotator's own."""
        order = list(self.items)
        Random(name).shuffle(order)
        return order

    def _rows_of(self, path: Path) -> dict[str, Cells]:
        """The rows of a sheet by item, as they are on it; images that are not on it come last, without cells."""
        rows = read_sheet(path, ("item",)).rows
        listed: dict[str, Cells] = {cells["item"].strip(): cells for _, cells in rows}
        return listed | {item: {} for item in self.items if item not in listed}

    def _write(
        self, path: Path, rows: Mapping[str, Cells], labels: Mapping[str, str]
    ) -> None:
        """Write a sheet with these labels; columns that people have added, such as a comment, stay."""
        added = dict.fromkeys(name for cells in rows.values() for name in cells)
        more = [name for name in added if name not in SHEET_COLUMNS]
        written = []
        for item, cells in rows.items():
            name = self.items[item].image_name
            beside = [cells.get(column, "") for column in more]
            label = labels.get(item, NONE)
            written.append((item, name, cells.get("id", ""), label, *beside))
        spreadsheet.write_rows(path, (*SHEET_COLUMNS, *more), written)
