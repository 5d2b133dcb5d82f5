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
# Squared lengths along directions. The one that all share makes embeddings fill a narrow cone, as CLIP's do.
CONE = 0.30
THEME = 0.40
COLOUR = 0.09
HOUR = 0.07
MEDIUM = 0.08
VEIL = 0.09
GRAIN = 0.05
PALETTE = 0.30
PLAIN = 0.65  # for the theme of an everyday photograph: they differ more than pictures made by a model do
LAID_OUT = 0.46
WORDS = 0.05
HOUR_WORDS = ("night", "sunset", "morning")
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
        *HOUR_WORDS,
    ]
    for name in (*LAYOUT, "first", "second"):
        names += [f"cos {name}", f"sin {name}"]
    normal = np.random.default_rng(768).normal(size=(DIMENSIONS, len(names)))
    orthonormal, _ = np.linalg.qr(normal)
    return dict(zip(names, orthonormal.T.astype(np.float32), strict=True))


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
    cosine, sine = np.cos(np.pi * turn), np.sin(np.pi * turn)
    # A share is a squared length: the square keeps the sign of what it squares.
    yield f"cos {name}", float(cosine * abs(cosine) * share)
    yield f"sin {name}", float(sine * abs(sine) * share)


def text_place(text: str) -> Vector:
    """Where a text belongs by the words it uses: float32[768], L2 norm 1."""
    words = [word.strip(".,:;!?#@\"'()").lower() for word in text.split()]
    shares = _word_shares()
    parts = [("cone", CONE)]
    for word in dict.fromkeys(words):
        if word in shares:
            # Captions call the film grain of an everyday photograph grey.
            name = "grain" if word == "grey" else word
            parts.append((name, shares[word]))
    other = [_word(word) for word in words if word not in shares]
    rest = np.zeros(DIMENSIONS)
    if other:
        rest = np.sqrt(WORDS) * np.sum(other, axis=0) / np.sqrt(len(other))
    return _unit(iter(parts), rest.astype(np.float32))


def _word_shares() -> dict[str, float]:
    """The squared length that each word with a direction of its own adds to a text."""
    return {
        **dict.fromkeys(THEMES, THEME),
        **dict.fromkeys(EVERYDAY, PLAIN),
        **dict.fromkeys(COLOURS, COLOUR),
        "veil": VEIL,
        **dict.fromkeys([*MEDIA, *BRUSHES], MEDIUM),
        **dict.fromkeys(HOUR_WORDS, HOUR),
        "grey": GRAIN,
    }


@lru_cache(maxsize=4096)
def _word(word: str) -> Vector:
    # The same direction in every process, which `hash` would not give.
    seed = zlib.crc32(word.encode())
    normal = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return (normal / np.linalg.norm(normal)).astype(np.float32)


def _unit(parts: Iterator[Part], start: Vector) -> Vector:
    for name, share in parts:
        length = np.float32(np.sign(share) * np.sqrt(abs(share)))
        start = start + length * directions()[name]
    return (start / np.linalg.norm(start)).astype(np.float32)
