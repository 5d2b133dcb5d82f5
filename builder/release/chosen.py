"""A release of chosen images, by `twigma release --select FILE`: a dataset of its own, which says what it is part of.

Its title and short name differ from those of the whole, so that neither is published as a version of the other, and
neither replaces the other's folder.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import twigma
from twigma.builder.release.identity import Identity
from twigma.core.parts import fingerprint
from twigma.core.workspace import Workspace
from twigma.dataset.own_release import PART
from twigma.dataset.selections import Selection, load_selection

NOT_SELECTED = "not selected"  # the reason why another row is not released
KEY = "selection"  # of MANIFEST.json
TITLE = ": a selection"
LONGEST_NAME = 64


@dataclass(frozen=True)
class Part:
    """What a release of chosen images is part of: its images, those of the whole, and what was chosen.

    `release` is the hash of the release that the explorer showed, "" where the file does not say it; `names` that of
    the names that the file lists.
    """

    images: int
    of: int
    dataset: str
    release: str
    names: str

    def to_json(self) -> dict[str, Any]:
        """As MANIFEST.json holds it."""
        return asdict(self)


def find_selection(select: Path | str | None, work: Workspace) -> Selection | None:
    """The selection of a file; None without one. Errors are those of `load_selection`."""
    if select is None:
        return None
    if not work.images_file.exists():
        raise FileNotFoundError(
            f"{work} has no images to select from: `twigma rehydrate`, `twigma import` or `twigma add` bring some"
        )
    return load_selection(select)


def names_hash(selection: Selection) -> str:
    """A hash of the names that are selected, in whatever order."""
    return fingerprint(sorted(selection.names))


def with_selection(
    reasons: pa.ChunkedArray, table: pa.Table, selection: Selection, work: Workspace
) -> pa.ChunkedArray:
    """The reasons why rows are not released (string[n]), that of not being selected after all others."""
    chosen = selection.mask(table, work, work=work)
    nothing = pa.scalar(None, pa.string())
    other = pc.if_else(chosen, nothing, pa.scalar(NOT_SELECTED))
    return pc.coalesce(reasons, other)


def part_of(
    selection: Selection, identity: Identity, images: int, not_selected: int
) -> Part:
    """What a release of so many images is part of; without the selection there would be `not_selected` more."""
    return Part(
        images=images,
        of=images + not_selected,
        dataset=identity.title,
        release=selection.release,
        names=names_hash(selection),
    )


def named_as_part(identity: Identity) -> Identity:
    """The identity of the chosen images of a dataset."""
    name = f"{identity.name[: LONGEST_NAME - len(PART)]}{PART}"
    return replace(identity, title=f"{identity.title}{TITLE}", name=name)


def refuse_replacing(out: Path, selected: bool) -> None:
    """ValueError where a release of chosen images would replace a whole one, or the other way round."""
    if not (out / "MANIFEST.json").exists():
        return
    is_part = KEY in twigma.read_manifest(out)
    if is_part is selected:
        return
    there, new = "a whole release", "one of chosen images"
    if is_part:
        there, new = new.replace("one", "a release"), "a whole one"
    raise ValueError(
        f"{out} holds {there}, which {new} does not replace: name another folder with --out"
    )
