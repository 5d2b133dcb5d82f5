"""Rows of Arrow tables, also where a column holds more text than one array can, or a table more than the memory."""

from twigma.core.tables.compact_keys import compact, find, joined_key, number, united
from twigma.core.tables.long_texts import (
    sort_table,
    take_rows,
    take_table,
    whole,
    whole_table,
)
from twigma.core.tables.places import Places
from twigma.core.tables.scratch import Scratch, nearest_folder

__all__ = [
    "Places",
    "Scratch",
    "compact",
    "find",
    "joined_key",
    "nearest_folder",
    "number",
    "sort_table",
    "take_rows",
    "take_table",
    "united",
    "whole",
    "whole_table",
]
