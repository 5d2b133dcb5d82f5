"""Which CLIP model a name means, found without loading it: its weights' folder or commit, and its provenance.

A name is an open_clip architecture with a pretrained tag, `hf-hub:org/name`, or a local folder with
`open_clip_config.json` and safetensors weights. Used by `twigma embed`.
"""

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twigma.builder.models import model_config, pinned_weights
from twigma.builder.models.model_config import CONFIG
from twigma.core.files import file_sha256

MODEL = "ViT-L-14"  # the paper's, with OpenAI's weights
PRETRAINED = "openai"
SEED = 0  # of randomly initialised weights


@dataclass(frozen=True)
class Model:
    """Which weights are meant, before anything heavy is loaded: `made_from` goes into the parts."""

    name: str
    architecture: str | None = None  # of open_clip, where the weights are random
    folder: Path | None = None
    pin: pinned_weights.Pin | None = None
    sha256: str | None = None

    def made_from(self) -> dict[str, Any]:
        """The provenance of an embedding: the model's name, and the commit, hash or seed of its weights."""
        if self.pin is not None:
            return {
                "model": self.name,
                "repo": self.pin.repo,
                "revision": self.pin.revision,
            }
        return {"model": self.name} | (
            {"seed": SEED} if self.folder is None else {"sha256": self.sha256}
        )


def find_model(
    model: str = MODEL,
    pretrained: str | None = PRETRAINED,
    revision: str | None = None,
    work: Path | None = None,
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
        return Model(
            repo,
            pin=pinned_weights.pin(
                work, repo, repo, revision, pinned_weights.OPEN_CLIP
            ),
        )
    if pretrained in (None, "none"):
        _known(model)
        _is_whole(model, "hf_tokenizer_name")
        return Model(f"{model}/none", architecture=model)
    key = f"{model}/{pretrained}"
    known = pinned_weights.read_pin(work, key)
    repo = known.repo if known is not None else _repository(model, str(pretrained))
    return Model(
        key, pin=pinned_weights.pin(work, key, repo, revision, pinned_weights.OPEN_CLIP)
    )


def fetched(model: Model) -> Path | None:
    """The folder with a model's files, which are fetched if they are not here; None for random weights.

    Its configuration is checked before anything else is fetched: ValueError where it would load anything but itself.
    """
    if model.pin is not None:
        model_config.read_config(pinned_weights.fetch_weights(model.pin, ()))
        return pinned_weights.fetch_weights(model.pin, pinned_weights.OPEN_CLIP)
    if model.folder is not None:
        model_config.read_config(model.folder)
    return model.folder


def checked(model: Model) -> None:
    """Check a model's configuration, for those who leave it to others to fetch the weights."""
    if model.pin is not None:
        model_config.read_config(pinned_weights.fetch_weights(model.pin, ()))


def load_tokenizer(model: Model) -> Any:
    """The tokenizer of open_clip, or that in the model's folder; nothing else is read, asked or run."""
    import open_clip

    folder = fetched(model)
    if folder is None:
        return open_clip.get_tokenizer(str(model.architecture))
    options: dict[str, Any] = {}
    if model_config.has_tokenizer(model_config.read_config(folder)):
        options = {"trust_remote_code": False, "local_files_only": True}
    with pinned_weights.loading(f"the tokenizer in {folder}"):
        return open_clip.get_tokenizer(f"local-dir:{folder}", **options)


def _local(folder: Path) -> Model:
    config = model_config.read_config(folder)
    hashes = file_sha256(folder / CONFIG) + file_sha256(
        pinned_weights.weights_files(folder)[0]
    )
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
        raise ValueError(
            f"unknown model {model!r}: open_clip has {', '.join(near)}, …; a folder or hf-hub: works too"
        )


def _is_whole(model: str, *needs: str) -> None:
    """ValueError where an architecture of open_clip needs files of another repository than that of its weights."""
    import open_clip

    text = open_clip.get_model_config(model)["text_cfg"]
    for name in ("hf_model_name", *needs):
        if other := text.get(name):
            raise ValueError(
                f"{model} needs files of another repository too ({name} {other}), which no commit fixes: "
                "choose other weights, or another model"
            )


def _repository(model: str, pretrained: str) -> str:
    """The Hub repository that holds the weights of an open_clip tag."""
    import open_clip

    _known(model)
    _is_whole(model)
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
