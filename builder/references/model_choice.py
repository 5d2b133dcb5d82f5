"""The model that embedded the studied images, so that a reference set is embedded by the same; another is refused.

It is read from a working folder's parts or from a release's manifest. Used by `twigma reference add`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twigma.builder.models.clip_names import MODEL, PRETRAINED, find_model
from twigma.builder.models.pinned_weights import read_pin, write_pin
from twigma.core.parts import read_provenance

IDENTITY = (
    "model",
    "revision",
    "sha256",
    "seed",
)  # what tells one embedding model from another


@dataclass(frozen=True)
class Choice:
    """A model as `embed_shards` takes it."""

    model: str = MODEL
    pretrained: str | None = PRETRAINED
    revision: str | None = None


def studied_model(like: Path | None) -> tuple[Path | None, dict[str, Any]]:
    """The folder of the studied images (`like`; else ./work or ./twigma, if embedded) and what embedded them."""
    folders = [like] if like is not None else [Path("work"), Path("twigma")]
    for folder in folders:
        if found := _embedded_by(folder):
            return folder, found
    if like is not None:
        raise FileNotFoundError(
            f"no embeddings in {like}: expected a working folder after `twigma embed`, or a release"
        )
    return None, {}


def _embedded_by(folder: Path) -> dict[str, Any]:
    parts = sorted((folder / "columns" / "embed").glob("*.arrow"))
    if parts:
        return dict(read_provenance(parts[0]))
    manifest = folder / "MANIFEST.json"
    if not manifest.exists():
        return {}
    return dict(
        json.loads(manifest.read_text("utf-8")).get("models", {}).get("embed", {})
    )


def choose_model(
    work: Path, like: Path | None, model: str | None
) -> tuple[Choice, dict[str, Any]]:
    """The model to embed the set in `work` by, and its provenance; ValueError where it is not that of `like`."""
    folder, ours = studied_model(like)
    choice = _choice_of(ours, folder) if model is None else _parse_choice(model)
    for key in _keys(choice):
        pinned = None if folder is None else read_pin(folder, key)
        if pinned is not None and read_pin(work, key) is None:
            write_pin(work, key, pinned)
    found = find_model(choice.model, choice.pretrained, choice.revision, work)
    made_from = dict(found.provenance())
    require_same_model(made_from, ours, folder)
    return choice, made_from


def stated_model(model: str) -> dict[str, Any]:
    """The provenance of embeddings that somebody says were made by this model: a name, or the model's folder."""
    if not Path(model).is_dir():
        return {"model": model}
    return dict(find_model(model).provenance())


def _parse_choice(model: str) -> Choice:
    """A model as ARCHITECTURE/TAG, hf-hub:ORG/NAME or a folder."""
    if Path(model).is_dir() or model.startswith(("hf-hub:", "local-dir:")):
        return Choice(model, None)
    architecture, _, tag = model.partition("/")
    return Choice(architecture, tag or PRETRAINED)


def _choice_of(ours: Mapping[str, Any], folder: Path | None) -> Choice:
    """The name under which a model is found again, from what its embeddings say."""
    if not ours:
        return Choice()
    name = str(ours["model"])
    if "sha256" in ours:
        raise ValueError(
            f"{folder} was embedded by the model {name} from a local folder: say where it is with --model"
        )
    if "revision" in ours and ours.get("repo") == name:
        return Choice(f"hf-hub:{name}", None, str(ours["revision"]))
    architecture, _, tag = name.partition("/")
    return Choice(architecture, tag or None, ours.get("revision"))


def _keys(choice: Choice) -> tuple[str, ...]:
    """Under which a working folder pins the model."""
    return (choice.model.removeprefix("hf-hub:"), f"{choice.model}/{choice.pretrained}")


def differing(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str | None:
    """What first tells two embedding models apart, as far as both say; None where nothing does."""
    return next(
        (
            key
            for key in IDENTITY
            if key in ours and key in theirs and ours[key] != theirs[key]
        ),
        None,
    )


def require_same_model(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], folder: Path | None
) -> None:
    """ValueError unless both embeddings are of one model, as far as each says."""
    if key := differing(theirs, ours):
        first, second = (
            f"{found['model']}" + f" ({key} {found[key]})" * (key != "model")
            for found in (ours, theirs)
        )
        raise ValueError(
            f"{folder} was embedded by {first}, this set would be by {second}: embeddings of two models cannot be "
            "compared; embed both by one, or name with --like the folder this set is for"
        )
