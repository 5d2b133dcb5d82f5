"""Addresses of folders in an object store, and where each has its mirror on this machine. It imports nothing slow."""

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

SCHEMES = ("s3", "gs")
STORE = re.compile(r"(s3|gs)://", re.IGNORECASE)
ONE_SLASH = re.compile(r"(s3|gs):(?!//)", re.IGNORECASE)  # mistyped
# What may follow a question mark: Arrow's options but for keys.
OPTIONS = {
    "s3": (
        "region",
        "scheme",
        "endpoint_override",
        "allow_delayed_open",
        "tls_ca_file_path",
    ),
    "gs": ("scheme", "endpoint_override", "retry_limit_seconds"),
}
FOLDER_VARIABLE = "TWIGMA_MIRRORS"  # where mirrors are, instead of the user's data
CATALOGUE = ".store.sqlite"  # beside a mirror, see catalogue.py
EXPECTED = "expected s3://BUCKET/FOLDER or gs://BUCKET/FOLDER"
CREDENTIALS = (
    "credentials are read from the environment or the profile of the store's own tools "
    "(docs/howto/object_store.md)"
)
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
    return STORE.match(os.fspath(text)) is not None


def parse(text: str) -> Address:
    """The address of a folder; ValueError for one of another kind, and for one that holds a key.

    >>> parse("S3://lab/ai-images/")
    Address(text='s3://lab/ai-images', options='', user='')
    """
    parts = urlsplit(text)
    user, at, bucket = parts.netloc.rpartition("@")
    if at and user != ANONYMOUS:
        # The text is not repeated: what stands before @ may be a secret.
        raise ValueError(
            f"{EXPECTED}, found one with a user or a key before the bucket {bucket}: {CREDENTIALS}"
        )
    names = [name for name in parts.path.split("/") if name]
    shown = f"{parts.scheme}://{'/'.join([bucket, *names])}"
    if parts.scheme not in SCHEMES or not bucket or ".." in names:
        raise ValueError(f"{EXPECTED}, found {shown}: mount other storage here")
    if not names:
        raise ValueError(
            f"{EXPECTED}, found {shown}: name a folder in the bucket, {shown}/FOLDER"
        )
    if parts.fragment:
        raise ValueError(
            f"{EXPECTED}, found {shown} with # after it: no name of a folder may hold one"
        )
    _require_options(shown, parts.scheme, parts.query)
    return Address(shown, parts.query, user)


def _require_options(shown: str, scheme: str, query: str) -> None:
    """ValueError for an option that there is not; its value is not repeated, as it may be a secret."""
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if name not in OPTIONS[scheme]:
            raise ValueError(
                f"{shown} has the option {name}, expected {', '.join(OPTIONS[scheme])}: leave it out; {CREDENTIALS}"
            )


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
