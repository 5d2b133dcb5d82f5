"""Which CLIP model a name means, found without loading it: its weights' folder or commit, and its provenance.

A name is an open_clip architecture with a pretrained tag, `hf-hub:org/name`, or a local folder with
`open_clip_config.json` and safetensors weights. Used by `twigma embed`.
"""

import difflib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twigma import columns
from twigma.builder import weights

MODEL = "ViT-L-14"  # the paper's, with OpenAI's weights
PRETRAINED = "openai"
CONFIG = "open_clip_config.json"
SEED = 0  # of randomly initialised weights


@dataclass(frozen=True)
class Model:
    """Which weights are meant, before anything heavy is loaded: `made_from` goes into the parts."""

    name: str
    architecture: str | None = None  # of open_clip, where the weights are random
    folder: Path | None = None
    pin: weights.Pin | None = None
    sha256: str | None = None

    def made_from(self) -> dict[str, Any]:
        """The provenance of an embedding: the model's name, and the commit, hash or seed of its weights."""
        if self.pin is not None:
            return {"model": self.name, "repo": self.pin.repo, "revision": self.pin.revision}
        return {"model": self.name} | ({"seed": SEED} if self.folder is None else {"sha256": self.sha256})


def find_model(
    model: str = MODEL, pretrained: str | None = PRETRAINED, revision: str | None = None, work: Path | None = None
) -> Model:
    """Resolve a model's name; ValueError naming near matches when there is no such model or tag.

    `pretrained=None` or "none" is randomly initialised. `revision` is a full commit hash of the Hub repository;
    without it the working folder's pin decides (see `weights.pin`).
    """
    folder = Path(model.removeprefix("local-dir:"))
    if folder.is_dir():
        return _local(folder.resolve())
    if model.startswith("local-dir:"):
        raise FileNotFoundError(f"no model folder at {folder}")
    if model.startswith("hf-hub:"):
        repo = model.removeprefix("hf-hub:")
        return Model(repo, pin=weights.pin(work, repo, repo, revision, weights.OPEN_CLIP))
    if pretrained in (None, "none"):
        _known(model)
        return Model(f"{model}/none", architecture=model)
    key = f"{model}/{pretrained}"
    known = weights.read_pin(work, key)
    repo = known.repo if known is not None else _repository(model, str(pretrained))
    return Model(key, pin=weights.pin(work, key, repo, revision, weights.OPEN_CLIP))


def _local(folder: Path) -> Model:
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"no {CONFIG} in {folder}: a model's folder holds it beside its .safetensors weights")
    config = json.loads(path.read_text("utf-8"))
    hashes = columns.file_sha256(path) + columns.file_sha256(weights.weights_files(folder)[0])
    return Model(
        str(config.get("name", folder.name)),
        folder=folder,
        sha256=hashlib.sha256(hashes.encode()).hexdigest(),
    )


def _known(model: str) -> None:
    import open_clip

    names = open_clip.list_models()
    if model not in names:
        near = difflib.get_close_matches(model, names, cutoff=0.4) or names[:5]
        raise ValueError(f"unknown model {model!r}: open_clip has {', '.join(near)}, …; a folder or hf-hub: works too")


def _repository(model: str, pretrained: str) -> str:
    """The Hub repository that holds the weights of an open_clip tag."""
    import open_clip

    _known(model)
    tags = open_clip.list_pretrained_tags_by_model(model)
    if pretrained not in tags:
        near = difflib.get_close_matches(pretrained, tags, cutoff=0.4) or tags
        raise ValueError(f"unknown weights {pretrained!r} for {model}: open_clip has {', '.join(near) or 'none'}")
    repo = str(open_clip.get_pretrained_cfg(model, pretrained).get("hf_hub", ""))
    if not repo:
        raise ValueError(f"{model}/{pretrained} is published only as a pickle: convert it to safetensors in a folder")
    return "/".join(repo.split("/")[:2])
