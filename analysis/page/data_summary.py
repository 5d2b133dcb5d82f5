"""What the data is, for the head and the foot of the report: title, counts, identity, settings, reference sets."""

from collections.abc import Mapping
from typing import Any

from twigma.analysis.page.formatting import clean, listed, number
from twigma.builder.release.identity import Identity

LONGEST_NOTE, LONGEST_SOURCE = 400, 600  # characters


def heading(identity: Mapping[str, Any] | None) -> dict[str, str]:
    """Title and description of the dataset, for the head of the page."""
    if identity is None:
        return {"title": "Images of a dataset without a name", "description": ""}
    return {
        "title": clean(identity["title"], LONGEST_NOTE),
        "description": clean(identity["description"], LONGEST_SOURCE),
    }


def summary(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the data is: name and value."""
    period = "unknown"
    if data["first"]:
        period = f"{data['first'][:10]} to {data['last'][:10]}"
    posts = "none"
    if data["posts"]:
        posts = number(data["posts"])
    sets = []
    for name, about in data["references"].items():
        sets.append(f"{clean(name)} ({number(about['n'])})")
    images = number(data["images"])
    if "chosen_of" in data:
        images += f", chosen of {number(data['chosen_of'])}"
    return [
        ("Images", images),
        ("Posts", posts),
        ("Period", period),
        ("With embedding", _embedded(data["embeddings"])),
        ("Reference sets", listed(sets)),
    ]


def _embedded(about: Mapping[str, Any]) -> str:
    """How many images have an embedding, and how many of them one that is zero or not finite."""
    text = number(about["n"])
    if about["unusable"]:
        text += f" ({number(about['unusable'])} more are zero or not finite)"
    return text


def sources(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the results were made from: the dataset, the hash of the data, settings, versions and reference sets.

    Parameters
    ----------
    content : what results.json holds.
    """
    made_from = content["made_from"]
    return [
        *_dataset(content["data"].get("identity")),
        ("Data (SHA-256)", clean(made_from["sha256"])),
        ("Settings", _pairs(made_from["settings"])),
        ("Versions", _pairs(made_from["versions"])),
        *_references(content["data"]["references"]),
    ]


def _dataset(identity: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What the dataset says of itself, as far as it does."""
    if identity is None:
        return []
    stated = Identity.from_json(identity)
    rows = {
        "Dataset": stated.title,
        "Made by": stated.by,
        "Contact": stated.contact,
        "Licence": stated.license,
        "Source": stated.source,
    }
    return [(name, clean(text, LONGEST_SOURCE)) for name, text in rows.items() if text]


def _pairs(values: Mapping[str, Any]) -> str:
    """Names and values in a line, by name."""
    return ", ".join(f"{name} {clean(values[name])}" for name in sorted(values))


def _references(sets: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Where each reference set comes from, under which licence, and what embedded it, as far as that is recorded."""
    references = []
    for name, about in sets.items():
        if "licence" in about:
            text = clean(_origin(about), LONGEST_SOURCE)
            references.append((f"Reference set {clean(name)}", text))
    return references


def _origin(about: Mapping[str, Any]) -> str:
    """What the record of a reference set says of it."""
    parts = [f"from {listed(list(about.get('origin', ())))}"]
    if about["licence"]:
        parts.append(f"licence {about['licence']}")
    model = about.get("model", {}).get("model", "")
    if model:
        parts.append(f"embedded by {model}")
    if about.get("note", ""):
        parts.append(about["note"])
    return "; ".join(parts)
