"""The name under which services see us: software, version, and an address that says what it is.

Zenodo refuses clients that go by the name of their HTTP library, as others do.
"""

from typing import TypedDict

from twigma import __version__

PROJECT_URL = "https://arxiv.org/abs/2306.08310"
USER_AGENT = f"twigma/{__version__} (+{PROJECT_URL})"


class LibraryName(TypedDict):
    """The arguments by which functions of `huggingface_hub` learn who calls."""

    library_name: str
    library_version: str


HUB_LIBRARY: LibraryName = {"library_name": "twigma", "library_version": __version__}
