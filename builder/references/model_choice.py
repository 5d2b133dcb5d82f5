"""The model that embedded the studied images, so that a reference set is embedded by the same; another is refused.

It is read from a working folder's parts or from a release's manifest. Used by `twigma reference add`.
"""

from dataclasses import dataclass
from pathlib import Path

from twigma.builder.models.clip_names import MODEL, PRETRAINED, find_model
from twigma.builder.models.pinned_weights import read_pin, write_pin
from twigma.core.embedding_model import Provenance, describe, differing, embedded_by

STUDIED = (Path("work"), Path("twigma"))  # where the studied images are by default


@dataclass(frozen=True)
class Choice:
    """A model as `embed_shards` takes it."""

    model: str = MODEL
    pretrained: str | None = PRETRAINED
    revision: str | None = None


def studied_model(like: Path | None) -> tuple[Path | None, Provenance]:
    """The folder of the studied images (`like`; else ./work or ./twigma, if embedded) and what embedded them."""
    folders = STUDIED if like is None else (like,)
    for folder in folders:
        provenance = embedded_by(folder)
        if provenance:
            return folder, provenance
    if like is not None:
        raise FileNotFoundError(
            f"no embeddings in {like}: expected a working folder after `twigma embed`, or a release"
        )
    return None, {}


def choose_model(
    work: Path, like: Path | None, model: str | None
) -> tuple[Choice, Provenance]:
    """The model to embed the set in `work` by, and its provenance; ValueError where it is not that of `like`."""
    folder, ours = studied_model(like)
    choice = _choice_of(ours, folder) if model is None else _parse_choice(model)
    if folder is not None:
        _copy_pins(folder, work, choice)
    clip = find_model(choice.model, choice.pretrained, choice.revision, work)
    theirs = dict(clip.provenance())
    require_same_model(theirs, ours, folder)
    return choice, theirs


def _copy_pins(folder: Path, work: Path, choice: Choice) -> None:
    """Pin the commit that embedded the studied images for the set as well, unless it has a pin of its own."""
    for key in _keys(choice):
        pin = read_pin(folder, key)
        if pin is not None and read_pin(work, key) is None:
            write_pin(work, key, pin)


def stated_model(model: str) -> Provenance:
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


def _choice_of(ours: Provenance, folder: Path | None) -> Choice:
    """The name that loads a model again, from the provenance of its embeddings."""
    if not ours:
        return Choice()
    name = str(ours["model"])
    if "sha256" in ours:
        raise ValueError(
            f"{folder} was embedded by the model {name} from a local folder: name that folder with --model"
        )
    if "revision" in ours and ours.get("repo") == name:
        return Choice(f"hf-hub:{name}", None, str(ours["revision"]))
    architecture, _, tag = name.partition("/")
    return Choice(architecture, tag or None, ours.get("revision"))


def _keys(choice: Choice) -> tuple[str, ...]:
    """Under which a working folder pins the model."""
    return (choice.model.removeprefix("hf-hub:"), f"{choice.model}/{choice.pretrained}")


def require_same_model(
    theirs: Provenance, ours: Provenance, folder: Path | None
) -> None:
    """ValueError unless both embeddings are of one model, as far as each states it."""
    key = differing(theirs, ours)
    if key is not None:
        raise ValueError(
            f"{folder} was embedded by {describe(ours, key)}, this set would be by {describe(theirs, key)}: "
            "embeddings of two models cannot be compared; embed both by one, or name with --like the folder this set "
            "is for"
        )
