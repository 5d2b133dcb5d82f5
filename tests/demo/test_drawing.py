"""The demo's pictures: deterministic, of the promised shapes, and different where their words differ."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twigma.demo.drawing import everyday, pictures, scenery
from twigma.demo.drawing.pictures import MEDIA, THEMES, Picture

PLAIN = Picture("castle", "red", "at night", "drawing", (0.5,) * 6, 3)


def pixels(picture: Picture) -> np.ndarray:
    return np.asarray(pictures.draw(picture), np.float32)


def test_every_theme_and_everyday_subject_draws() -> None:
    for number, subject in enumerate([*THEMES, *everyday.EVERYDAY]):
        image = pictures.draw(
            replace(PLAIN, subject=subject, medium=MEDIA[number % 3], seed=number)
        )
        assert image.size == (256, 256)
        assert image.mode == "RGB"
        assert np.asarray(image).std() > 15


def test_the_same_picture_is_the_same_bytes() -> None:
    for medium in MEDIA:
        picture = replace(PLAIN, medium=medium, veil=True)
        assert pictures.encode(pictures.draw(picture)) == pictures.encode(
            pictures.draw(picture)
        )


@pytest.mark.parametrize(
    "change",
    [{"colour": "green"}, {"hour": "at sunset"}, {"medium": "photo"}, {"veil": True}],
)
def test_what_a_caption_says_is_visible(change: dict[str, object]) -> None:
    other = replace(PLAIN, **change)  # type: ignore[arg-type]
    assert np.abs(pixels(other) - pixels(PLAIN)).mean() > 4
    assert pictures.caption(other) != pictures.caption(PLAIN)


def test_the_main_colour_is_the_colour_named() -> None:
    red = pixels(replace(PLAIN, medium="photo", hour="in the morning", subject="ocean"))
    blue = pixels(
        replace(
            PLAIN, medium="photo", hour="in the morning", subject="ocean", colour="blue"
        )
    )
    middle = (slice(150, 220), slice(60, 200))
    assert red[middle][..., 0].mean() > red[middle][..., 2].mean() + 20
    assert blue[middle][..., 2].mean() > blue[middle][..., 0].mean() + 20


@pytest.mark.parametrize("size", [(384, 256), (256, 384), (512, 288)])
def test_odd_shapes(size: tuple[int, int]) -> None:
    for medium in MEDIA:
        assert (
            pictures.draw(replace(PLAIN, size=size, medium=medium, veil=True)).size
            == size
        )


def test_photographs_are_paler_than_posts() -> None:
    rng = np.random.default_rng(0)
    grey = [
        Image.fromarray(pixels(pictures.sample_photograph(rng)).astype(np.uint8))
        for _ in range(10)
    ]
    bright = [pictures.draw(pictures.sample(rng, theme)) for theme in THEMES]
    saturation = [
        np.mean([np.asarray(i.convert("HSV"))[..., 1].mean() for i in images])
        for images in (grey, bright)
    ]
    assert saturation[0] < 0.7 * saturation[1]


def test_an_artist_keeps_to_a_palette() -> None:
    rng = np.random.default_rng(1)
    one, other = (
        replace(pictures.sample_artist(rng, n), first=0.33 * n, second=0.33 * n)
        for n in range(2)
    )
    means = [
        [pixels(pictures.sample_painting(rng, a)).mean((0, 1)) for _ in range(6)]
        for a in (one, other)
    ]
    apart = np.linalg.norm(np.mean(means[0], 0) - np.mean(means[1], 0))
    assert apart > np.std(means[0], 0).max()


def test_captions() -> None:
    assert (
        pictures.caption(replace(PLAIN, colour="orange", subject="cat"))
        == "a drawing of an orange cat at night"
    )
    assert (
        pictures.caption(replace(PLAIN, subject="woman"))
        == "a drawing of a woman in red at night"
    )
    assert pictures.caption(replace(PLAIN, veil=True)).endswith("behind a pink veil")
    assert pictures.caption(
        pictures.sample_photograph(np.random.default_rng(0))
    ).startswith("a grey photo of a")


def test_strokes_stay_in_the_picture() -> None:
    for brush in scenery.BRUSHES:
        middles = scenery.strokes((64, 48), brush)
        assert middles.shape == (48, 64)
        assert set(np.unique(middles)) <= set(range(64 * 48))
        assert 5 < len(np.unique(middles)) < 64 * 48


def test_encode_writes_jpeg_and_png() -> None:
    image = pictures.draw(PLAIN)
    assert Image.open(io.BytesIO(pictures.encode(image))).format == "JPEG"
    assert Image.open(io.BytesIO(pictures.encode(image, form="PNG"))).format == "PNG"
    assert len(pictures.encode(image)) < 25_000


def test_contact_sheet() -> None:
    assert pictures.contact_sheet([pictures.draw(PLAIN)] * 5, 3, 32).size == (96, 64)


def test_main_draws_every_theme(tmp_path: Path) -> None:
    pictures.main(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (1280, 1536)
