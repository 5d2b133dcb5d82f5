"""How far the embeddings of a coarse precision are from those in fp32, measured on some of the folder's own images.

`twigma embed --precision int8` measures it before it starts, since it depends on the model and on the images.
"""

import contextlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.builder.engine.engine import devices
from twigma.builder.engine.pixels import decode
from twigma.builder.models.clip_names import Model
from twigma.builder.stages.clip_encoder import choose_placement, load_on
from twigma.core.progress import notice
from twigma.core.workspace import Workspace
from twigma.rehydrate.images.shards import list_shards, read_images

SAMPLE = 32  # images, the first of the folder
TEXT = (
    "embeddings in {precision} differ from those in fp32: 1 - cosine is {mean:.1g} on average and at most {most:.1g}, "
    "of {count} images of this folder"
)


def measure_deviation(
    work: Workspace, model: Model, device: str | None, precision: str, resize: str
) -> float | None:
    """The largest 1 - cosine between embeddings in this precision and in fp32, to two digits; None without an image.

    It is also shown. ValueError where the device has no such precision.
    """
    place, precision = choose_placement(devices(device)[0], precision)
    coarse, exact = (
        _embedded(work, model, place, one, resize) for one in (precision, "fp32")
    )
    if not len(exact):
        return None
    cosine = np.einsum("ij,ij->i", coarse, exact)
    cosine /= np.linalg.norm(coarse, axis=1) * np.linalg.norm(exact, axis=1)
    away = np.clip(1 - cosine, 0, None)
    mean, most = float(away.mean()), float(away.max())
    notice(TEXT.format(precision=precision, mean=mean, most=most, count=len(away)))
    return float(f"{most:.1e}")


def _embedded(
    work: Workspace, model: Model, device: str, precision: str, resize: str
) -> npt.NDArray[np.float64]:
    """float64[n, dim] of the first images of the folder that can be decoded."""
    encoder = load_on(model, device, precision, resize)
    decoded = decode(_first_images(work), encoder.prepare)
    inputs = [image for image in decoded if image is not None]
    return encoder.forward(inputs).astype(np.float64)


def _first_images(work: Workspace) -> pa.ChunkedArray:
    """Stored images of the first shard that can be read and has any; the stage reports those that cannot."""
    for shard in list_shards(work):
        with contextlib.suppress(ValueError, OSError):
            for block in read_images(shard, SAMPLE):
                return block["image"]
    return pa.chunked_array([], pa.binary())
