"""Images as models want them: decoded in threads beside the model, resized to its input, and hashed.

Resizing on the CPU costs more than everything else around a GPU, so it is done by torch on 8-bit pixels: at most one
grey level from what open_clip's own transform returns with Pillow, and at least twice as fast with decoding
(`benchmarks/builder/decode_resize.py`). Used by the stages with pixels, `twigma embed` and `twigma caption`.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
from PIL import Image

from twigma.core.machine import usable_cpus
from twigma.rehydrate.images.decode import read_pixels
from twigma.rehydrate.images.decode_memory import room
from twigma.rehydrate.images.jpeg import Pixels

if TYPE_CHECKING:
    import torch
    from open_clip.transform import PreprocessCfg

T = TypeVar("T")
Resize = Callable[[Pixels], "torch.Tensor"]

_decoders = max(2, usable_cpus())  # threads of this process
MAX_RATIO = 50  # of the long to the short side; models look at the central square


def share_cpus(count: int) -> None:
    """Have this process decode in so many threads: others of ours use the rest of the machine."""
    global _decoders  # noqa: PLW0603
    _decoders = max(2, count)


def decode(
    images: pa.ChunkedArray, process: Callable[[Pixels], T], threads: int | None = None
) -> list[T | None]:
    """`process(pixels)` of every encoded image, in order, in a thread per CPU; None where it cannot be decoded.

    Parameters
    ----------
    images : column of binary[n]
        Encoded images, without nulls.
    process
        Gets uint8[height, width, 3], upright RGB. It should return something small: pixels are dropped at once, so
        only a few pictures are ever held, and of large ones as many as the memory has room for.
    threads
        By default one a CPU, or of those that `share_cpus` leaves to this process; at least two.
    """

    def decode_one(data: pa.Scalar) -> T | None:
        encoded = data.as_py()
        with room(encoded):
            try:
                _, pixels = read_pixels(encoded)
            except (ValueError, OSError):
                return None
            return process(pixels)

    with ThreadPoolExecutor(threads or _decoders) as pool:
        return list(pool.map(decode_one, images))


def pixel_hash(pixels: Pixels) -> str:
    """SHA-256 of size and RGB pixels, uint8[h, w, 3]: equal for files that differ in encoding or metadata only."""
    digest = hashlib.sha256(f"RGB {pixels.shape[1::-1]}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def resizer(transform: Any, config: "PreprocessCfg", *, exact: bool = False) -> Resize:
    """A function from pixels uint8[height, width, 3] to a model's input, not yet normalised: uint8[3, h, w].

    `transform` is the one open_clip made of `config`, its preprocessing; it is followed to the byte if `exact`, and
    where torch would differ by more than one grey level: images that are enlarged, and tall ones, whose columns
    Pillow resizes before their rows; also if `config` asks for something rare (padding, an input that is not square).
    """
    import torch
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as steps

    # The last two steps make a tensor and normalise it; those before are about size.
    geometry = transform.transforms[:-2]
    height, width = config.input_size[1:]
    squash = config.resize_mode == "squash"
    square = config.resize_mode == "shortest" and height == width
    fast = not exact and (squash or square)
    target = [height, width] if squash else [height]
    tallest = 1 if squash else 2  # rows to columns, up to which torch agrees
    interpolation = InterpolationMode(config.interpolation)

    def resize(pixels: Pixels) -> "torch.Tensor":
        pixels = _crop_very_long(pixels)
        rows, row = pixels.shape[:2]
        shrinks = rows >= height and row >= width
        if fast and shrinks and rows <= tallest * row:
            # torch wants pixels that it may write to, one after the other.
            contiguous = np.require(pixels, requirements=["C", "W"])
            tensor = torch.from_numpy(contiguous).permute(2, 0, 1)
            smaller = steps.resize(tensor, target, interpolation, antialias=True)
            cropped: torch.Tensor = steps.center_crop(smaller, [height, width])
            return cropped
        image = Image.fromarray(pixels)
        for step in geometry:
            image = step(image)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    return resize


def _crop_very_long(pixels: Pixels) -> Pixels:
    """The middle of a very long image, so that bringing its short side to the model's size stays small in memory."""
    rows, row = pixels.shape[:2]
    limit = MAX_RATIO * min(rows, row)
    top = max(0, (rows - limit) // 2)
    left = max(0, (row - limit) // 2)
    return pixels[top : rows - top, left : row - left]
