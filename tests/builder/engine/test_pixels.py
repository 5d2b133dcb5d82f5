"""Resizing against open_clip's own transform, grey level by grey level, on every kind of file."""

import threading
from pathlib import Path

import numpy as np
import open_clip
import pyarrow as pa
import pytest
import torch
from open_clip.transform import PreprocessCfg
from PIL import Image
from support.staging import encode, pixels

from twigma.builder.engine import pixels as stage
from twigma.rehydrate.images.decode import open_image, read_pixels

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "real"
SIZES = [
    (512, 512),
    (680, 510),
    (510, 680),
    (1200, 900),
    (100, 100),
    (224, 224),
    (225, 224),
    (60, 900),
    (37, 53),
]
SIZES += [(300, 599), (300, 601), (257, 813), (813, 257), (1000, 460)]


def noisy(width, height):
    """A picture with edges and noise, which shows every difference of two filters."""
    rng = np.random.default_rng(width * height)
    smooth = pixels(width, height, width).astype(int) + rng.integers(
        -40, 40, (height, width, 3)
    )
    return smooth.clip(0, 255).astype(np.uint8)


def of(**settings):
    config = PreprocessCfg(**settings)
    transform = open_clip.image_transform(
        config.size,
        is_train=False,
        resize_mode=config.resize_mode,
        interpolation=config.interpolation,
    )
    return transform, config


def normalised(levels, config):
    mean, std = (
        torch.tensor(values).view(3, 1, 1) for values in (config.mean, config.std)
    )
    return (levels / 255 - mean) / std


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"size": 336},
        {"interpolation": "bilinear"},
        {"resize_mode": "squash"},
        {"resize_mode": "longest"},
    ],
    ids=str,
)
def test_at_most_one_grey_level_from_open_clip(size, settings):
    transform, config = of(**settings)
    picture = noisy(*size)
    theirs = transform(Image.fromarray(picture))
    fast, exact = (
        stage.resizer(transform, config, exact=exact)(picture)
        for exact in (False, True)
    )
    assert (
        fast.dtype == exact.dtype == torch.uint8
        and fast.shape == exact.shape == theirs.shape
    )
    assert torch.equal(normalised(exact, config), theirs)
    difference = (fast.int() - exact.int()).abs()
    assert (
        (difference > 1).float().mean() <= 1e-5 and difference.max() <= 2
    )  # two: rounded twice, on noise only
    assert difference.float().mean() < 0.02


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "gray", "turned", "CMYK"])
def test_from_a_file_to_the_model(kind):
    """Decoding included: JPEGs are decoded by libjpeg-turbo on both sides."""
    picture = Image.fromarray(noisy(400, 300))
    options = {"quality": 90} if kind != "PNG" else {}
    if kind == "gray":
        data = encode(picture.convert("L"), **options)
    elif kind == "CMYK":
        data = encode(picture.convert("CMYK"), **options)
    elif kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        data = encode(picture, exif=exif.tobytes(), **options)
    else:
        data = encode(picture, kind, **options)
    transform, config = of()
    fast = stage.resizer(transform, config)(read_pixels(data)[1])
    theirs = transform(open_image(data))
    levels = (
        (theirs * torch.tensor(config.std).view(3, 1, 1))
        + torch.tensor(config.mean).view(3, 1, 1)
    ) * 255
    difference = (fast - levels).abs()
    assert (difference > 1.001).float().mean() <= 1e-5 and difference.max() <= 2.001


@pytest.mark.skipif(
    not SHARED.exists(), reason="the shared real photographs are not here"
)
def test_at_most_one_grey_level_on_photographs():
    transform, config = of()
    for path in sorted(SHARED.glob("*.jpg")):
        pixels = read_pixels(path.read_bytes())[1]
        fast, exact = (
            stage.resizer(transform, config, exact=exact)(pixels).int()
            for exact in (False, True)
        )
        assert (fast - exact).abs().max() <= 1


def test_hashes_and_order_are_kept_in_threads():
    pictures = [noisy(40 + i, 30) for i in range(20)]
    blobs = pa.chunked_array(
        [pa.array([encode(one, "PNG") for one in pictures] + [b"<html>"], pa.binary())]
    )
    assert stage.decode(blobs, stage.pixel_hash) == [
        *map(stage.pixel_hash, pictures),
        None,
    ]


def test_a_process_leaves_cpus_to_others(monkeypatch):
    monkeypatch.setattr(stage, "_decoders", stage._decoders)
    stage.share_cpus(3)
    blobs = pa.chunked_array([pa.array([encode(noisy(40, 30))] * 12, pa.binary())])
    together = threading.Barrier(3)

    def look(_):
        together.wait(timeout=20)
        return threading.get_ident()

    assert len(set(stage.decode(blobs, look))) == 3
