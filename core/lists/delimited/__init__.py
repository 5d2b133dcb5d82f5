"""CSV, TSV and plain text as rows of a list: one record a line, or several lines while a quote is open."""

from twigma.core.lists.delimited.header import Header, read_header
from twigma.core.lists.delimited.line_buffer import LONGEST_LINE, LineBuffer
from twigma.core.lists.delimited.records import table_rows, text_rows

__all__ = [
    "LONGEST_LINE",
    "Header",
    "LineBuffer",
    "read_header",
    "table_rows",
    "text_rows",
]
