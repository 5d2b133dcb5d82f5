"""Stored pages, what they contain, the ledger of every id, removed ids, and the images table made of them."""
