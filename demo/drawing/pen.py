"""The pen: draws in coordinates centred on the subject, so that one drawing serves every place and scale.

Look at what it draws with `python -m twigma.demo.drawing.pictures sheet.png`.
"""

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import ImageDraw

RGB = tuple[int, int, int]
Point = tuple[float, float]

COLOURS: dict[str, RGB] = {
    "red": (205, 48, 44),
    "blue": (46, 104, 205),
    "green": (52, 150, 72),
    "golden": (226, 176, 40),
    "purple": (128, 62, 178),
    "pink": (238, 128, 178),
    "orange": (236, 122, 34),
    "white": (238, 236, 228),
}


def mix(one: RGB, other: RGB, share: float) -> RGB:
    """The colour a `share` (0 to 1) of the way from `one` to `other`."""
    pairs = zip(one, other, strict=True)
    red, green, blue = (round(a + (b - a) * share) for a, b in pairs)
    return red, green, blue


def lighter(colour: RGB, share: float = 0.4) -> RGB:
    """The colour moved towards white."""
    return mix(colour, (255, 255, 255), share)


def darker(colour: RGB, share: float = 0.4) -> RGB:
    """The colour moved towards a bluish black."""
    return mix(colour, (14, 10, 26), share)


def hue(turn: float, saturation: float = 0.65, value: float = 0.8) -> RGB:
    """The colour at `turn` (0 to 1) of the colour circle."""
    parts = colorsys.hsv_to_rgb(turn % 1, saturation, value)
    red, green, blue = (round(255 * part) for part in parts)
    return red, green, blue


@dataclass(frozen=True)
class Ink:
    """The colours a subject is drawn in: its own, an accent, and the light of the hour."""

    main: RGB
    accent: RGB
    light: RGB

    @property
    def pale(self) -> RGB:
        """The lit side of the subject."""
        return lighter(self.main)

    @property
    def dark(self) -> RGB:
        """The shaded side of the subject."""
        return darker(self.main)

    @property
    def line(self) -> RGB:
        """Outlines and small dark details."""
        return darker(self.main, 0.78)


@dataclass(frozen=True)
class Pen:
    """Draws on `canvas`; (0, 0) is the middle of the subject, y points down, 1 is half the subject's height."""

    canvas: ImageDraw.ImageDraw
    x: float
    y: float
    scale: float

    def at(self, x: float, y: float) -> Point:
        """Subject coordinates as pixels of the canvas."""
        return self.x + x * self.scale, self.y + y * self.scale

    def polygon(self, points: Sequence[Point], fill: RGB) -> None:
        """A filled polygon."""
        self.canvas.polygon([self.at(x, y) for x, y in points], fill=fill)

    def box(  # noqa: PLR0917 (drawings read better without names)
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        fill: RGB,
        radius: float = 0.0,
    ) -> None:
        """A filled rectangle with rounded corners."""
        corners = [*self.at(left, top), *self.at(right, bottom)]
        self.canvas.rounded_rectangle(corners, radius=radius * self.scale, fill=fill)

    def ellipse(self, x: float, y: float, wide: float, high: float, fill: RGB) -> None:
        """A filled ellipse by its centre and radii."""
        top_left = self.at(x - wide, y - high)
        bottom_right = self.at(x + wide, y + high)
        self.canvas.ellipse([*top_left, *bottom_right], fill=fill)

    def line(self, points: Sequence[Point], fill: RGB, width: float = 0.03) -> None:
        """A polyline with round joints."""
        self.canvas.line(
            [self.at(x, y) for x, y in points],
            fill=fill,
            width=self._pixels(width),
            joint="curve",
        )

    def arc(  # noqa: PLR0917
        self,
        x: float,
        y: float,
        radius: float,
        span: tuple[float, float],
        fill: RGB,
        width: float = 0.03,
    ) -> None:
        """A part of a circle, between two angles in degrees (clockwise from the right)."""
        top_left = self.at(x - radius, y - radius)
        bottom_right = self.at(x + radius, y + radius)
        start, end = span
        self.canvas.arc(
            [*top_left, *bottom_right],
            start,
            end,
            fill=fill,
            width=self._pixels(width),
        )

    def _pixels(self, width: float) -> int:
        """The width of a line in whole pixels; the thinnest is still seen."""
        return max(1, round(width * self.scale))


# Draws a subject in these colours; the number, 0 to 1, sets how much detail it has.
Draw = Callable[[Pen, Ink, float], None]
