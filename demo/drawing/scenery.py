"""What lies behind and over a subject: skies by the hour, ground, and the look of a medium.

Look at it with `python -m twigma.demo.drawing.pictures sheet.png`.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from twigma.demo.drawing.pen import RGB, darker, hue, lighter, mix

Rng = np.random.Generator
Size = tuple[int, int]  # width and height in pixels
# By phrase: the top of the sky, its foot, and the light on things.
HOURS: dict[str, tuple[RGB, RGB, RGB]] = {
    "at night": ((10, 14, 44), (66, 52, 116), (84, 96, 178)),
    "at sunset": ((104, 62, 146), (255, 178, 104), (255, 168, 96)),
    "in the morning": ((112, 184, 244), (236, 244, 246), (255, 252, 236)),
}
BRUSHES = ("flat", "slanted", "dotted", "mosaic", "swirling", "fine")
STRETCH = {
    "flat": (5.0, 1.5),
    "slanted": (4.5, 1.6),
    "dotted": (3.2, 3.2),
    "mosaic": (6.5, 6.5),
    "fine": (2.2, 1.2),
}
TILE = 768
STAR: RGB = (246, 244, 220)
MOON: RGB = (250, 246, 214)
CLOUD: RGB = (252, 253, 255)
SUN = (
    (0.17, (255, 168, 96)),
    (0.12, (255, 214, 120)),
)  # radius and colour of its discs
GRASS: RGB = (92, 120, 70)
PAPER: RGB = (250, 244, 228)


def sky(size: Size, hour: str, tone: float) -> Image.Image:
    """The sky of an hour: a vertical gradient; `tone` (0 to 1) sets how bright the day is."""
    top, foot, _ = HOURS[hour]
    steps = np.linspace(0, 1, size[1])[:, None, None] ** 0.8
    column = np.asarray(top) * (1 - steps) + np.asarray(foot) * steps
    bright = np.clip(column * (0.72 + 0.5 * tone), 0, 255).astype(np.uint8)
    return Image.fromarray(bright).resize(size, Image.Resampling.NEAREST)


def lights(canvas: ImageDraw.ImageDraw, size: Size, hour: str, rng: Rng) -> None:
    """Stars and a moon, a low sun, or clouds."""
    if hour == "at night":
        _stars_and_moon(canvas, size, rng)
    elif hour == "at sunset":
        _low_sun(canvas, size, rng)
    else:
        _clouds(canvas, size, rng)


def _stars_and_moon(canvas: ImageDraw.ImageDraw, size: Size, rng: Rng) -> None:
    width, height = size
    for x, y, big in rng.random((26, 3)):
        radius = 0.4 + 1.6 * big * width / 256
        star = _around(x * width, y * height * 0.7, radius)
        canvas.ellipse(star, fill=STAR)
    x = width * rng.uniform(0.1, 0.9)
    canvas.ellipse(_around(x, height * 0.16, width * 0.07), fill=MOON)


def _low_sun(canvas: ImageDraw.ImageDraw, size: Size, rng: Rng) -> None:
    width, height = size
    x = width * rng.uniform(0.1, 0.9)
    for radius, colour in SUN:
        disc = _around(x, height * 0.52, radius * width)
        canvas.ellipse(disc, fill=colour)


def _clouds(canvas: ImageDraw.ImageDraw, size: Size, rng: Rng) -> None:
    width, height = size
    for x, y in rng.random((3, 2)):
        for puff in (-1, 0, 1):
            middle = x * width + puff * width * 0.06
            high = height * (0.06 + y * 0.26)
            radius = width * (0.06 - 0.015 * abs(puff))
            canvas.ellipse(_around(middle, high, radius), fill=CLOUD)


def _around(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return x - radius, y - radius, x + radius, y + radius


def ground(
    canvas: ImageDraw.ImageDraw,
    size: Size,
    hour: str,
    accent: float,
    foot: float,
) -> None:
    """Two hills, tinted with the accent's hue, lit by the hour; `foot` is the height of the nearer one (0 to 1)."""
    width, height = size
    light = HOURS[hour][2]
    earth = mix(hue(accent, 0.35, 0.55), GRASS, 0.35)
    earth = mix(earth, light, 0.18)
    if hour == "at night":
        earth = darker(earth, 0.5)
    far = (0.06, lighter(earth, 0.22), -0.5)
    near = (0.0, earth, 0.05)
    for lift, colour, left in (far, near):
        top = (foot - lift) * height
        right = (left + 1.5) * width
        hill = [left * width, top, right, top + height]
        canvas.ellipse(hill, fill=colour)
        # A hill is an ellipse: below its middle the corners would stay sky.
        flat = min(top + height * 0.28, height)
        canvas.rectangle([0, flat, width, height], fill=colour)


# ------------------------------------------------------------------ finishes


