"""Lists and sheets that people bring, in whatever file their tools wrote: one reader for all of them."""

from twigma.core.lists.columns import Block, Columns, Row
from twigma.core.lists.reader import column_names, read_blocks, read_rows
from twigma.core.lists.sheets import Sheet, SheetRow, read_sheet, saved_sheets

__all__ = [
    "Block",
    "Columns",
    "Row",
    "Sheet",
    "SheetRow",
    "column_names",
    "read_blocks",
    "read_rows",
    "read_sheet",
    "saved_sheets",
]
