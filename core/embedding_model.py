"""Which model made the embeddings of a folder, and whether two folders were embedded by the same one.

Embeddings of two models cannot be compared: stages, reference sets and analyses ask here before they mix any.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twigma.core.workspace import Workspace

IDENTITY = (
    "model",
    "revision",
    "sha256",
    "seed",
)  # what tells one embedding model from another

Provenance = Mapping[
    str, Any
]  # of an embedding: `model`, and the commit, hash or seed of its weights


def embedded_by(folder: Path) -> dict[str, Any]:
    """Which model made the embeddings of a release or a working folder; empty where that is not known."""
    manifest = folder / "MANIFEST.json"
    if manifest.exists():
        models = json.loads(manifest.read_text("utf-8")).get("models", {})
        return dict(models.get("embed", {}))
    return Workspace(folder).embedding_model()


def differing(theirs: Provenance, ours: Provenance) -> str | None:
    """The first entry of IDENTITY in which two embedding models differ, as far as both state it; else None."""
    for key in IDENTITY:
        if key in ours and key in theirs and ours[key] != theirs[key]:
            return key
    return None


def describe(model: Provenance, key: str) -> str:
    """A model in words, with the entry `key` that tells it from another: `ViT-L-14/openai (revision 0123abc…)`."""
    name = str(model["model"])
    return name if key == "model" else f"{name} ({key} {str(model[key])[:12]})"
