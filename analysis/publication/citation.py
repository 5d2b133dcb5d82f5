"""Whom to cite: BibTeX of the paper, of the dataset and of this software."""

import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from twigma.analysis.page.formatting import clean
from twigma.builder.publish.publications import read_publications
from twigma.builder.release.identity import TWIGMA, Identity
from twigma.core.workspace import AnyWorkspace

SOFTWARE = "twigma"  # the name of the installed package
# As in CITATION.cff, which an installed package does not carry.
SOFTWARE_TITLE = (
    "twigma: build, rehydrate, release and analyse datasets of AI-generated images"
)
SOFTWARE_AUTHOR = "The twigma developers"
ZENODO = re.compile(r"https://zenodo\.org/records?/(\d+)")
DOI = re.compile(r"(?:https?://(?:dx\.)?doi\.org/)?(10\.\d{4,9}/\S+)")


@dataclass(frozen=True)
class Citation:
    """One work: what it is, and its BibTeX."""

    of: str
    bibtex: str


def citations(data: Mapping[str, Any], doi: str = "") -> list[Citation]:
    """Of the paper, of the dataset where it says what it is, and of the software.

    Parameters
    ----------
    data : `data` of results.json.
    doi : of the dataset, where `twigma publish` has one; else that of the record that the data is from.
    """
    found = [Citation("The paper", _printable(TWIGMA.citation))]
    if data.get("identity") is not None:
        found += _of_dataset(data, doi)
    found.append(Citation("This software", _of_software()))
    return found


def published_doi(work: AnyWorkspace) -> str:
    """The DOI of the newest version that was published from a working folder; empty where none was."""
    dois = []
    for publication in read_publications(work):
        if publication.published and not publication.place.sandbox:
            dois.append(publication.doi)
    return dois[-1] if dois else ""


def dataset_doi(data: Mapping[str, Any]) -> str:
    """The DOI of the record that the data is from or that it names as its address; empty where there is none.

    >>> dataset_doi({"release": {"source": "https://zenodo.org/records/8031785"}})
    '10.5281/zenodo.8031785'
    """
    record = ZENODO.match(str(data.get("release", {}).get("source", "")))
    if record is not None:
        # Zenodo makes the DOI of a record from its number.
        return f"10.5281/zenodo.{record[1]}"
    identity = data.get("identity") or {}
    named = DOI.fullmatch(str(identity.get("url", "")))
    return "" if named is None else named[1]


def _of_dataset(data: Mapping[str, Any], doi: str) -> list[Citation]:
    """The dataset itself; and before it what it asks to be cited by, where that is another work than the paper."""
    identity = Identity.from_json(data["identity"])
    found = []
    if identity.citation and identity.citation != TWIGMA.citation:
        asked = _printable(identity.citation)
        found.append(Citation("What the dataset asks to be cited by", asked))
    day = _day(identity, data)
    if day is not None:
        version = str(data.get("release", {}).get("version", ""))
        unasked = replace(identity, citation="")
        entry = unasked.cite(version, day, doi=doi or dataset_doi(data))
        found.append(Citation("The dataset", _printable(entry)))
    return found


def _day(identity: Identity, data: Mapping[str, Any]) -> date | None:
    """The day of publication, of the release, else of the last post; None where none is known."""
    if identity.date is not None:
        return identity.date
    released = data.get("release", {}).get("date")
    if released:
        return date.fromisoformat(released)
    if data["last"]:
        return date.fromisoformat(data["last"][:10])
    return None


def _of_software() -> str:
    version = importlib.metadata.version(SOFTWARE)
    lines = [
        "@software{twigma,",
        f"  title = {{{SOFTWARE_TITLE}}},",
        f"  author = {{{{{SOFTWARE_AUTHOR}}}}},",
        f"  version = {{{version}}}",
        "}",
    ]
    return "\n".join(lines)


def _printable(text: str) -> str:
    """Text of strangers line by line, without anything invisible; indents stay."""
    lines = []
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip(" "))]
        lines.append(indent + clean(line, 2_000))
    return "\n".join(lines)
