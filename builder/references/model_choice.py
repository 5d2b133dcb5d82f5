"""The model that embedded the studied images, so that a reference set is embedded by the same; another is refused.

It is read from a working folder's parts or from a release's manifest. Used by `twigma reference add`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from twigma.builder.models.clip_names import MODEL, PRETRAINED, find_model
from twigma.builder.models.model_config import embedding_width
from twigma.builder.models.pinned_weights import read_pin, write_pin
from twigma.core.model_identity import Provenance, describe, differing
from twigma.core.parts import read_part
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.dataset.release_folder import MANIFEST, embedded_by
from twigma.dataset.tables.table_files import select_tables

Block = tuple[list[str] | None, np.ndarray]  # of embeddings, and the names of its rows
STUDIED: tuple[Path, ...] = (
    Path("work"),
    Path("twigma"),
)  # folders of the studied images by default


@dataclass(frozen=True)
class Choice:
    """A model as `embed_shards` takes it."""

    model: str = MODEL
    pretrained: str | None = PRETRAINED
    revision: str | None = None


def studied_model(like: AnyWorkspace | None) -> tuple[Path | None, Provenance]:
    """The folder of the studied images (`like`; else ./work or ./twigma, if embedded) and what embedded them."""
    folders = STUDIED
    if like is not None:
        folders = (Path(like),)
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
    work: AnyWorkspace, like: AnyWorkspace | None, model: str | None
) -> tuple[Choice, Provenance]:
    """The model to embed the set in `work` by, and its provenance; ValueError where it is not that of `like`."""
    folder, studied = studied_model(like)
    choice = _choice_of(studied, folder) if model is None else _parse_choice(model)
    if folder is not None:
        _copy_pins(folder, work, choice)
    clip = find_model(choice.model, choice.pretrained, choice.revision, work)
    provenance = dict(clip.provenance())
    require_same_model(provenance, studied, folder)
    return choice, provenance


def _copy_pins(folder: Path, work: AnyWorkspace, choice: Choice) -> None:
    """Pin the commit that embedded the studied images for the set as well, unless it has a pin of its own."""
    for key in _keys(choice):
        pin = read_pin(folder, key)
        if pin is not None and read_pin(work, key) is None:
            write_pin(work, key, pin)


def stated_model(model: str) -> Provenance:
    """The provenance of embeddings that the user attributes to this model: a name, or the model's folder."""
    if not Path(model).is_dir():
        return {"model": model}
    return dict(find_model(model).provenance())


def _parse_choice(model: str) -> Choice:
    """A model as ARCHITECTURE/TAG, hf-hub:ORG/NAME or a folder."""
    if Path(model).is_dir() or model.startswith(("hf-hub:", "local-dir:")):
        return Choice(model, None)
    architecture, _, tag = model.partition("/")
    return Choice(architecture, tag or PRETRAINED)


def _choice_of(studied: Provenance, folder: Path | None) -> Choice:
    """The name that loads a model again, from the provenance of its embeddings."""
    if not studied:
        return Choice()
    name = str(studied["model"])
    if "sha256" in studied and "revision" not in studied:
        raise ValueError(
            f"{folder} was embedded by the model {name} from a local folder: name that folder with --model"
        )
    if "revision" in studied and studied.get("repo") == name:
        return Choice(f"hf-hub:{name}", None, str(studied["revision"]))
    architecture, _, tag = name.partition("/")
    return Choice(architecture, tag or None, studied.get("revision"))


def _keys(choice: Choice) -> tuple[str, ...]:
    """Under which a working folder pins the model."""
    return (choice.model.removeprefix("hf-hub:"), f"{choice.model}/{choice.pretrained}")


def require_same_model(
    reference: Provenance, studied: Provenance, folder: AnyWorkspace | None
) -> None:
    """ValueError unless both embeddings are of one model, as far as each states it; `folder` holds the studied ones."""
    key = differing(reference, studied)
    if key is not None:
        raise ValueError(
            f"{folder} was embedded by {describe(studied, key)}, this set would be by {describe(reference, key)}: "
            "embeddings of two models cannot be compared; embed both by one, or name with --like the folder this set "
            "is for"
        )


# ------------------------------------------------------------------ width


@dataclass(frozen=True)
class Width:
    """How many numbers an embedding must have, and what says so."""

    numbers: int
    source: str

    def require(self, found: int, path: Path) -> None:
        """ValueError where the embeddings of `path` have another width."""
        if found != self.numbers:
            raise ValueError(
                f"{path}: expected embeddings of {self.numbers:,} numbers, as {self.source}, found {found:,}: "
                "those are of another model, or damaged"
            )


def known_width(
    work: AnyWorkspace, like: AnyWorkspace | None, model: str
) -> Width | None:
    """The width of the embeddings in `work`, else of the studied ones, else that of the model; None if none is known.

    FileNotFoundError as `studied_model`, ValueError where the model's folder or a part is damaged.
    """
    studied, _ = studied_model(like)
    for folder in (Workspace(work).path, studied):
        if folder is None:
            continue
        stored = _stored_width(folder)
        if stored is not None:
            return Width(stored, f"in {folder}")
    width = embedding_width(model)
    if width is None:
        return None
    return Width(width, f"{model} makes them")


def of_one_width(
    blocks: Iterable[Block], width: Width | None, path: Path
) -> Iterator[Block]:
    """Blocks of (names, vectors float[m, d]); ValueError unless d is the known width, or that of the first block."""
    for names, rows in blocks:
        numbers = rows.shape[1]
        width = width or Width(numbers, f"in the first rows of {path}")
        width.require(numbers, path)
        yield names, rows


def _stored_width(folder: Path) -> int | None:
    """The width of the embeddings of a release or a working folder; None where it has none, or does not state it."""
    parts = Workspace(folder).part_files("embed")
    kind: pa.DataType = pa.null()
    if (folder / MANIFEST).exists():
        files = select_tables("embeddings", (path.name for path in folder.iterdir()))
        if files:
            kind = pq.read_schema(folder / files[0]).field("embedding").type
    elif parts:
        kind = read_part(parts[0]).schema.field("embedding").type
    if not pa.types.is_fixed_size_list(kind):
        return None
    return int(kind.list_size)
