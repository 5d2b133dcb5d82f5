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
PROMPT_SHARES = (
    4,
    4,
    9,
    8,
    4,
    8,
    8,
    8,
    4,
    3,
)  # prompts of each theme in sixty: the planted q
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
        return [
            note.get("artist") or note.get("prompt") or str(row)
            for row, note in enumerate(self.notes)
        ]

    def write(self, path: Path, files: list[bytes]) -> None:
        """Write the tar; equal content is equal bytes."""
        with atomic(path) as partial, tarfile.open(partial, "w") as tar:
            for row, (data, note) in enumerate(zip(files, self.notes, strict=True)):
                key = FIRST_KEY[self.name] + row
                _member(tar, f"{key}.jpg", data)
                _member(tar, f"{key}.json", json.dumps(note, sort_keys=True).encode())


def _member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def draw_references(size: int, rng: Rng) -> list[Reference]:
    """The three sets, `size` pictures each."""
    return [_photographs(size, rng), _paintings(size, rng), _prompts(size, rng)]


def _photographs(size: int, rng: Rng) -> Reference:
    shown = [pictures.sample_photograph(rng) for _ in range(size)]
    return Reference(
        "photographs",
        shown,
        [{"caption": pictures.caption(picture)} for picture in shown],
    )


def _paintings(size: int, rng: Rng) -> Reference:
    artists = [
        pictures.sample_artist(rng, number) for number in range(size // PER_ARTIST)
    ]
    shown = [
        pictures.sample_painting(rng, artist)
        for artist in artists
        for _ in range(PER_ARTIST)
    ]
    names = [
        str(picture.artist.name) for picture in shown if picture.artist is not None
    ]
    return Reference("paintings", shown, [{"artist": name} for name in names])


def _prompts(size: int, rng: Rng) -> Reference:
    count = size // PER_PROMPT
    ends = np.rint(np.cumsum(PROMPT_SHARES) / sum(PROMPT_SHARES) * count).astype(int)
    themes = np.repeat(THEMES, np.diff(ends, prepend=0))
    shown: list[Picture] = []
    notes: list[dict[str, str]] = []
    for theme in themes.tolist():
        first = pictures.sample(rng, theme)
        extras = rng.choice(
            texts.PROMPT_WORDS, int(rng.integers(0, 9)), replace=False
        ).tolist()
        prompt = texts.prompt_text(pictures.caption(first), extras)
        shown += [_again(first, len(extras), rng) for _ in range(PER_PROMPT)]
        notes += [{"prompt": prompt}] * PER_PROMPT
    return Reference("prompts", shown, notes)


def _again(first: Picture, extras: int, rng: Rng) -> Picture:
    """Another image of a prompt: its words stay, the layout varies, less so the more the prompt asks for."""
    spread = 1.0 - 0.04 * extras
    layout = 0.5 + spread * (rng.random(len(LAYOUT)) - 0.5)
    return replace(first, layout=tuple(layout.tolist()), seed=int(rng.integers(2**31)))
