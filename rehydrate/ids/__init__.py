"""What a post id is, the list files people bring, and samples of them."""

from twigma.rehydrate.ids.id_files import column_names, read_rows
from twigma.rehydrate.ids.post_ids import (
    BadLine,
    IdList,
    SkippedLines,
    month,
    read_id_list,
    read_ids,
    refuse_damaged,
    why_bad,
    write_quarantine,
)
from twigma.rehydrate.ids.sampling import draw, read_list, read_strata, record, unite

__all__ = [
    "BadLine",
    "IdList",
    "SkippedLines",
    "column_names",
    "draw",
    "month",
    "read_id_list",
    "read_ids",
    "read_list",
    "read_rows",
    "read_strata",
    "record",
    "refuse_damaged",
    "unite",
    "why_bad",
    "write_quarantine",
]
