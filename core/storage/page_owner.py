"""`pages.json` of a working folder in a store: on which machine its raw pages and ledger are, as they stay there."""

import json
import socket
from pathlib import Path

from twigma.core.files import write_json
from twigma.core.storage.address import Address
from twigma.core.storage.file_kinds import LOCAL

PAGES = "pages.json"


def require(address: Address, folder: Path, mirror: str) -> None:
    """RuntimeError where another mirror than this one has the pages and the ledger of an address."""
    owner = _owner(folder)
    if owner and owner["mirror"] != mirror:
        raise RuntimeError(
            f"the pages and the ledger of {address} are on {owner['machine']} below {Path(owner['folder']).parent}: "
            f"run this command there, or copy {LOCAL[0]}/ and {LOCAL[1]} from there into the folder {folder.name} in "
            f"{folder.parent} and delete {PAGES} in the store"
        )


def claim(folder: Path, mirror: str) -> None:
    """Say in the store that the pages are here, once there are any."""
    if not any((folder / name).exists() for name in LOCAL):
        return
    if not _owner(folder):
        owner = {
            "machine": socket.gethostname(),
            "folder": str(folder),
            "mirror": mirror,
        }
        write_json(folder / PAGES, owner)


def _owner(folder: Path) -> dict[str, str]:
    path = folder / PAGES
    return json.loads(path.read_bytes()) if path.exists() else {}
