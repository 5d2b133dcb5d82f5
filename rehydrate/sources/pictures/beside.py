"""What stands beside a picture, as our columns: its post, author, likes and prompt in the JSON of common tools.

Read are the JSON of img2dataset, the `NAME.jpg.json` of gallery-dl, the `part-….json` of DiffusionDB, and captions in
`.txt`, as Midjourney archives and trainers have them. A value of another type than expected is a note, never an error.
"""

from typing import Any

from twigma.core.safety.bounded import load_json
from twigma.core.values import clean_text
from twigma.rehydrate.sources.facts.columns import Facts, Unread, our_columns
from twigma.rehydrate.sources.facts.thousands import join_thousands
from twigma.rehydrate.sources.facts.unread import shown

MAX_TEXT = 1_000_000  # bytes of the text or JSON of one picture that are read
CAPTION = "caption"  # the name under which the `.txt` of a picture joins its JSON
# Names of DiffusionDB's settings (Wang et al. 2022).
DIFFUSIONDB = {"p": "prompt", "se": "seed", "c": "cfg", "st": "step", "sa": "sampler"}
DAMAGED = "JSON beside a picture that cannot be read"
# What an image that is on no post may have of its own.
COLUMNS = ("url", "text", "author_id", "like_count", "created_at")


def read_json(data: bytes) -> tuple[Facts, str | None]:
    """The object in the JSON beside a picture; or an empty one, and a note that says what was there instead."""
    if len(data) > MAX_TEXT:
        return {}, f"JSON beside it of over {MAX_TEXT:,} bytes, not read"
    try:
        facts = load_json(data)
    except (ValueError, RecursionError):
        return {}, "JSON beside it that cannot be read"
    if not isinstance(facts, dict):
        return (
            {},
            f"JSON beside it: expected an object, found a {type(facts).__name__}",
        )
    join_thousands([facts])
    return facts, None


def read_text(data: bytes) -> str | None:
    """The caption in the `.txt` beside a picture; None where it is empty."""
    text = data[:MAX_TEXT].decode("utf-8-sig", "replace").strip()
    return text or None


def columns_beside(facts: Facts) -> tuple[dict[str, Any], list[Unread]]:
    """The values for COLUMNS in what stands beside a picture, and those that cannot be read."""
    return our_columns(facts, COLUMNS)


def notes_on(unread: list[Unread]) -> list[str]:
    """A note for each value that cannot be read, for the sidecar."""
    return [
        f"{one.name} beside it cannot be read: {shown(one.value)}" for one in unread
    ]


def group_of(facts: Facts, key: str | None) -> str | None:
    """The field that becomes the column `group`, as text; where none is named, the one that is called so."""
    value = facts.get(key or "group")
    return None if value is None else clean_text(str(value))
