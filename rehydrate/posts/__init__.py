"""Stored pages, what they contain, the ledger of every id, removed ids, and the images table made of them.

`page_store.py` writes pages, `page_content.py` and `parse_pages.py` read them, `merge_snapshots.py` and
`images_table.py` make one row per photo of them. The last is not re-exported: it imports pandas, which the ledger does
without.
"""

from twigma.rehydrate.posts.ledger import Ledger
from twigma.rehydrate.posts.ledger_reader import (
    LedgerView,
    read_known_posts,
    view_ledger,
)
from twigma.rehydrate.posts.removed_ids import Removed, read_removed

__all__ = [
    "Ledger",
    "LedgerView",
    "Removed",
    "read_known_posts",
    "read_removed",
    "view_ledger",
]
