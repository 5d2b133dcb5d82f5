"""`WORK/dataset.toml`, in which a user says what the dataset is: written by `twigma init`, read by `twigma release`."""

import datetime
import difflib
import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from twigma.builder.release.identity.dataset_identity import Creator, Identity

KEYS = tuple(field.name for field in fields(Identity))
CREATOR_KEYS = ("name", "organization", "orcid", "affiliation")
TEXTS = ("title", "name", "description", "contact", "license", "source", "citation", "url")  # fmt: skip
TEMPLATE = """\
# What this dataset is. `twigma release` writes it into the card, the datasheet, croissant.json and MANIFEST.json, and
# publishing takes it from there: everything here becomes public. What you leave out is stated nowhere.

# One line, and a short name of letters, digits, dots, dashes and underscores, as in the address of a page.
title = {title}
name = {name}

# One paragraph: what the images show, who made them and why they were collected.
description = {description}

# Where the images come from, in a sentence, such as "Photographs taken by the authors in Lyon, 2021 to 2024."
source = {source}

# true when generative models made the images, false when they did not.
{ai_generated}

# An e-mail address or a URL: for questions, and for those who want an image taken out.
contact = {contact}

# Of the table that is released, as in https://spdx.org/licenses/: "CC-BY-4.0", "CC0-1.0", …; images keep their own.
license = {license}

# The page of the dataset or of its paper, and how to cite it: BibTeX or a sentence; without, one is made from the rest.
url = {url}
citation = {citation}

# The day of publication as 2026-12-31.  [default: the day of the release]
{date}

keywords = {keywords}

# Who made the dataset; one block for each. A person as "Family, Given", with ORCID iD and affiliation if you
# like; for an organisation `organization = "…"` in place of the name.
{creators}
"""
NO_CREATOR = """\
# [[creators]]
# name = "Family, Given"
# orcid = "0000-0002-1825-0097"
# affiliation = "…"
"""


def to_toml(identity: Identity) -> str:
    """An identity as a commented dataset.toml; `read_identity` reads the same again."""
    values: dict[str, str] = {name: _text(getattr(identity, name)) for name in TEXTS}
    values["ai_generated"] = "# ai_generated = true"
    if identity.ai_generated is not None:
        values["ai_generated"] = f"ai_generated = {str(identity.ai_generated).lower()}"
    values["date"] = "# date = 2026-12-31"
    if identity.date is not None:
        values["date"] = f"date = {identity.date.isoformat()}"
    values["keywords"] = f"[{', '.join(_text(word) for word in identity.keywords)}]"
    blocks = [_creator_block(creator) for creator in identity.creators]
    values["creators"] = "\n".join(blocks) or NO_CREATOR
    return TEMPLATE.format(**values).rstrip() + "\n"


def _creator_block(creator: Creator) -> str:
    key = "organization" if creator.is_organization else "name"
    lines = ["[[creators]]", f"{key} = {_text(creator.name)}"]
    for name in ("orcid", "affiliation"):
        value = getattr(creator, name)
        if value:
            lines.append(f"{name} = {_text(value)}")
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """A string of TOML; one of several lines without escapes, so that BibTeX stays as it is."""
    if "\n" in value and "'''" not in value and "\r" not in value:
        return f"'''\n{value}'''"
    # JSON's strings are TOML's but for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


# ------------------------------------------------------------------ reading


def read_identity(path: Path) -> Identity:
    """The identity in a dataset.toml; ValueError naming the file, the entry and what was expected."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{path}: expected TOML ({error}); `twigma init` writes an example where there is no such file"
        ) from None
    try:
        return _identity(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _identity(values: dict[str, Any]) -> Identity:
    _refuse_unknown(values, KEYS, "")
    for name in ("title", "name"):
        if not values.get(name):
            raise ValueError(f"{name}: expected a text, found none")
    for name in TEXTS:
        _require(values, name, str, 'a text in quotes, such as "…"')
    _require(values, "ai_generated", bool, "true or false")
    _require(values, "date", datetime.date, "a day as 2026-12-31, without quotes")
    _require(values, "keywords", list, 'a list of texts, such as ["…", "…"]')
    _require(values, "creators", list, "a block [[creators]] for each")
    keywords = values.get("keywords", [])
    if not all(isinstance(word, str) for word in keywords):
        raise ValueError(f'keywords: expected texts, such as ["…"], found {keywords}')
    given = {name: values[name].strip() for name in TEXTS if name in values}
    creators = [
        _creator(value, number)
        for number, value in enumerate(values.get("creators", []), 1)
    ]
    return Identity(
        **given,
        creators=tuple(creators),
        keywords=tuple(keywords),
        date=values.get("date"),
        ai_generated=values.get("ai_generated"),
    )


def _creator(value: Any, number: int) -> Creator:
    where = f"creators, block {number}: "
    if not isinstance(value, dict):
        raise ValueError(f"{where}expected a block [[creators]], found {value!r}")
    _refuse_unknown(value, CREATOR_KEYS, where)
    for key in CREATOR_KEYS:
        if not isinstance(value.get(key, ""), str):
            raise ValueError(f"{where}{key}: expected a text, found {value[key]!r}")
    names = [key for key in ("name", "organization") if value.get(key)]
    if len(names) != 1:
        found = " and ".join(names) or "neither"
        raise ValueError(f"{where}expected a name or an organization, found {found}")
    try:
        return Creator(
            value[names[0]].strip(),
            orcid=value.get("orcid", "").removeprefix("https://orcid.org/"),
            affiliation=value.get("affiliation", ""),
            is_organization=names == ["organization"],
        )
    except ValueError as error:
        raise ValueError(f"{where}{error}") from None


def _require(values: dict[str, Any], name: str, kind: type, expected: str) -> None:
    if name not in values:
        return
    value = values[name]
    # A time of day is a date to Python, and no day.
    if not isinstance(value, kind) or isinstance(value, datetime.datetime):
        raise ValueError(f"{name}: expected {expected}, found {value!r}")


def _refuse_unknown(values: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in values:
        if key in known:
            continue
        near = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        raise ValueError(f"{where}there is no entry {key!r}: {hint}")
