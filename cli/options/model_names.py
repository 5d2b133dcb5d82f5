"""Models as options name them, and their parts as the stages take them."""

import re
from pathlib import Path
from typing import NamedTuple

# As in builder/models and builder/stages/caption, which would take a second to import.
CLIP = "ViT-L-14/openai"
CAPTIONER = "Salesforce/blip-image-captioning-large"


class ModelName(NamedTuple):
    """A model as the stages take it."""

    model: str
    weights: str | None
    revision: str | None


def split_commit(text: str) -> tuple[str, str | None]:
    """A model's name without its commit, and the commit; a folder has none.

    >>> split_commit("Salesforce/blip@0123abc"), split_commit("Salesforce/blip")
    (('Salesforce/blip', '0123abc'), ('Salesforce/blip', None))
    """
    if Path(text).is_dir() or "@" not in text:
        return text, None
    name, _, commit = text.rpartition("@")
    return name, commit


def parse_clip(text: str) -> ModelName:
    """The model that `--model` names; ValueError when its weights are not named, FileNotFoundError without its folder.

    >>> parse_clip("ViT-L-14/openai")
    ModelName(model='ViT-L-14', weights='openai', revision=None)
    >>> parse_clip("hf-hub:timm/ViT-B-16@0123abc")
    ModelName(model='hf-hub:timm/ViT-B-16', weights=None, revision='0123abc')
    """
    name, commit = split_commit(text)
    is_complete = Path(name).is_dir() or re.match(r"hf-hub:|local-dir:", name)
    if is_complete:
        return ModelName(name, None, commit)
    if name.startswith((".", "~", "/")):
        raise FileNotFoundError(
            f"--model: no model folder at {name}: expected one with open_clip_config.json and .safetensors weights"
        )
    architecture, _, weights = name.partition("/")
    if not re.fullmatch(r"[^/]+", weights):
        raise ValueError(
            f"--model: expected ARCHITECTURE/WEIGHTS such as {CLIP}, hf-hub:ORG/NAME or a folder, found {name!r}"
        )
    return ModelName(architecture, weights, commit)
