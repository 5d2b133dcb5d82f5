"""Trains the tiny models that the demo ships: `python -m twigma.demo.train [FOLDER]`.

A CLIP, a BLIP and an NSFW head, from pictures like the world's that the world never shows. Seeded; about ten minutes on
two cores.
"""

import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twigma.demo.lessons import lessons
from twigma.demo.train_blip import train_blip
from twigma.demo.train_clip import train_clip
from twigma.demo.train_nsfw import train_nsfw

MODELS = Path(__file__).parent / "models"
PICTURES = 12_000


def train(folder: Path = MODELS, pictures: int = PICTURES, epochs: int = 16, seed: int = 1) -> None:
    """Train all three models and write them to `folder`."""
    started = time.monotonic()
    lesson = lessons(pictures, seed)
    train_clip(folder / "clip", lesson, epochs)
    train_blip(folder / "blip", lesson, epochs)
    veiled = np.array([picture.veil for picture in lesson.pictures])
    train_nsfw(folder / "nsfw.safetensors", embeddings(folder / "clip", lesson.pixels[:, 0]), veiled)
    print(f"models in {folder}: {time.monotonic() - started:.0f} s")


def embeddings(clip: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Unit embeddings float16[n, 768] of 64-pixel pictures."""
    from PIL import Image

    from twigma.builder.embed import load_encoder

    return load_encoder(str(clip)).encode([Image.fromarray(picture) for picture in pixels])


if __name__ == "__main__":
    train(Path(sys.argv[1]) if sys.argv[1:] else MODELS)
