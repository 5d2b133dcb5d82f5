"""Addresses of folders in an object store, and where each has its mirror on this machine. It imports nothing slow."""

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SCHEMES = ("s3", "gs")
FOLDER_VARIABLE = "TWIGMA_MIRRORS"  # where mirrors are, instead of the user's data
CATALOGUE = ".store.sqlite"  # beside a mirror, see catalogue.py
EXPECTED = "expected s3://BUCKET/FOLDER or gs://BUCKET/FOLDER"
ANONYMOUS = "anonymous"  # Arrow's name for a user without credentials


@dataclass(frozen=True)
class Address:
    """A folder of an object store.

    Attributes
    ----------
    text : as it is shown, and as the mirror is named after: without options.
    options : Arrow's, such as `endpoint_override=127.0.0.1:9000&scheme=http`.
    user : `anonymous`, or empty: credentials are never in an address.
    """

    text: str
    options: str = ""
    user: str = ""

    def __str__(self) -> str:
        return self.text

    @property
    def uri(self) -> str:
        """The address for Arrow's file systems."""
        scheme, _, place = self.text.partition("://")
        user = f"{self.user}@" if self.user else ""
        options = f"?{self.options}" if self.options else ""
        return f"{scheme}://{user}{place}{options}"


def in_store(text: str | os.PathLike[str]) -> bool:
    """Whether this is an address of an object store, and no path: `Path` would make a local folder `s3:` of it.

    >>> in_store("s3://lab/ai-images"), in_store("work")
    (True, False)
    """
    return os.fspath(text).startswith(tuple(f"{scheme}://" for scheme in SCHEMES))


def parse(text: str) -> Address:
    """The address of a folder; ValueError for one of another kind, and for one that holds a key.

    >>> parse("s3://lab/ai-images/")
    Address(text='s3://lab/ai-images', options='', user='')
    """
    parts = urlsplit(text)
    user, at, bucket = parts.netloc.rpartition("@")
    if at and user != ANONYMOUS:
        # The text is not repeated: what stands before @ may be a secret.
        raise ValueError(
            f"{EXPECTED}, found one with a user or a key before the bucket {bucket}: credentials are read from the "
            "environment or the profile of the store's own tools (docs/howto/object_store.md)"
        )
    names = [name for name in parts.path.split("/") if name]
    if parts.scheme not in SCHEMES or not bucket or not names or ".." in names:
        raise ValueError(f"{EXPECTED}, found {text}: mount other storage here")
    place = "/".join([bucket, *names])
    return Address(f"{parts.scheme}://{place}", parts.query, user)


def mirror_folder(address: Address) -> Path:
    """The folder of this machine that mirrors an address; its last name is that of the folder there."""
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    base = os.environ.get(FOLDER_VARIABLE) or Path(data, "twigma", "mirrors")
    scheme, _, place = address.text.partition("://")
    bucket, _, folder = place.partition("/")
    # Folders of one bucket may contain each other; their mirrors do not.
    digest = hashlib.sha256(address.text.encode()).hexdigest()[:8]
    name = folder.rpartition("/")[2]
    return Path(base).expanduser().absolute() / f"{scheme}-{bucket}-{digest}" / name


def address_of(folder: Path) -> str | None:
    """The address that a folder is the mirror of; None for any other folder."""
    catalogue = folder.absolute().parent / CATALOGUE
    if not catalogue.exists():
        return None
    import sqlite3

    with contextlib.closing(sqlite3.connect(catalogue)) as db:
        rows = db.execute("SELECT value FROM about WHERE name = 'address'").fetchall()
    return str(rows[0][0]) if rows else None
