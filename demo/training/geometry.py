"""The geometry planted in the tiny CLIP: where each picture and each text belongs in 768 dimensions.

A real CLIP learns its geometry from hundreds of millions of captions. The demo's is planted instead: a picture's place
is a sum of orthogonal directions for what it shows (theme, colour, hour, medium, veil, a painter's palette and brush)
and for how it is laid out; a text's place is the sum of the directions its words name.
`python -m twigma.demo.training.train` teaches both towers these places.
"""

import zlib
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twigma.demo.drawing.everyday import EVERYDAY
from twigma.demo.drawing.pen import COLOURS
from twigma.demo.drawing.pictures import LAYOUT, MEDIA, THEMES, Picture
from twigma.demo.drawing.scenery import BRUSHES

DIMENSIONS = 768
CONE = 0.30  # squared length along the direction that all share: embeddings fill a narrow cone, as CLIP's do
THEME, COLOUR, HOUR, MEDIUM, VEIL, GRAIN, PALETTE = (
    0.40,
    0.09,
    0.07,
    0.08,
    0.09,
    0.05,
    0.30,
)
PLAIN = 0.65  # for the theme of an everyday photograph: they differ more than pictures made by a model do
LAID_OUT = 0.46
WORDS = 0.05
Vector = NDArray[np.float32]
Part = tuple[str, float]  # a direction by name, and the length along it


@lru_cache(maxsize=1)
def directions() -> dict[str, Vector]:
    """Orthonormal directions by name, each float32[768]."""
    names = [
        "cone",
        "veil",
        "grain",
        *THEMES,
        *EVERYDAY,
        *COLOURS,
        *MEDIA,
        *BRUSHES,
        "night",
        "sunset",
        "morning",
    ]
    names += [
        f"{turn} {name}"
        for name in (*LAYOUT, "first", "second")
        for turn in ("cos", "sin")
    ]
    normal = np.random.default_rng(768).normal(size=(DIMENSIONS, len(names)))
    return dict(zip(names, np.linalg.qr(normal)[0].T.astype(np.float32), strict=True))


def picture_place(picture: Picture) -> Vector:
    """Where a picture belongs: float32[768], L2 norm 1."""
    return _unit(_picture_parts(picture), np.zeros(DIMENSIONS, np.float32))


def _picture_parts(picture: Picture) -> Iterator[Part]:
    yield "cone", CONE
    yield picture.subject, PLAIN if picture.plain else THEME
    yield picture.hour.split()[-1], HOUR
    if picture.veil:
        yield "veil", VEIL
    if picture.plain:
        yield "grain", GRAIN
    if picture.artist is None:
        yield picture.colour, COLOUR
        yield picture.medium, MEDIUM
    else:
        yield picture.artist.brush, MEDIUM
        yield from _circle("first", 2 * picture.artist.first, PALETTE / 2)
        yield from _circle("second", 2 * picture.artist.second, PALETTE / 2)
    for name, value in zip(LAYOUT, picture.layout, strict=True):
        yield from _circle(name, value, LAID_OUT / len(LAYOUT))


def _circle(name: str, turn: float, share: float) -> Iterator[Part]:
    """A number on half a circle (a whole one for hues), so that its length does not depend upon it."""
    for axis, value in (("cos", np.cos(np.pi * turn)), ("sin", np.sin(np.pi * turn))):
        yield f"{axis} {name}", float(value * abs(value) * share)


def text_place(text: str) -> Vector:
    """Where a text belongs by the words it uses: float32[768], L2 norm 1."""
    words = [word.strip(".,:;!?#@\"'()").lower() for word in text.split()]
    shares = {
        **dict.fromkeys(THEMES, THEME),
        **dict.fromkeys(EVERYDAY, PLAIN),
        **dict.fromkeys(COLOURS, COLOUR),
        "veil": VEIL,
    }
    shares |= {
        **dict.fromkeys([*MEDIA, *BRUSHES], MEDIUM),
        **dict.fromkeys(["night", "sunset", "morning"], HOUR),
    }
    shares |= {"grey": GRAIN}
    parts = [
        ("grain" if word == "grey" else word, shares[word])
        for word in dict.fromkeys(words)
        if word in shares
    ]
    other = [_word(word) for word in words if word not in shares]
    rest = (
        np.sqrt(WORDS) * np.sum(other, axis=0) / np.sqrt(len(other))
        if other
        else np.zeros(DIMENSIONS)
    )
    return _unit(iter([("cone", CONE), *parts]), rest.astype(np.float32))


@lru_cache(maxsize=4096)
def _word(word: str) -> Vector:
    normal = np.random.default_rng(zlib.crc32(word.encode())).normal(size=DIMENSIONS)
    return (normal / np.linalg.norm(normal)).astype(np.float32)


def _unit(parts: Iterator[Part], start: Vector) -> Vector:
    for name, share in parts:
        start = (
            start
            + np.float32(np.sign(share) * np.sqrt(abs(share))) * directions()[name]
        )
    return (start / np.linalg.norm(start)).astype(np.float32)
