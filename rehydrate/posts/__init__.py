"""Stored pages, what they contain, removed ids, and the images table made of them.

`page_store.py` writes pages, `page_content.py` and `parse_pages.py` read them, `merge_snapshots.py` and
`images_table.py` make one row per photo of them. The last is not re-exported: it imports pandas, which the ledger does
without.
"""

from twigma.rehydrate.posts.removed_ids import Removed, read_removed

__all__ = ["Removed", "read_removed"]
