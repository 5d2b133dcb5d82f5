"""Trains the tiny models that the demo ships: `python -m twigma.demo.training.train [FOLDER]`.

A CLIP, a BLIP and an NSFW head, from pictures like the world's that the world never shows. Seeded; about ten minutes on
two cores, one for each of the larger models.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twigma.demo.training.lessons import Lessons, lessons, one_thread, workers
from twigma.demo.training.train_blip import train_blip
from twigma.demo.training.train_clip import train_clip
from twigma.demo.training.train_nsfw import train_nsfw

MODELS = Path(__file__).parents[1] / "models"
PICTURES, SEED = 12_000, 1
CLIP_EPOCHS, BLIP_EPOCHS = 18, 22


def train(
    folder: Path = MODELS,
    pictures: int = PICTURES,
    share: float = 1.0,
    processes: int = 2,
) -> None:
    """Train all three models and write them to `folder`; `share` is the part of the full number of epochs."""
    started = time.monotonic()
    lesson = lessons(pictures, SEED, processes=processes)
    jobs = [
        (train_clip, folder / "clip", lesson, max(1, round(CLIP_EPOCHS * share))),
        (train_blip, folder / "blip", lesson, max(1, round(BLIP_EPOCHS * share))),
    ]
    with workers(processes) as pool:
        if pool is None:
            for job in jobs:
                _alone(*job)
        else:
            for done in [pool.submit(_alone, *job) for job in jobs]:
                done.result()
    with one_thread():
        veiled = np.array([picture.veil for picture in lesson.pictures])
        embedded = embeddings(folder / "clip", lesson.pixels[:, 0])
        train_nsfw(folder / "nsfw.safetensors", embedded, veiled)
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
    print(f"models in {folder}: {time.monotonic() - started:.0f} s")


def _alone(
    teach: Callable[[Path, Lessons, int], None],
    folder: Path,
    lesson: Lessons,
    epochs: int,
) -> None:
    with one_thread():
        teach(folder, lesson, epochs)


def embeddings(clip: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Unit embeddings float16[n, 768] of 64-pixel pictures."""
    from PIL import Image

    from twigma.builder.stages.clip_encoder import load_encoder

    images = [Image.fromarray(picture) for picture in pixels]
    return load_encoder(str(clip)).encode(images)


if __name__ == "__main__":
    train(Path(sys.argv[1]) if sys.argv[1:] else MODELS)
