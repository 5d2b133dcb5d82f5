"""Images that another machine removed on request: what was made here before, and may hold them, is not sent.

`twigma removals` sends `removed.json` before it erases anything. So a machine that finds another version of it there
than it has was at work with images that are gone. It asks before and after it sends a file: what arrives between the
two is deleted again, and what arrived before is seen by the removal, which looks once more.
"""

from pathlib import Path

from twigma.core.storage.address import Address
from twigma.core.storage.catalogue import Catalogue, ClosedError, stamp_of
from twigma.core.storage.file_kinds import REMOVED
from twigma.core.storage.object_store import ObjectStore


class Removals:
    """What was removed from one folder of a store, as far as its mirror knows; nothing once that is closed."""

    def __init__(
        self, address: Address, folder: Path, store: ObjectStore, catalogue: Catalogue
    ) -> None:
        self._address = address
        self._folder = folder
        self._store = store
        self._catalogue = catalogue

    def require_known(self) -> None:
        """RuntimeError where another machine has removed images since the mirror was brought up to the store."""
        try:
            entry = self._catalogue.find(REMOVED)
        except ClosedError:
            return
        if self._store.mark(REMOVED) != (entry and entry.mark):
            raise RuntimeError(
                f"images were removed from {self._address} while this command ran: what it made of them was not "
                "sent; run it again"
            )

    def learnt(self) -> int:
        """When this mirror learnt of the last removal, by the clock of this machine (ns); 0 where there was none."""
        try:
            entry = self._catalogue.find(REMOVED)
        except ClosedError:
            return 0
        stamp = stamp_of(self._folder / REMOVED)
        if entry is None or stamp is None or entry.stamp != stamp:
            return 0  # not of the store
        return stamp.changed
