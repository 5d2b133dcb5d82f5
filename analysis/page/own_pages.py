"""Pages of one file that the explorer and the search write: templates, policy, and which files are theirs."""

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

HEAD = 4096  # bytes of a page within which it says what wrote it


def templates(folder: Path) -> "Environment":
    """The templates of a folder: all that is put into them is escaped, and nothing may be missing."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        autoescape=True,
        loader=FileSystemLoader(folder),
        trim_blocks=True,
        undefined=StrictUndefined,
    )


def csp_hash(text: str) -> str:
    """The source expression of the content security policy that allows exactly this inline text."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def refuse_other_pages(path: Path, generator: str, what: str, example: str) -> None:
    """ValueError where `path` is something that this command has not written.

    Parameters
    ----------
    generator : what the pages name as theirs, such as "twigma explore".
    what : what such a page is. example : a name for one.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file, such as {example}")
    if not path.exists():
        return
    with path.open("rb") as file:
        begin = file.read(HEAD)
    if f'name="generator" content="{generator}"'.encode() not in begin:
        raise ValueError(
            f"{path} exists and is {what}: nothing is written there; name another file"
        )
