"""What was published from a working folder: `WORK/publications.json`, the record and DOI of every version.

A publication changes nothing in the release that it sends. What the service answered is remembered here: the next
version continues the record, and cards name the DOIs. Sandboxes are remembered apart.
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twigma.core.files import write_json
from twigma.core.workspace import AnyWorkspace, Workspace

SPACE = "space"  # the kind of place that shows the explorer, on the Hub
LOADING = "## Load it\n"  # the section of a card before which the line stands
DOI_LINE = re.compile(r"^DOI(:| of ).*$", re.MULTILINE)  # of a card


@dataclass(frozen=True)
class Place:
    """Where a dataset is published: the kind of service, its address, whether it is for trials, and the dataset."""

    target: str
    server: str
    sandbox: bool
    dataset: str


@dataclass(frozen=True)
class Publication:
    """One version at one place: its record and DOI, and the DOI that stands for all versions.

    `published` is False while the record is a draft that an interrupted run left. Of a Space, the record is its name,
    and `repository` that of the dataset on the Hub.
    """

    place: Place
    version: str
    record: str
    doi: str = ""
    all_versions_doi: str = ""
    published: bool = True
    repository: str = ""


def read_publications(work: AnyWorkspace) -> list[Publication]:
    """Everything published from a working folder, in the order of publication; ValueError when the list is damaged."""
    path = Workspace(work).publications_file
    if not path.exists():
        return []
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
        return [_publication(**entry) for entry in entries]
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({error}): expected the list of publications that `twigma publish` writes; restore "
            "it, or move it away and name the record with --record"
        ) from None


def _publication(place: dict[str, Any], **entry: Any) -> Publication:
    return Publication(place=Place(**place), **entry)


def remember(work: AnyWorkspace, publication: Publication) -> None:
    """Write down a publication, in the place of an earlier one of its version and of the draft at its place."""
    work = Workspace(work)
    others: list[Publication] = []
    for other in read_publications(work):
        same_place = other.place == publication.place
        replaced = other.version == publication.version or not other.published
        if not (same_place and replaced):
            others.append(other)
    work.create()
    entries = [asdict(entry) for entry in [*others, publication]]
    write_json(work.publications_file, entries)


def last_publication(work: AnyWorkspace, place: Place) -> Publication | None:
    """The newest publication at a place, or the draft that an interrupted run left there; None without any."""
    here = [entry for entry in read_publications(work) if entry.place == place]
    return here[-1] if here else None


def published_versions(
    work: AnyWorkspace, dataset: str, versions: Collection[str]
) -> list[Publication]:
    """Those of these versions of a dataset that have a DOI, oldest first; sandboxes do not count."""
    published: list[Publication] = []
    for entry in read_publications(work):
        is_ours = entry.place.dataset == dataset and entry.version in versions
        counts = entry.published and entry.doi and not entry.place.sandbox
        if is_ours and counts:
            published.append(entry)
    return published


def known_doi(work: AnyWorkspace, dataset: str, version: str) -> str:
    """The DOI of a version of a dataset that was published from a working folder; "" when it has none."""
    published = published_versions(work, dataset, [version])
    return published[-1].doi if published else ""


# ------------------------------------------------------------------ Spaces


def spaces(work: AnyWorkspace) -> list[Publication]:
    """The Spaces published from a working folder, each with the version it shows last."""
    newest: dict[str, Publication] = {}
    for entry in read_publications(work):
        if entry.place.target == SPACE:
            newest[entry.record] = entry
    return list(newest.values())


def space_of(work: AnyWorkspace, name: str, dataset: str) -> str:
    """The Space of a dataset: the one that a working folder remembers, or else the default."""
    for entry in spaces(work):
        if entry.repository == dataset and entry.place.dataset == name:
            return entry.record
    return f"{dataset}-explorer"


def update_command(entry: Publication) -> str:
    """What brings a Space to the newest version."""
    command = f"twigma publish hub {entry.repository} --space --go"
    if entry.record == f"{entry.repository}-explorer":
        return command
    return f"{command} --space-name {entry.record}"


# ------------------------------------------------------------------ in cards


def earlier_doi_line(earlier: Sequence[Publication]) -> str:
    """The line of a card that names the DOIs of the versions before it; "" without any.

    >>> place = Place("zenodo", "https://zenodo.org", False, "twigma")
    >>> earlier_doi_line([Publication(place, "1.0.0", "7", "10.5281/zenodo.7")])
    'DOI of version 1.0.0: [10.5281/zenodo.7](https://doi.org/10.5281/zenodo.7).'
    >>> earlier_doi_line([])
    ''
    """
    if not earlier:
        return ""
    last = earlier[-1]
    parts = [f"version {last.version}: {_link(last.doi)}"]
    if last.all_versions_doi:
        parts.insert(0, f"all versions: {_link(last.all_versions_doi)}")
    return f"DOI of {'; of '.join(parts)}."


def with_doi(card: str, doi: str) -> str:
    """A card with the DOI of its own version, in the place of its line about DOIs or before its section on loading.

    ValueError for a card that has neither.

    >>> with_doi("Version 1.0.0.\\n\\n## Load it\\n", "10.5281/zenodo.7")
    'Version 1.0.0.\\n\\nDOI: [10.5281/zenodo.7](https://doi.org/10.5281/zenodo.7)\\n\\n## Load it\\n'
    """
    line = f"DOI: {_link(doi)}"
    text, replaced = DOI_LINE.subn(line, card, count=1)
    if replaced:
        return text
    before, heading, after = card.partition(LOADING)
    if not heading:
        raise ValueError(
            f"README.md has no section {LOADING.strip()!r} to name the DOI {doi} before: "
            "re-create the release with `twigma release`"
        )
    return f"{before}{line}\n\n{heading}{after}"


def _link(doi: str) -> str:
    return f"[{doi}](https://doi.org/{doi})"
