"""From a JPEG to a model's input of 224 pixels: `builder/engine/pixels.py` against open_clip's own transform, one
thread each.

Goal: at least 2x per core, at most one grey level apart. The first rows end in 8-bit levels on both sides, like for
like; the last is open_clip's transform as its users call it, normalised, against ours, which the device normalises.
Run: `python -m benchmarks.builder.decode_resize`.
"""

import io

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg
from PIL import Image

from benchmarks.harness.interleaved import versus
from benchmarks.harness.photos import jpegs
from twigma.builder.engine.pixels import resizer
from twigma.rehydrate.images.decode import read_pixels

COUNT = 150
SIZES = ((512, 512), (680, 680), (1200, 900))


def main() -> None:
    """Print a row for each size."""
    torch.set_num_threads(1)
    transform = open_clip.image_transform(224, is_train=False)
    ours = resizer(transform, PreprocessCfg())

    def fast(files: list[bytes]) -> list[torch.Tensor]:
        return [ours(read_pixels(data)[1]) for data in files]

    def levels(files: list[bytes]) -> list[torch.Tensor]:
        resize, crop = transform.transforms[:2]
        images = (
            crop(resize(Image.open(io.BytesIO(data)))).convert("RGB") for data in files
        )
        return [torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images]

    def whole(files: list[bytes]) -> list[torch.Tensor]:
        return [transform(Image.open(io.BytesIO(data))) for data in files]

    def quality(mine: list[torch.Tensor], theirs: list[torch.Tensor]) -> str:
        ours, peers = torch.stack(mine).int(), torch.stack(theirs).int()
        apart = (ours - peers).abs()
        largest, mean = int(apart.max()), float(apart.float().mean())
        return f"at most {largest} grey level apart, {mean:.4f} on average"

    for width, height in SIZES:
        files = jpegs(COUNT, width, height)
        name = f"{COUNT} JPEGs of {width} x {height} to 224"
        versus(
            f"{name} | PIL, 8 bits",
            lambda: fast(files),  # noqa: B023
            lambda: levels(files),  # noqa: B023
            quality=quality,
        )
        if (width, height) == SIZES[0]:
            versus(
                f"{name} | open_clip",
                lambda: fast(files),  # noqa: B023
                lambda: whole(files),  # noqa: B023
                quality=lambda *_: "",
            )


if __name__ == "__main__":
    main()
