"""The pictures the tiny models learn from: like the world's, drawn from seeds the world never uses.

`python -m twigma.demo.training.train` draws them; nothing is kept on disk.
"""

import io
import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from twigma.core.pools.child_process import die_with
from twigma.demo.drawing import pictures
from twigma.demo.drawing.pictures import THEMES, Picture
from twigma.demo.drawing.scenery import Rng

PIXELS = 64
STREAM = 900_000  # the world's own streams are small numbers
PER_ARTIST = 6


@dataclass(frozen=True)
class Lessons:
    """Pictures, and each one's pixels as two different files of it show them: uint8[n, 2, 64, 64, 3]."""

    pictures: list[Picture]
    pixels: NDArray[np.uint8]


def lessons(
    count: int,
    seed: int,
    everyday: float = 0.1,
    painted: float = 0.15,
    processes: int = 2,
) -> Lessons:
    """`count` random pictures, of which these shares are everyday photographs and artists' paintings."""
    rng = np.random.default_rng([STREAM, seed])
    photographs, paintings = int(count * everyday), int(count * painted)
    shown = [*_posts(rng, count - photographs - paintings)]
    shown += [pictures.sample_photograph(rng) for _ in range(photographs)]
    for number in range(math.ceil(paintings / PER_ARTIST)):
        artist = pictures.sample_artist(rng, number)
        shown += [pictures.sample_painting(rng, artist) for _ in range(PER_ARTIST)]
    order = rng.permutation(len(shown))[:count]
    chosen = [shown[at] for at in order]
    with workers(processes) as pool:
        seen = pool.map(_seen, chosen, chunksize=64) if pool else map(_seen, chosen)
        pixels = np.stack(list(seen))
    return Lessons(chosen, pixels)


@contextmanager
def workers(processes: int) -> Iterator[Executor | None]:
    """A pool of fresh processes that end with this one, or None where one process is enough."""
    if processes <= 1:
        yield None
        return
    # Fork would copy torch's threads half-way through whatever they do.
    context = multiprocessing.get_context("spawn")
    parent = os.getpid()
    with ProcessPoolExecutor(processes, context, die_with, (parent,)) as pool:
        yield pool


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: the matrices are so small that more threads mostly wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _posts(rng: Rng, count: int) -> Iterator[Picture]:
    for number in range(count):
        theme = THEMES[number % len(THEMES)]
        picture = pictures.sample(rng, theme, veil=bool(rng.random() < 0.2))
        if rng.random() < 0.06:
            shape = (256, 384) if number % 2 else (384, 256)
            picture = replace(picture, size=shape)
        yield picture


def _seen(picture: Picture) -> NDArray[np.uint8]:
    """One picture as two files show it: the first encoding, and a smaller re-encoded copy. uint8[2, 64, 64, 3]."""
    image = pictures.draw(picture)
    rng = np.random.default_rng(picture.seed + 1)
    side = float(rng.uniform(0.7, 1.0))
    size = (int(image.width * side), int(image.height * side))
    copy = image.resize(size, Image.Resampling.LANCZOS)
    quality = int(rng.integers(60, 90))
    files = [pictures.encode(image), pictures.encode(copy, quality=quality)]
    return np.stack([thumbnail(Image.open(io.BytesIO(data))) for data in files])


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """The middle square at 64 pixels, as CLIP's preprocessing cuts it: uint8[64, 64, 3]."""
    square = ImageOps.fit(image, (PIXELS, PIXELS), Image.Resampling.BICUBIC)
    return np.asarray(square, np.uint8)


def captions(shown: Sequence[Picture]) -> list[str]:
    """The true captions."""
    return [pictures.caption(picture) for picture in shown]
