"""The ten subjects of the posts, one small drawing each; a subject is a theme of the demo world.

Look at them with `python -m twigma.demo.drawing.pictures sheet.png`.
"""

from collections.abc import Callable, Mapping
from math import cos, pi, sin

from twigma.demo.drawing.pen import RGB, Ink, Pen, darker, lighter, mix

Draw = Callable[[Pen, Ink, float], None]
SKIN: tuple[RGB, ...] = (
    (244, 208, 178),
    (222, 172, 132),
    (170, 116, 82),
    (118, 76, 54),
)
HAIR: tuple[RGB, ...] = (
    (30, 24, 28),
    (84, 52, 32),
    (146, 70, 36),
    (214, 176, 106),
    (110, 92, 84),
)
WINDOW: RGB = (255, 226, 130)


def woman(pen: Pen, ink: Ink, detail: float) -> None:
    """A portrait: long hair, a face, a dress in the main colour."""
    skin, hair = (
        SKIN[int(detail * 3.99)],
        mix(HAIR[int(detail * 40) % len(HAIR)], ink.light, 0.08),
    )
    pen.ellipse(0, -0.28, 0.48, 0.56, hair)
    pen.box(-0.48, -0.28, 0.48, 0.42, hair, 0.15)
    pen.box(-0.13, 0.1, 0.13, 0.5, darker(skin, 0.15))
    pen.polygon(
        [
            (-0.2, 0.36),
            (0.2, 0.36),
            (0.72, 0.58),
            (1.1, 3.0),
            (-1.1, 3.0),
            (-0.72, 0.58),
        ],
        ink.main,
    )
    pen.polygon([(-0.2, 0.36), (0.2, 0.36), (0, 0.72)], skin)
    pen.line([(-0.22, 0.36), (0, 0.74), (0.22, 0.36)], ink.pale, 0.05)
    pen.ellipse(0, -0.2, 0.31, 0.41, skin)
    pen.polygon(
        [(-0.36, -0.3), (-0.2, -0.66), (0.24, -0.66), (0.36, -0.3), (0.08, -0.46)], hair
    )
    _face(pen, ink)
    pen.ellipse(0, 0.8, 0.05, 0.05, lighter(ink.accent))


def _face(pen: Pen, ink: Ink) -> None:
    for side in (-1, 1):
        pen.ellipse(0.12 * side, -0.2, 0.055, 0.035, (252, 252, 250))
        pen.ellipse(0.12 * side, -0.2, 0.03, 0.035, darker(ink.accent, 0.5))
        pen.line([(0.06 * side, -0.28), (0.18 * side, -0.28)], (60, 40, 40), 0.025)
        pen.ellipse(0.19 * side, -0.07, 0.06, 0.035, (236, 160, 142))
    pen.ellipse(0, 0.06, 0.085, 0.032, (190, 62, 72))


def castle(pen: Pen, ink: Ink, detail: float) -> None:
    """A keep between two towers with pointed roofs and flags."""
    wall = mix(ink.main, (150, 142, 140), 0.2)
    pen.box(-0.62, -0.05, 0.62, 0.95, wall)
    for step in range(5):
        pen.box(-0.6 + step * 0.26, -0.17, -0.46 + step * 0.26, 0.0, wall)
    for x, top, wide in ((-0.72, -0.38, 0.21), (0.72, -0.38, 0.21), (0.0, -0.62, 0.24)):
        _tower(pen, ink, (x, top, wide), wall)
    pen.box(-0.16, 0.5, 0.16, 0.95, ink.line, 0.15)
    for step in range(2 + int(detail * 4)):
        x = -0.5 + (step % 6) * 0.2
        pen.box(x - 0.04, 0.14, x + 0.04, 0.3, WINDOW, 0.03)


def _tower(pen: Pen, ink: Ink, shape: tuple[float, float, float], wall: RGB) -> None:
    x, top, wide = shape
    pen.box(x - wide, top, x + wide, 0.97, wall)
    pen.box(x + wide * 0.35, top, x + wide, 0.97, darker(wall, 0.2))
    pen.polygon(
        [(x - wide * 1.3, top), (x, top - 0.5), (x + wide * 1.3, top)], ink.dark
    )
    pen.line([(x, top - 0.5), (x, top - 0.68)], ink.line, 0.025)
    pen.polygon([(x, top - 0.68), (x + 0.2, top - 0.61), (x, top - 0.54)], ink.accent)
    pen.box(x - 0.05, top + 0.14, x + 0.05, top + 0.34, WINDOW, 0.05)


