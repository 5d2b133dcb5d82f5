"""What a record of Zenodo says of a dataset: title, authors, licence, description; of new records only."""

import datetime
from collections.abc import Sequence
from typing import Any

TITLE = "TWIGMA: AI-generated images posted on Twitter"
PAPER = "arXiv:2306.08310"
DESCRIPTION = (
    "Ids of AI-generated images posted on Twitter, with counts and columns computed from the pixels. No images, no "
    "text of posts, no user ids. README.md says how it was made and how to have one removed."
)


def record_metadata(version: str, creators: Sequence[str]) -> dict[str, Any]:
    """The metadata of a new record by `creators` ("Family, Given"); ValueError where there is none, or not in full."""
    if not creators:
        raise ValueError(
            'a new record needs its authors: pass --creator "Family, Given", once for each'
        )
    return {
        "title": TITLE,
        "version": version,
        "publication_date": today(),
        "publisher": "Zenodo",
        "resource_type": {"id": "dataset"},
        "rights": [{"id": "cc-by-4.0"}],
        "creators": [_person(name) for name in creators],
        "description": DESCRIPTION,
        "related_identifiers": [
            {
                "identifier": PAPER,
                "scheme": "arxiv",
                "relation_type": {"id": "isdescribedby"},
                "resource_type": {"id": "publication-conferencepaper"},
            }
        ],
    }


def today() -> str:
    """The date in UTC, as Zenodo writes it."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _person(name: str) -> dict[str, Any]:
    family, _, given = name.partition(",")
    family, given = family.strip(), given.strip()
    if not family or not given:
        raise ValueError(f'--creator: expected "Family, Given", found {name!r}')
    person = {"type": "personal", "family_name": family, "given_name": given}
    return {"person_or_org": person}