@lru_cache(maxsize=1)
def noise_tile() -> NDArray[np.int16]:
    """A fixed tile of normal noise (int16, sd 16), cropped at random places by the finishes."""
    # Normal noise for every picture would take longer than all its drawing.
    noise = np.random.default_rng(7).normal(0, 16, (TILE, TILE))
    return np.asarray(noise.round(), np.int16)


def grain(image: Image.Image, strength: float, rng: Rng) -> Image.Image:
    """Film grain: noise of sd 16 times `strength`."""
    pixels = np.asarray(image, np.float32)
    y, x = rng.integers(0, TILE - 512, 2)
    crop = noise_tile()[y : y + image.height, x : x + image.width]
    noise = crop[..., None] * np.float32(strength)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def veil(image: Image.Image, shift: float) -> Image.Image:
    """The innocuous stand-in for a sensitive image: slanted pink bands laid over the picture."""
    y, x = np.mgrid[0 : image.height, 0 : image.width] / 256.0
    bend = 1.5 * np.sin(y * 14 + shift * 6)
    wave = np.sin((x + y * 0.6) * 44 + bend)
    alpha = Image.fromarray(np.where(wave > -0.1, 128, 34).astype(np.uint8))
    pink = Image.new("RGB", image.size, (255, 96, 186))
    return Image.composite(pink, image, alpha)


@lru_cache(maxsize=64)
def strokes(size: Size, brush: str) -> NDArray[np.int64]:
    """For every pixel the flat index of the middle of the brush stroke that covers it, int64[height, width]."""
    from scipy.spatial import cKDTree

    width, height = size
    grid = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = grid.reshape(2, -1)
    place = _bend(x, y, size, brush)
    # Every brush has its own strokes, the same in every picture of this size.
    rng = np.random.default_rng(BRUSHES.index(brush))
    seeds = rng.permutation(len(x))[: _stroke_count(size, brush)]
    _, nearest = cKDTree(place[seeds]).query(place)
    return np.asarray(seeds[nearest].reshape(height, width), np.int64)


def _stroke_count(size: Size, brush: str) -> int:
    across, along = STRETCH.get(brush, (4.5, 1.6))
    return int(size[0] * size[1] / (across * along * 2.6))


def _bend(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    size: Size,
    brush: str,
) -> NDArray[np.float64]:
    """Pixel places stretched along the direction a brush moves in."""
    if brush == "swirling":
        dx, dy = x - size[0] / 2, y - size[1] / 2
        radius = np.hypot(dx, dy)
        # Near the middle a whole turn is too short for strokes: 12 pixels at least.
        around = np.arctan2(dy, dx) * np.maximum(radius, 12)
        return np.stack([around / 5.0, radius / 1.7], axis=1)
    across, along = STRETCH[brush]
    turn = 0.8 if brush in ("slanted", "fine") else 0.0
    a = x * np.cos(turn) + y * np.sin(turn)
    b = y * np.cos(turn) - x * np.sin(turn)
    return np.stack([a / across, b / along], axis=1)


def paint(image: Image.Image, brush: str, rng: Rng) -> Image.Image:
    """The picture in brush strokes, each in the colour of its middle, slightly uneven."""
    # Strokes are the same for every picture of a size; mirrored, they look it less.
    down, across = rng.integers(0, 2, 2) * 2 - 1
    middles = strokes(image.size, brush)
    mirrored = np.asarray(image)[::down, ::across]
    pixels = mirrored.reshape(-1, 3)
    noise = noise_tile()[int(rng.integers(TILE))]
    uneven = np.resize(noise, len(pixels))[:, None]
    strength = np.float32(0.3)
    painted = pixels[middles] + uneven[middles] * strength
    painted = np.clip(painted, 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(painted[::down, ::across]))


def sketch(image: Image.Image) -> Image.Image:
    """Pencil outlines and a pale wash on paper."""
    edges = image.convert("L").filter(ImageFilter.FIND_EDGES)
    edges = edges.filter(ImageFilter.SMOOTH)
    stronger = [max(0, 255 - 3 * (255 - level)) for level in range(256)]
    pencil = ImageOps.invert(edges).point(stronger)
    washed = Image.blend(image, Image.new("RGB", image.size, PAPER), 0.5)
    # The filter takes the border of a picture for an edge.
    border = [0, 0, image.width - 1, image.height - 1]
    ImageDraw.Draw(pencil).rectangle(border, outline=255, width=2)
    return ImageChops.multiply(washed, Image.merge("RGB", [pencil] * 3))


def palette(image: Image.Image, first: float, second: float) -> Image.Image:
    """The picture drawn towards a painter's two hues: the first for the darks, the second for the lights."""
    gray = ImageOps.autocontrast(image.convert("L"))
    darks = darker(hue(first, 0.7, 0.5), 0.4)
    middle = hue(first, 0.6, 0.72)
    brights = lighter(hue(second, 0.5, 0.95), 0.45)
    toned = ImageOps.colorize(gray, darks, brights, mid=middle)
    return Image.blend(image, toned, 0.72)