def robot(pen: Pen, ink: Ink, detail: float) -> None:
    """A boxy robot with round eyes, an antenna and lamps on its chest."""
    for side in (-1, 1):
        pen.line(
            [(0.42 * side, 0.15), (0.72 * side, 0.35), (0.66 * side, 0.66)],
            (120, 124, 134),
            0.11,
        )
        pen.ellipse(0.66 * side, 0.7, 0.11, 0.11, ink.dark)
        pen.box(0.2 * side - 0.11, 0.68, 0.2 * side + 0.11, 0.98, (110, 114, 126), 0.04)
    pen.box(-0.46, 0.0, 0.46, 0.76, ink.main, 0.1)
    pen.box(-0.3, 0.18, 0.3, 0.56, ink.dark, 0.05)
    for step in range(1 + int(detail * 5)):
        pen.ellipse(
            -0.2 + (step % 3) * 0.2,
            0.28 + (step // 3) * 0.17,
            0.06,
            0.06,
            (WINDOW, ink.accent)[step % 2],
        )
    pen.line([(0, -0.7), (0, -0.9)], (120, 124, 134), 0.05)
    pen.ellipse(0, -0.93, 0.08, 0.08, ink.accent)
    pen.box(-0.4, -0.7, 0.4, -0.06, ink.pale, 0.12)
    for side in (-1, 1):
        pen.ellipse(0.17 * side, -0.44, 0.13, 0.13, (28, 32, 44))
        pen.ellipse(0.17 * side, -0.44, 0.07, 0.07, (120, 240, 250))
    pen.box(-0.2, -0.23, 0.2, -0.15, (28, 32, 44), 0.02)


def cat(pen: Pen, ink: Ink, detail: float) -> None:
    """A sitting cat with pointed ears, whiskers and a curled tail."""
    pen.arc(0.55, 0.5, 0.34, (-100, 100), ink.main, 0.15)
    pen.ellipse(0, 0.48, 0.46, 0.5, ink.main)
    pen.ellipse(0, 0.58, 0.24, 0.36, ink.pale)
    for step in range(int(detail * 5)):
        pen.line(
            [(-0.44, 0.2 + step * 0.13), (-0.28, 0.24 + step * 0.13)], ink.dark, 0.05
        )
    for side in (-1, 1):
        pen.polygon(
            [(0.1 * side, -0.6), (0.44 * side, -0.98), (0.46 * side, -0.3)], ink.main
        )
        pen.polygon(
            [(0.2 * side, -0.6), (0.38 * side, -0.84), (0.4 * side, -0.45)],
            (240, 160, 170),
        )
        pen.ellipse(0.2 * side, 0.92, 0.16, 0.09, ink.pale)
    pen.ellipse(0, -0.3, 0.48, 0.4, ink.main)
    pen.ellipse(0, -0.14, 0.22, 0.16, ink.pale)
    for side in (-1, 1):
        pen.ellipse(0.19 * side, -0.36, 0.11, 0.12, lighter(ink.accent, 0.3))
        pen.ellipse(0.19 * side, -0.36, 0.04, 0.11, (16, 16, 20))
        for drop in (-0.06, 0.04):
            pen.line(
                [(0.14 * side, -0.16), (0.62 * side, -0.2 + drop)],
                (250, 250, 250),
                0.016,
            )
    pen.polygon([(-0.06, -0.2), (0.06, -0.2), (0, -0.13)], (226, 96, 116))


def forest(pen: Pen, ink: Ink, detail: float) -> None:
    """Rows of pointed trees, the far ones pale."""
    for row, (y, size) in enumerate(((0.05, 0.62), (0.35, 0.8), (0.75, 1.0))):
        leaf = mix(ink.main, ink.light, 0.45 - 0.2 * row)
        count = 5 + int(detail * 3) - row
        for step in range(count):
            wobble = 0.12 * sin(step * 5.1 + row * 2.3 + detail * 6)
            _tree(
                pen,
                (-1.45 + 2.9 * (step + 0.5) / count + wobble, y + 0.2 * wobble),
                size,
                leaf,
            )


def _tree(pen: Pen, foot: tuple[float, float], size: float, leaf: RGB) -> None:
    x, y = foot
    pen.box(
        x - 0.05 * size, y - 0.1 * size, x + 0.05 * size, y + 0.16 * size, (92, 62, 44)
    )
    for step in range(3):
        low, wide = y - 0.28 * size * step, (0.36 - 0.08 * step) * size
        pen.polygon(
            [(x - wide, low), (x, low - 0.52 * size), (x + wide, low)],
            darker(leaf, 0.24 - 0.12 * step),
        )


def ocean(pen: Pen, ink: Ink, detail: float) -> None:
    """Bands of rolling waves with white crests."""
    for band in range(5):
        y = -0.25 + band * 0.3
        colour = mix(lighter(ink.main, 0.35), darker(ink.main, 0.45), band / 4)
        crest = [
            (x / 10, y + 0.09 * sin(x * (0.35 + 0.05 * band) + band * 1.7 + detail * 6))
            for x in range(-32, 33)
        ]
        pen.polygon([*crest, (3.2, 3.0), (-3.2, 3.0)], colour)
        pen.line(crest, lighter(colour, 0.65), 0.035)
    for side in (-0.5, 0.45):
        x, y = side + 0.3 * detail, -0.62 - 0.2 * side
        pen.arc(x - 0.1, y, 0.1, (190, 340), (40, 44, 60), 0.03)
        pen.arc(x + 0.1, y, 0.1, (200, 350), (40, 44, 60), 0.03)


def city(pen: Pen, ink: Ink, detail: float) -> None:
    """A skyline of towers with lit windows."""
    heights = (0.5, 1.0, 0.7, 1.35, 0.85, 1.55, 0.6, 1.15, 0.8, 0.5)
    for step, height in enumerate(heights):
        left, tall = (
            -1.5 + step * 0.3,
            height * (0.85 + 0.3 * sin(step * 3 + detail * 5) ** 2),
        )
        wall = mix(ink.main, darker(ink.main, 0.6), (step * 7 % 5) / 5)
        pen.box(left, 0.9 - tall, left + 0.27, 0.92, wall)
        if step % 3 == 1:
            pen.line(
                [(left + 0.135, 0.9 - tall), (left + 0.135, 0.7 - tall)], wall, 0.03
            )
        _windows(pen, (left, 0.9 - tall, tall), lighter(ink.light, 0.3), step)


def _windows(pen: Pen, wall: tuple[float, float, float], glow: RGB, step: int) -> None:
    left, top, tall = wall
    for row in range(int(tall / 0.14) - 1):
        for column in range(2):
            if (row * 5 + column * 3 + step) % 4:
                x, y = left + 0.05 + column * 0.11, top + 0.07 + row * 0.14
                pen.box(x, y, x + 0.06, y + 0.07, WINDOW if (row + step) % 3 else glow)


def flower(pen: Pen, ink: Ink, detail: float) -> None:
    """One large blossom on a stem with two leaves."""
    pen.line([(0, 0.0), (0.06, 0.5), (0, 2.4)], (64, 128, 60), 0.08)
    pen.polygon([(0.03, 0.75), (0.3, 0.42), (0.62, 0.48), (0.4, 0.72)], (72, 148, 70))
    pen.polygon(
        [(0.03, 0.9), (-0.28, 0.58), (-0.6, 0.66), (-0.38, 0.88)], (56, 128, 62)
    )
    petals = 6 + int(detail * 5)
    for ring, (reach, size, colour) in enumerate(
        ((0.48, 0.27, ink.main), (0.3, 0.2, ink.pale))
    ):
        for step in range(petals):
            angle = 2 * pi * (step + 0.5 * ring) / petals
            pen.ellipse(
                reach * cos(angle),
                -0.25 + reach * sin(angle),
                size,
                size,
                mix(colour, ink.dark, step % 2 / 4),
            )
    pen.ellipse(0, -0.25, 0.2, 0.2, mix(ink.accent, (120, 76, 30), 0.5))
    for step in range(8):
        pen.ellipse(
            0.12 * cos(step * pi / 4),
            -0.25 + 0.12 * sin(step * pi / 4),
            0.03,
            0.03,
            WINDOW,
        )


def dragon(pen: Pen, ink: Ink, detail: float) -> None:
    """A winged dragon in profile, breathing fire."""
    for wing, colour in (((-0.1, -0.95), ink.dark), ((-0.5, -0.9), ink.accent)):
        tip, high = wing
        pen.polygon(
            [
                (0.1, 0.1),
                (tip, high),
                (tip - 0.28, -0.5),
                (-0.75, -0.45),
                (-0.62, -0.15),
                (-0.2, 0.2),
            ],
            colour,
        )
        pen.line([(0.1, 0.1), (tip, high)], ink.line, 0.04)
    tail = [(-0.3, 0.45), (-0.7, 0.62), (-1.0, 0.45), (-1.15, 0.15)]
    pen.line(tail, ink.main, 0.16)
    pen.polygon([(-1.3, 0.2), (-1.15, -0.1), (-1.0, 0.2)], ink.dark)
    pen.ellipse(0, 0.4, 0.46, 0.32, ink.main)
    pen.ellipse(0.06, 0.5, 0.34, 0.2, ink.pale)
    for step in range(3 + int(detail * 4)):
        x = -0.42 + step * 0.12
        pen.polygon([(x, 0.2), (x + 0.06, 0.0), (x + 0.12, 0.2)], ink.dark)
    for x in (-0.25, 0.22):
        pen.box(x - 0.09, 0.6, x + 0.09, 0.95, ink.main, 0.05)
    _dragon_head(pen, ink)


def _dragon_head(pen: Pen, ink: Ink) -> None:
    pen.polygon([(0.2, 0.45), (0.3, -0.3), (0.55, -0.25), (0.5, 0.4)], ink.main)
    pen.ellipse(0.48, -0.4, 0.24, 0.18, ink.main)
    pen.polygon([(0.5, -0.52), (0.92, -0.4), (0.9, -0.28), (0.5, -0.24)], ink.main)
    for x in (0.34, 0.48):
        pen.polygon(
            [(x - 0.06, -0.5), (x - 0.14, -0.8), (x + 0.06, -0.55)], lighter(ink.accent)
        )
    pen.ellipse(0.52, -0.46, 0.06, 0.06, (250, 240, 120))
    pen.ellipse(0.53, -0.46, 0.02, 0.05, (10, 10, 10))
    pen.polygon(
        [
            (0.9, -0.36),
            (1.25, -0.52),
            (1.16, -0.34),
            (1.4, -0.24),
            (1.12, -0.22),
            (1.2, -0.08),
        ],
        (255, 150, 30),
    )
    pen.polygon(
        [(0.9, -0.35), (1.12, -0.38), (1.05, -0.28), (1.16, -0.2)], (255, 236, 120)
    )


def spaceship(pen: Pen, ink: Ink, detail: float) -> None:
    """A tilted rocket with fins, a round window and a flame."""
    pen.polygon([(-0.2, 0.62), (0, 1.25), (0.2, 0.62)], (255, 140, 30))
    pen.polygon([(-0.11, 0.62), (0, 0.98), (0.11, 0.62)], (255, 240, 150))
    for side in (-1, 1):
        pen.polygon(
            [
                (0.24 * side, 0.1),
                (0.66 * side, 0.62),
                (0.6 * side, 0.8),
                (0.2 * side, 0.6),
            ],
            ink.accent,
        )
    along = (0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.92)
    body = [(0.34 * sin(pi * (0.12 + 0.88 * t)) ** 0.8, -1 + 1.62 * t) for t in along]
    pen.polygon(
        [
            (0, -1.05),
            *body,
            (0.2, 0.64),
            (-0.2, 0.64),
            *[(-x, y) for x, y in reversed(body)],
        ],
        ink.main,
    )
    pen.polygon([(0.02, -1.0), *body, (0.2, 0.64), (0.06, 0.64)], ink.dark)
    pen.polygon([(0, -1.05), (0.16, -0.74), (-0.16, -0.74)], ink.accent)
    for step in range(1 + int(detail * 3)):
        pen.ellipse(0, -0.42 + step * 0.32, 0.13, 0.13, (230, 234, 240))
        pen.ellipse(0, -0.42 + step * 0.32, 0.09, 0.09, (80, 190, 230))


SUBJECTS: Mapping[str, Draw] = {
    draw.__name__: draw
    for draw in (
        woman,
        castle,
        robot,
        cat,
        forest,
        ocean,
        city,
        flower,
        dragon,
        spaceship,
    )
}
