"""A folder of `--sheets` before any figure is computed: the files that all of its sheets depend on are there."""

from pathlib import Path

from twigma.analysis.annotation import sheet_files
from twigma.analysis.inputs import annotation_sheets
from twigma.core.lists.sheets import has_columns
from twigma.core.safety.failures import DataError

# Of a key that lost its measurement.json: that of sheets of clusters has neither.
OF_LABELS = ("stratum", "probability")


def require_readable(folder: Path) -> None:
    """Refuse a folder whose sheets cannot be read, whatever is on them.

    Raises
    ------
    FileNotFoundError without the folder, the key of its sheets, or what is measured by labels; ValueError naming file
    and line where one of these was changed, and naming both folders where two measure one column.
    """
    themes = annotation_sheets.theme_folder(folder)
    if themes is not None:
        key = annotation_sheets.require_key(themes)
        if has_columns(key, OF_LABELS):
            raise FileNotFoundError(
                f"expected {sheet_files.ABOUT} beside the labels in {themes}, found none: put {sheet_files.ABOUT} "
                "back from the folder that `twigma sheets --for` wrote"
            )
        annotation_sheets.read_key(themes)
    measured: dict[str, Path] = {}
    for labels in annotation_sheets.label_folders(folder):
        column = sheet_files.About.read(labels).column
        sheet_files.read_key(labels)
        if column in measured:
            # Of a pilot and the main study, say: images may be in both, so their labels cannot be added up.
            raise DataError(
                f"expected one folder of labels for {column} in {folder}, found {measured[column]} and {labels}: "
                "name one of them with --sheets"
            )
        measured[column] = labels
