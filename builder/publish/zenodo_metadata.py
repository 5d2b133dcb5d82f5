"""What a record of Zenodo says of a dataset: title, authors, licence, description; of new records only.

All of it is the release's identity (`twigma init`). Later versions keep what their owner has edited on Zenodo.
"""

import datetime
import html
import re
from pathlib import Path
from typing import Any

from twigma.builder.release.identity import Creator, Identity, identity_of_release

CONTENTS = (
    "Ids of images, with counts and columns computed from the pixels. No images, no text of posts, no user ids. "
    "README.md says how it was made and how to have an image removed."
)
PAPER = "arXiv:2306.08310"
LICENSE_ID = re.compile(r"[A-Za-z0-9.-]+")  # one licence, and not an expression


def record_metadata(release: Path, version: str) -> dict[str, Any]:
    """The metadata of a new record of a release; ValueError where its identity names no creators."""
    identity = identity_of_release(release)
    if not identity.creators:
        raise ValueError(
            f"a record of Zenodo names its authors, and {release} names none: fill in the creators in dataset.toml of "
            "its working folder (`twigma init` writes the file), then run `twigma release` again"
        )
    description = [*identity.description.splitlines(), CONTENTS]
    metadata: dict[str, Any] = {
        "title": identity.title,
        "version": version,
        "publication_date": today(),
        "publisher": "Zenodo",
        "resource_type": {"id": "dataset"},
        "creators": [_creator(creator) for creator in identity.creators],
        "description": "".join(f"<p>{html.escape(text)}</p>" for text in description),
        "related_identifiers": [
            {
                "identifier": PAPER,
                "scheme": "arxiv",
                "relation_type": {"id": _relation(identity)},
                "resource_type": {"id": "publication-conferencepaper"},
            }
        ],
    }
    if identity.license:
        metadata["rights"] = [_license(identity.license)]
    if identity.keywords:
        metadata["subjects"] = [{"subject": word} for word in identity.keywords]
    return metadata


def today() -> str:
    """The date in UTC, as Zenodo writes it."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _creator(creator: Creator) -> dict[str, Any]:
    if creator.is_organization:
        return {"person_or_org": {"type": "organizational", "name": creator.name}}
    family, _, given = creator.name.partition(",")
    person: dict[str, Any] = {
        "type": "personal",
        "family_name": family.strip(),
        "given_name": given.strip(),
    }
    if creator.orcid:
        person["identifiers"] = [{"scheme": "orcid", "identifier": creator.orcid}]
    entry: dict[str, Any] = {"person_or_org": person}
    if creator.affiliation:
        entry["affiliations"] = [{"name": creator.affiliation}]
    return entry


def _license(spdx: str) -> dict[str, Any]:
    """Zenodo's vocabulary of licences holds SPDX ids in lower case; anything else is a text of its own."""
    is_own_text = spdx.startswith("LicenseRef-") or not LICENSE_ID.fullmatch(spdx)
    if is_own_text:
        return {"title": {"en": spdx}}
    return {"id": spdx.lower()}


def _relation(identity: Identity) -> str:
    """The paper describes TWIGMA itself; for any other dataset it is where the method is from."""
    is_twigma = PAPER.removeprefix("arXiv:") in identity.citation + identity.url
    return "isdescribedby" if is_twigma else "references"
