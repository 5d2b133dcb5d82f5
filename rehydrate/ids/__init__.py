"""What a post id is, the lists of them that people bring, and samples of them."""

from twigma.rehydrate.ids.damage import doubts, refuse_damaged
from twigma.rehydrate.ids.list_columns import Wanted
from twigma.rehydrate.ids.post_id import month, parse_id, why_bad
from twigma.rehydrate.ids.post_ids import IdList, collect_ids, read_id_list, read_ids
from twigma.rehydrate.ids.sampling import draw, read_list, read_strata, record, unite
from twigma.rehydrate.ids.skipped_lines import BadLine, SkippedLines, write_quarantine

__all__ = [
    "BadLine",
    "IdList",
    "SkippedLines",
    "Wanted",
    "collect_ids",
    "doubts",
    "draw",
    "month",
    "parse_id",
    "read_id_list",
    "read_ids",
    "read_list",
    "read_strata",
    "record",
    "refuse_damaged",
    "unite",
    "why_bad",
    "write_quarantine",
]
