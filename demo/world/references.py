"""The demo's reference sets as WebDataset tars: everyday photographs, paintings by artist, images by prompt.

They play the parts of LAION, ArtBench and DiffusionDB in the paper; `demo/world/build.py` writes them.
"""

import io
import json
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twigma.core.files import atomic
from twigma.demo.drawing import pictures
from twigma.demo.drawing.pictures import LAYOUT, THEMES, Picture
from twigma.demo.drawing.scenery import Rng
from twigma.demo.world import texts

PER_ARTIST, PER_PROMPT = 20, 10
# Prompts of each theme in sixty: the planted q.
PROMPT_SHARES = (4, 4, 9, 8, 4, 8, 8, 8, 4, 3)
FIRST_KEY = {
    "photographs": 100_000_001,
    "paintings": 200_000_001,
    "prompts": 300_000_001,
}


@dataclass(frozen=True)
class Reference:
    """A set: its name, its pictures, and what its json members say of each."""

    name: str
    pictures: list[Picture]
    notes: list[dict[str, str]]

    def groups(self) -> list[str]:
        """The artist or prompt of each picture; its key where it has none."""
        groups = []
        for row, note in enumerate(self.notes):
            groups.append(note.get("artist") or note.get("prompt") or str(row))
        return groups

    def write(self, path: Path, files: list[bytes]) -> None:
        """Write the tar; equal content is equal bytes."""
        with atomic(path) as partial, tarfile.open(partial, "w") as tar:
            for row, (data, note) in enumerate(zip(files, self.notes, strict=True)):
                key = FIRST_KEY[self.name] + row
                text = json.dumps(note, sort_keys=True)
                _member(tar, f"{key}.jpg", data)
                _member(tar, f"{key}.json", text.encode())


def _member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def draw_references(size: int, rng: Rng) -> list[Reference]:
    """The three sets, `size` pictures each."""
    return [_photographs(size, rng), _paintings(size, rng), _prompts(size, rng)]


def _photographs(size: int, rng: Rng) -> Reference:
    shown = [pictures.sample_photograph(rng) for _ in range(size)]
    notes = [{"caption": pictures.caption(picture)} for picture in shown]
    return Reference("photographs", shown, notes)


def _paintings(size: int, rng: Rng) -> Reference:
    count = size // PER_ARTIST
    artists = [pictures.sample_artist(rng, number) for number in range(count)]
    shown: list[Picture] = []
    notes: list[dict[str, str]] = []
    for artist in artists:
        shown += [pictures.sample_painting(rng, artist) for _ in range(PER_ARTIST)]
        notes += [{"artist": artist.name}] * PER_ARTIST
    return Reference("paintings", shown, notes)


def _prompts(size: int, rng: Rng) -> Reference:
    count = size // PER_PROMPT
    shares = np.cumsum(PROMPT_SHARES) / sum(PROMPT_SHARES)
    ends = np.rint(shares * count).astype(int)
    themes = np.repeat(THEMES, np.diff(ends, prepend=0))
    shown: list[Picture] = []
    notes: list[dict[str, str]] = []
    for theme in themes.tolist():
        first = pictures.sample(rng, theme)
        many = int(rng.integers(0, 9))
        extras = rng.choice(texts.PROMPT_WORDS, many, replace=False).tolist()
        prompt = texts.prompt_text(pictures.caption(first), extras)
        shown += [_again(first, len(extras), rng) for _ in range(PER_PROMPT)]
        notes += [{"prompt": prompt}] * PER_PROMPT
    return Reference("prompts", shown, notes)


def _again(first: Picture, extras: int, rng: Rng) -> Picture:
    """Another image of a prompt: its words stay, the layout varies, less so the more the prompt asks for."""
    spread = 1.0 - 0.04 * extras
    layout = 0.5 + spread * (rng.random(len(LAYOUT)) - 0.5)
    seed = int(rng.integers(2**31))
    return replace(first, layout=tuple(layout.tolist()), seed=seed)
