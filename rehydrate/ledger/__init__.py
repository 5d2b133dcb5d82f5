"""The ledger of a working folder: the outcome of every id that was asked for, searches, archives, and what was paid."""

from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.ledger.reader import LedgerView, read_known_posts, view_ledger

__all__ = ["Ledger", "LedgerView", "read_known_posts", "view_ledger"]
