"""Which CLIP model a name means, resolved without loading it: its weights' folder or commit, and its provenance.

A name is an open_clip architecture with a pretrained tag, `hf-hub:org/name`, or a local folder with
`open_clip_config.json` and safetensors weights. Used by `twigma embed`.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twigma.builder.models import model_config, pinned_weights
from twigma.builder.models.model_config import CONFIG
from twigma.core.files import file_sha256
from twigma.core.parts import Provenance
from twigma.core.workspace import AnyWorkspace

MODEL = "ViT-L-14"  # the paper's, with OpenAI's weights
PRETRAINED = "openai"
SEED = 0  # of randomly initialised weights


@dataclass(frozen=True)
class Model:
    """Which weights are meant, before anything heavy is loaded.

    `pin` is the commit of a Hub repository, `folder` a local one with the `sha256` of its weights and that of its
    configuration; a model with neither is `architecture` of open_clip with random weights.
    """

    name: str
    architecture: str | None = None
    folder: Path | None = None
    pin: pinned_weights.Pin | None = None
    sha256: str = ""
    config: str = ""

    def provenance(self) -> Provenance:
        """The model's name, and the commit, hashes or seed of its weights."""
        if self.pin is not None:
            return self.pin.provenance(self.name)
        if self.folder is not None:
            return Provenance(model=self.name, sha256=self.sha256, config=self.config)
        return Provenance(model=self.name, seed=SEED)


def find_model(
    model: str = MODEL,
    pretrained: str | None = PRETRAINED,
    revision: str | None = None,
    work: AnyWorkspace | None = None,
) -> Model:
    """Resolve a model's name; ValueError naming near matches when there is no such model or tag.

    `pretrained=None` or "none" is randomly initialised. `revision` is a full commit hash of the Hub repository;
    without it the working folder's pin decides (see `pinned_weights.pin`).
    """
    folder = Path(model.removeprefix("local-dir:"))
    if folder.is_dir():
        return _model_in(folder.resolve())
    if model.startswith("local-dir:"):
        raise FileNotFoundError(f"no model folder at {folder}")
    if model.startswith("hf-hub:"):
        name = repo = model.removeprefix("hf-hub:")
    elif pretrained in (None, "none"):
        _require_known(model, model)
        _require_self_contained(model, "hf_tokenizer_name")
        return Model(f"{model}/none", architecture=model)
    else:
        name = f"{model}/{pretrained}"
        known = pinned_weights.read_pin(work, name)
        repo = _repository(model, str(pretrained)) if known is None else known.repo
    pin = pinned_weights.pin(work, name, repo, revision, pinned_weights.OPEN_CLIP)
    return Model(name, pin=pin)


def fetch_model(model: Model) -> Path | None:
    """The folder with a model's files, which are downloaded if they are not here; None for random weights.

    Its configuration is checked before weights are downloaded: ValueError where it would load anything but itself.
    """
    if model.pin is not None:
        model_config.read_config(pinned_weights.fetch_weights(model.pin, ()))
        return pinned_weights.fetch_weights(model.pin, pinned_weights.OPEN_CLIP)
    if model.folder is not None:
        model_config.read_config(model.folder)
    return model.folder


def check_model(model: Model) -> None:
    """Check a model's configuration without its weights, which the workers of a cluster download themselves."""
    if model.pin is not None:
        model_config.read_config(pinned_weights.fetch_weights(model.pin, ()))


def load_tokenizer(model: Model) -> Any:
    """The tokenizer of open_clip, or that in the model's folder; no other file is read, and no code of theirs runs."""
    import open_clip

    folder = fetch_model(model)
    if folder is None:
        return open_clip.get_tokenizer(str(model.architecture))
    options: dict[str, Any] = {}
    if model_config.has_tokenizer(model_config.read_config(folder)):
        options = {"trust_remote_code": False, "local_files_only": True}
    with pinned_weights.loading(f"the tokenizer in {folder}"):
        return open_clip.get_tokenizer(f"local-dir:{folder}", **options)


def _model_in(folder: Path) -> Model:
    config = model_config.read_config(folder)
    weights = pinned_weights.weights_files(folder)[0]
    return Model(
        str(config.get("name", folder.name)),
        folder=folder,
        sha256=file_sha256(weights),
        config=file_sha256(folder / CONFIG),
    )


def _require_known(model: str, name: str) -> None:
    """ValueError with near matches where open_clip has no such architecture, and `name` is no folder either."""
    import open_clip

    names = open_clip.list_models()
    if model in names:
        return
    near = difflib.get_close_matches(model, names, cutoff=0.6)
    others = f", only {', '.join(near)}, …" if near else ""
    raise ValueError(
        f"unknown model {name!r}: no folder is there, and open_clip has no architecture {model}{others}; name a "
        "folder that exists, ARCHITECTURE/WEIGHTS of open_clip, or hf-hub:ORG/NAME"
    )


def _require_self_contained(model: str, *entries: str) -> None:
    """ValueError where an architecture of open_clip needs files of another repository than that of its weights.

    `entries` of its configuration name such repositories, beside the one that always does.
    """
    import open_clip

    text = open_clip.get_model_config(model)["text_cfg"]
    for entry in ("hf_model_name", *entries):
        other = text.get(entry)
        if other:
            raise ValueError(
                f"{model} needs files of another repository too ({entry} {other}), which no commit fixes: "
                "choose other weights, or another model"
            )


def _repository(model: str, pretrained: str) -> str:
    """The Hub repository that holds the weights of an open_clip tag."""
    import open_clip

    _require_known(model, f"{model}/{pretrained}")
    _require_self_contained(model)
    tags = open_clip.list_pretrained_tags_by_model(model)
    if pretrained not in tags:
        near = difflib.get_close_matches(pretrained, tags, cutoff=0.4) or tags
        raise ValueError(
            f"unknown weights {pretrained!r} for {model}: open_clip has {', '.join(near) or 'none'}"
        )
    repo = str(open_clip.get_pretrained_cfg(model, pretrained).get("hf_hub", ""))
    if not repo:
        raise ValueError(
            f"{model}/{pretrained} is published only as a pickle: convert it to safetensors in a folder"
        )
    return "/".join(repo.split("/")[:2])
