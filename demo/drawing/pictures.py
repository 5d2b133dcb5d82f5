"""The pictures of the demo world: what one shows, its true caption, and its pixels.

`python -m twigma.demo.drawing.pictures sheet.png` draws a contact sheet of them.
"""

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from twigma.demo.drawing import scenery
from twigma.demo.drawing.everyday import EVERYDAY
from twigma.demo.drawing.pen import COLOURS, Ink, Pen, darker, hue, mix
from twigma.demo.drawing.scenery import BRUSHES, HOURS, Rng
from twigma.demo.drawing.subjects import SUBJECTS

THEMES = tuple(SUBJECTS)
MEDIA = ("painting", "photo", "drawing")
LAYOUT = ("x", "y", "scale", "accent", "detail", "tone")
WIDE = {"forest": 1.5, "ocean": 1.5, "city": 1.4, "mountain": 1.25}
AFLOAT = ("spaceship", "ocean")
SIZE = 256


@dataclass(frozen=True)
class Artist:
    """A painter of the `paintings` reference set: two hues, a brush, and the few subjects they paint."""

    name: str
    first: float
    second: float
    brush: str
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """All that decides a picture; `layout` holds six numbers in 0..1 named by `LAYOUT`, `seed` the small accidents."""

    subject: str
    colour: str
    hour: str
    medium: str
    layout: tuple[float, ...]
    seed: int
    veil: bool = False
    artist: Artist | None = None
    size: tuple[int, int] = (SIZE, SIZE)

    @property
    def plain(self) -> bool:
        """Whether this is one of the everyday photographs."""
        return self.subject in EVERYDAY


def caption(picture: Picture) -> str:
    """The true caption of a picture.

    >>> caption(Picture("castle", "red", "at night", "painting", (0.5,) * 6, 0))
    'a painting of a red castle at night'
    """
    if picture.artist is not None:
        brush = picture.artist.brush
        return f"a {brush} painting of a {picture.subject} {picture.hour}"
    if picture.plain:
        return f"a grey photo of {article(picture.colour)} {picture.subject}"
    thing = f"{article(picture.colour)} {picture.subject}"
    if picture.subject == "woman":
        thing = f"a woman in {picture.colour}"
    words = f"a {picture.medium} of {thing} {picture.hour}"
    return f"{words} behind a pink veil" if picture.veil else words


def article(word: str) -> str:
    """The word with its article.

    >>> article("orange")
    'an orange'
    """
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def sample(rng: Rng, subject: str, veil: bool = False) -> Picture:
    """A random picture of `subject`, as the posts have them."""
    return Picture(
        subject=subject,
        colour=str(rng.choice(list(COLOURS))),
        hour=str(rng.choice(list(HOURS))),
        medium=str(rng.choice(MEDIA)),
        layout=tuple(rng.random(len(LAYOUT)).tolist()),
        seed=int(rng.integers(2**31)),
        veil=veil,
    )


def sample_photograph(rng: Rng) -> Picture:
    """A random everyday photograph (LAION's role)."""
    picture = sample(rng, str(rng.choice(list(EVERYDAY))))
    return replace(picture, medium="photo")


def sample_artist(rng: Rng, number: int) -> Artist:
    """A random painter."""
    first = float(rng.random())
    subjects = rng.choice(_PAINTED, 2, replace=False)
    given, family = str(rng.choice(_GIVEN)), str(rng.choice(_FAMILY))
    return Artist(
        name=f"{given.lower()}-{family.lower()}-{number}",
        first=first,
        second=float((first + rng.uniform(0.15, 0.85)) % 1),
        brush=str(rng.choice(BRUSHES)),
        subjects=tuple(subjects.tolist()),
    )


# What painters paint: no robots, dragons or spaceships.
_PAINTED = ["woman", "castle", "cat", "forest", "ocean", "city", "flower"]
_GIVEN = (
    "Ada",
    "Bela",
    "Clara",
    "Dario",
    "Elin",
    "Farid",
    "Gita",
    "Hugo",
    "Ines",
    "Jun",
    "Kira",
    "Leon",
)
_FAMILY = (
    "Abel",
    "Brook",
    "Castel",
    "Dorn",
    "Ekman",
    "Farr",
    "Grove",
    "Hale",
    "Ilves",
    "Jansen",
    "Kern",
    "Lind",
)


