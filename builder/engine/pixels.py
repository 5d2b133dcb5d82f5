"""Images as models want them: decoded in threads beside the model, resized to its input, and hashed.

Resizing on the CPU costs more than everything else around a GPU, so it is done by torch on 8-bit pixels: at most one
grey level from what open_clip's own transform gives with Pillow, and at least twice as fast with decoding
(`benchmarks/decode_resize.py`). Used by the stages with pixels, `twigma embed` and `twigma caption`.
"""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
from PIL import Image

from twigma.rehydrate.images.decode import read_pixels
from twigma.rehydrate.images.decode_memory import room
from twigma.rehydrate.images.jpeg import Pixels

if TYPE_CHECKING:
    import torch
    from open_clip.transform import PreprocessCfg

T = TypeVar("T")
Resize = Callable[[Pixels], "torch.Tensor"]

MAX_RATIO = 50  # of the long to the short side; models look at the central square


def decode(
    images: pa.ChunkedArray, treat: Callable[[Pixels], T], threads: int | None = None
) -> list[T | None]:
    """`treat(pixels)` of every encoded image, in order, in a thread per CPU; None where it cannot be decoded.

    Pixels are uint8[height, width, 3], upright RGB. `treat` should return something small: they are dropped at once,
    so only a few pictures are ever held, and of large ones as many as the memory has room for.
    """

    def one(data: pa.Scalar) -> T | None:
        encoded = data.as_py()
        with room(encoded):
            try:
                pixels = read_pixels(encoded)[1]
            except (ValueError, OSError):
                return None
            return treat(pixels)

    with ThreadPoolExecutor(threads or max(2, os.cpu_count() or 1)) as pool:
        return list(pool.map(one, images))


def pixel_hash(pixels: Pixels) -> str:
    """SHA-256 of the size and the decoded RGB pixels: equal for files that differ in encoding or metadata only."""
    digest = hashlib.sha256(f"RGB {pixels.shape[1::-1]}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def resizer(transform: Any, config: "PreprocessCfg", *, exact: bool = False) -> Resize:
    """A function from pixels uint8[height, width, 3] to a model's input before it is normalised, uint8[3, h, w].

    `transform` is the one open_clip made of `config`, its preprocessing; it is followed to the byte if `exact`, and
    where torch would differ by more than one grey level: images that are enlarged, and tall ones, whose columns
    Pillow resizes before their rows; also if `config` asks for something rare (padding, an input that is not square).
    """
    import torch
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as steps

    geometry = transform.transforms[
        :-2
    ]  # what follows makes a tensor and normalises it
    height, width = config.input_size[1:]
    squash = config.resize_mode == "squash"
    alike = not exact and (
        squash or (config.resize_mode == "shortest" and height == width)
    )
    wanted, tallest = ([height, width], 1) if squash else ([height], 2)
    interpolation = InterpolationMode(config.interpolation)

    def resize(pixels: Pixels) -> "torch.Tensor":
        pixels = _centre(pixels)
        rows, row = pixels.shape[:2]
        if alike and rows >= height and row >= width and rows <= tallest * row:
            tensor = torch.from_numpy(
                np.require(pixels, requirements=["C", "W"])
            ).permute(2, 0, 1)
            smaller = steps.resize(tensor, wanted, interpolation, antialias=True)
            cropped: torch.Tensor = steps.center_crop(smaller, [height, width])
            return cropped
        image = Image.fromarray(pixels)
        for step in geometry:
            image = step(image)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    return resize


def _centre(pixels: Pixels) -> Pixels:
    """The middle of a very long image, so that bringing its short side to the model's size stays small in memory."""
    limit = MAX_RATIO * min(pixels.shape[:2])
    top, left = (max(0, (side - limit) // 2) for side in pixels.shape[:2])
    return pixels[top : pixels.shape[0] - top, left : pixels.shape[1] - left]
