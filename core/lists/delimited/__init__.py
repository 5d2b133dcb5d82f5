"""CSV, TSV and plain text as rows of a list: one record a line, or several lines while a quote is open."""

from twigma.core.lists.delimited.header import SEPARATORS, Header, read_header
from twigma.core.lists.delimited.line_buffer import LONGEST_LINE
from twigma.core.lists.delimited.records import text_rows

__all__ = ["LONGEST_LINE", "SEPARATORS", "Header", "read_header", "text_rows"]