def sample_painting(rng: Rng, artist: Artist) -> Picture:
    """A random painting by this artist."""
    picture = sample(rng, str(rng.choice(artist.subjects)))
    return replace(picture, medium="painting", artist=artist)


def draw(picture: Picture) -> Image.Image:
    """The pixels of a picture, RGB of `picture.size`; the same picture is always the same pixels."""
    rng = np.random.default_rng(picture.seed)
    # Drawn at twice the size and reduced: that is what smooths the edges.
    canvas = _background(picture, rng)
    _subject(picture, ImageDraw.Draw(canvas), canvas.size)
    image = _finish(picture, canvas.reduce(2), rng)
    return scenery.veil(image, picture.layout[0]) if picture.veil else image


def _background(picture: Picture, rng: Rng) -> Image.Image:
    """Sky and ground at twice the size; out of focus in a photo."""
    _, y, _, accent, _, tone = picture.layout
    shrink = 2 if picture.medium == "photo" else 1
    width, height = picture.size
    size = (width * 2 // shrink, height * 2 // shrink)
    image = scenery.sky(size, picture.hour, tone)
    pencil = ImageDraw.Draw(image)
    scenery.lights(pencil, size, picture.hour, rng)
    if picture.subject not in AFLOAT:
        scenery.ground(pencil, size, picture.hour, accent, 0.66 + 0.14 * y)
    if shrink == 2:
        image = image.filter(ImageFilter.BoxBlur(5 if picture.plain else 2))
        image = image.resize((width * 2, height * 2), Image.Resampling.BILINEAR)
    return image


def _subject(
    picture: Picture, pencil: ImageDraw.ImageDraw, size: tuple[int, int]
) -> None:
    x, y, scale, accent, detail, _ = picture.layout
    light = HOURS[picture.hour][2]
    main = mix(COLOURS[picture.colour], light, 0.1)
    if picture.hour == "at night":
        main = darker(main, 0.22)
    short = min(size)
    draw_on = SUBJECTS.get(picture.subject) or EVERYDAY[picture.subject]
    pen = Pen(
        pencil,
        size[0] / 2 + (x - 0.5) * 0.36 * short,
        size[1] / 2 + (0.02 + (y - 0.5) * 0.14) * short,
        (0.25 + 0.13 * scale) * short * WIDE.get(picture.subject, 1.0),
    )
    draw_on(pen, Ink(main, hue(accent), light), detail)


def _finish(picture: Picture, image: Image.Image, rng: Rng) -> Image.Image:
    if picture.artist is not None:
        toned = scenery.palette(image, picture.artist.first, picture.artist.second)
        return scenery.paint(toned, picture.artist.brush, rng)
    if picture.plain:
        gray = ImageOps.grayscale(image).convert("RGB")
        pale = Image.blend(image, gray, 0.6).filter(ImageFilter.BoxBlur(0.6))
        return scenery.grain(pale, 0.5, rng)
    if picture.medium == "painting":
        return scenery.paint(image, "slanted", rng)
    if picture.medium == "drawing":
        return scenery.sketch(image)
    return scenery.grain(image, 0.15, rng)


def encode(
    image: Image.Image,
    quality: int = 86,
    form: str = "JPEG",
    exif: Image.Exif | None = None,
) -> bytes:
    """The image file: a JPEG, or a PNG."""
    buffer = io.BytesIO()
    extra = {"exif": exif} if exif is not None else {}
    image.save(buffer, form, quality=quality, **extra)
    return buffer.getvalue()


def contact_sheet(
    images: Sequence[Image.Image], columns: int, cell: int = 128
) -> Image.Image:
    """The images side by side, `columns` in a row."""
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * cell, rows * cell), (24, 24, 28))
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        place = (column * cell + 2, row * cell + 2)
        sheet.paste(ImageOps.fit(image, (cell - 4, cell - 4)), place)
    return sheet


def main(path: Path) -> None:
    """Write a contact sheet: a column a theme, then photographs and paintings."""
    rng = np.random.default_rng(1)
    shown: list[Picture] = []
    for row in range(7):
        shown += [sample(rng, theme, veil=row == 6) for theme in THEMES]
    artists = [sample_artist(rng, number) for number in range(10)]
    shown += [sample_photograph(rng) for _ in range(20)]
    for _ in range(3):
        shown += [sample_painting(rng, artist) for artist in artists]
    sheet = contact_sheet([draw(picture) for picture in shown], len(THEMES))
    sheet.save(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
