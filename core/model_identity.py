"""Which model made a column, and whether two columns, or two parts of one, were made by the same.

Values of two models cannot be compared. A model is known by the hash of its weights, as folders and repositories of
any content may bear one name; where a hash is not known, by its name and commit. Parts of one column agree in how the
model was run, too: precision, resizing, generation.
"""

from collections.abc import Mapping
from typing import Any

Provenance = Mapping[str, Any]  # of a part: see `parts.Provenance`

# Compared where both sides state the hash of their weights; the name says nothing then.
BY_HASH = ("sha256", "config", "revision")
BY_NAME = ("model", "revision", "seed")
# How a model is run; values of other settings are close, but they do not belong into one column.
SETTINGS = (
    "precision",
    "resize",
    "num_beams",
    "max_new_tokens",
    "detector",
    "code_revision",
)
IDENTITY = ("model", "sha256", "config", "revision", "seed", "precision", "resize")


def differing(theirs: Provenance, ours: Provenance) -> str | None:
    """The first entry in which two models differ, as far as both sides state it; None where they are the same."""
    has_hashes = "sha256" in theirs and "sha256" in ours
    keys = BY_HASH if has_hashes else BY_NAME
    return _first_difference(theirs, ours, keys)


def differing_columns(theirs: Provenance, ours: Provenance) -> str | None:
    """Like `differing`, of what has to be equal within one column: the model, and how it was run."""
    key = differing(theirs, ours)
    return key or _first_difference(theirs, ours, SETTINGS)


def _first_difference(
    theirs: Provenance, ours: Provenance, keys: tuple[str, ...]
) -> str | None:
    for key in keys:
        if key in ours and key in theirs and ours[key] != theirs[key]:
            return key
    return None


def identity(provenance: Provenance) -> dict[str, Any]:
    """What of the provenance of embeddings later stages write down: the model, and how it was run."""
    names = (*IDENTITY, "code_revision")
    return {name: provenance[name] for name in names if name in provenance}


def describe(model: Provenance, key: str) -> str:
    """A model in words, with the entry `key` that tells it from another: `ViT-L-14/openai (revision 0123abc…)`."""
    name = str(model.get("model", "a model"))
    if key == "model":
        return name
    return f"{name} ({key.replace('_', ' ')} {str(model[key])[:12]})"


def refuse_mixture(place: str, parts: Mapping[str, Provenance], remedy: str) -> None:
    """ValueError when the parts of one column, by name, were not all made by one model in one way.

    A change of model that was stopped leaves such a column. `place` and `remedy` go into the sentence.
    """
    names = list(parts)
    for name in names[1:]:
        ours, theirs = parts[names[0]], parts[name]
        for entry in ("", "embedding"):
            # Scores and clusters name the embeddings that they were computed from.
            one = ours.get(entry, {}) if entry else ours
            other = theirs.get(entry, {}) if entry else theirs
            key = differing_columns(other, one)
            if key is not None:
                raise ValueError(
                    f"{place} mixes two models: {describe(one, key)} in {names[0]}, {describe(other, key)} in "
                    f"{name}: {remedy}"
                )
