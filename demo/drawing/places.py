"""Castle, forest, ocean, city, flower and spaceship: themes of the posts without a face.

Look at them with `python -m twigma.demo.drawing.pictures sheet.png`.
"""

from math import cos, pi, sin

from twigma.demo.drawing.pen import RGB, Ink, Pen, darker, lighter, mix

WINDOW: RGB = (255, 226, 130)
BARK: RGB = (92, 62, 44)
GULL: RGB = (40, 44, 60)
STEM: RGB = (64, 128, 60)
LEAF: RGB = (72, 148, 70)
DARK_LEAF: RGB = (56, 128, 62)
DISC: RGB = (120, 76, 30)
POLLEN: RGB = (255, 226, 130)
EXHAUST: RGB = (255, 140, 30)
EXHAUST_CORE: RGB = (255, 240, 150)
TOWERS = (  # of the castle, by middle, top and half the width; the keep last, in front of the others
    (-0.72, -0.38, 0.21),
    (0.72, -0.38, 0.21),
    (0.0, -0.62, 0.24),
)
HEIGHTS = (0.5, 1.0, 0.7, 1.35, 0.85, 1.55, 0.6, 1.15, 0.8, 0.5)  # of the city's towers


def castle(pen: Pen, ink: Ink, detail: float) -> None:
    """A keep between two towers with pointed roofs and flags."""
    wall = mix(ink.main, (150, 142, 140), 0.2)
    pen.box(-0.62, -0.05, 0.62, 0.95, wall)
    for step in range(5):
        left = step * 0.26
        pen.box(-0.6 + left, -0.17, -0.46 + left, 0.0, wall)
    for tower in TOWERS:
        _tower(pen, ink, tower, wall)
    pen.box(-0.16, 0.5, 0.16, 0.95, ink.line, 0.15)
    for step in range(2 + int(detail * 4)):
        x = -0.5 + (step % 6) * 0.2
        pen.box(x - 0.04, 0.14, x + 0.04, 0.3, WINDOW, 0.03)


def _tower(pen: Pen, ink: Ink, shape: tuple[float, float, float], wall: RGB) -> None:
    x, top, wide = shape
    pen.box(x - wide, top, x + wide, 0.97, wall)
    pen.box(x + wide * 0.35, top, x + wide, 0.97, darker(wall, 0.2))
    roof = [
        (x - wide * 1.3, top),
        (x, top - 0.5),
        (x + wide * 1.3, top),
    ]
    pen.polygon(roof, ink.dark)
    pole = [(x, top - 0.5), (x, top - 0.68)]
    pen.line(pole, ink.line, 0.025)
    flag = [
        (x, top - 0.68),
        (x + 0.2, top - 0.61),
        (x, top - 0.54),
    ]
    pen.polygon(flag, ink.accent)
    pen.box(x - 0.05, top + 0.14, x + 0.05, top + 0.34, WINDOW, 0.05)


def forest(pen: Pen, ink: Ink, detail: float) -> None:
    """Rows of pointed trees, the far ones pale."""
    rows = [(0.05, 0.62), (0.35, 0.8), (0.75, 1.0)]
    for row, (y, size) in enumerate(rows):
        leaf = mix(ink.main, ink.light, 0.45 - 0.2 * row)
        count = 5 + int(detail * 3) - row
        for step in range(count):
            # Sines of odd steps stand for chance: a drawing takes no random numbers.
            wobble = 0.12 * sin(step * 5.1 + row * 2.3 + detail * 6)
            x = -1.45 + 2.9 * (step + 0.5) / count + wobble
            _tree(pen, (x, y + 0.2 * wobble), size, leaf)


def _tree(pen: Pen, foot: tuple[float, float], size: float, leaf: RGB) -> None:
    x, y = foot
    pen.box(
        x - 0.05 * size,
        y - 0.1 * size,
        x + 0.05 * size,
        y + 0.16 * size,
        BARK,
    )
    for step in range(3):
        low = y - 0.28 * size * step
        wide = (0.36 - 0.08 * step) * size
        branches = [
            (x - wide, low),
            (x, low - 0.52 * size),
            (x + wide, low),
        ]
        pen.polygon(branches, darker(leaf, 0.24 - 0.12 * step))


def ocean(pen: Pen, ink: Ink, detail: float) -> None:
    """Bands of rolling waves with white crests."""
    for band in range(5):
        y = -0.25 + band * 0.3
        far, near = lighter(ink.main, 0.35), darker(ink.main, 0.45)
        colour = mix(far, near, band / 4)
        steepness = 0.35 + 0.05 * band
        crest = [
            (x / 10, y + 0.09 * sin(x * steepness + band * 1.7 + detail * 6))
            for x in range(-32, 33)
        ]
        pen.polygon([*crest, (3.2, 3.0), (-3.2, 3.0)], colour)
        pen.line(crest, lighter(colour, 0.65), 0.035)
    for side in (-0.5, 0.45):
        # A gull: two arcs, its wings.
        x = side + 0.3 * detail
        y = -0.62 - 0.2 * side
        pen.arc(x - 0.1, y, 0.1, (190, 340), GULL, 0.03)
        pen.arc(x + 0.1, y, 0.1, (200, 350), GULL, 0.03)


def city(pen: Pen, ink: Ink, detail: float) -> None:
    """A skyline of towers with lit windows."""
    for step, height in enumerate(HEIGHTS):
        left = -1.5 + step * 0.3
        tall = height * (0.85 + 0.3 * sin(step * 3 + detail * 5) ** 2)
        shade = (step * 7 % 5) / 5  # neighbours differ
        wall = mix(ink.main, darker(ink.main, 0.6), shade)
        pen.box(left, 0.9 - tall, left + 0.27, 0.92, wall)
        if step % 3 == 1:
            mast = [(left + 0.135, 0.9 - tall), (left + 0.135, 0.7 - tall)]
            pen.line(mast, wall, 0.03)
        _windows(pen, (left, 0.9 - tall, tall), lighter(ink.light, 0.3), step)


def _windows(pen: Pen, wall: tuple[float, float, float], glow: RGB, step: int) -> None:
    left, top, tall = wall
    for row in range(int(tall / 0.14) - 1):
        for column in range(2):
            if (row * 5 + column * 3 + step) % 4 == 0:
                continue  # nobody is at home
            x = left + 0.05 + column * 0.11
            y = top + 0.07 + row * 0.14
            colour = WINDOW if (row + step) % 3 else glow
            pen.box(x, y, x + 0.06, y + 0.07, colour)


def flower(pen: Pen, ink: Ink, detail: float) -> None:
    """One large blossom on a stem with two leaves."""
    stem = [(0, 0.0), (0.06, 0.5), (0, 2.4)]
    pen.line(stem, STEM, 0.08)
    right_leaf = [
        (0.03, 0.75),
        (0.3, 0.42),
        (0.62, 0.48),
        (0.4, 0.72),
    ]
    pen.polygon(right_leaf, LEAF)
    left_leaf = [
        (0.03, 0.9),
        (-0.28, 0.58),
        (-0.6, 0.66),
        (-0.38, 0.88),
    ]
    pen.polygon(left_leaf, DARK_LEAF)
    petals = 6 + int(detail * 5)
    rings = [(0.48, 0.27, ink.main), (0.3, 0.2, ink.pale)]
    for ring, (reach, size, colour) in enumerate(rings):
        for step in range(petals):
            # The inner petals stand between the outer ones.
            angle = 2 * pi * (step + 0.5 * ring) / petals
            x = reach * cos(angle)
            y = -0.25 + reach * sin(angle)
            petal = mix(colour, ink.dark, step % 2 / 4)
            pen.ellipse(x, y, size, size, petal)
    pen.ellipse(0, -0.25, 0.2, 0.2, mix(ink.accent, DISC, 0.5))
    for step in range(8):
        x = 0.12 * cos(step * pi / 4)
        y = -0.25 + 0.12 * sin(step * pi / 4)
        pen.ellipse(x, y, 0.03, 0.03, POLLEN)


def spaceship(pen: Pen, ink: Ink, detail: float) -> None:
    """A tilted rocket with fins, a round window and a flame."""
    flame = [(-0.2, 0.62), (0, 1.25), (0.2, 0.62)]
    pen.polygon(flame, EXHAUST)
    flame_core = [(-0.11, 0.62), (0, 0.98), (0.11, 0.62)]
    pen.polygon(flame_core, EXHAUST_CORE)
    for side in (-1, 1):
        fin = [
            (0.24 * side, 0.1),
            (0.66 * side, 0.62),
            (0.6 * side, 0.8),
            (0.2 * side, 0.6),
        ]
        pen.polygon(fin, ink.accent)
    # The right side of the hull from nose to stern, and its mirror image.
    along = (0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.92)
    wide = [0.34 * sin(pi * (0.12 + 0.88 * t)) ** 0.8 for t in along]
    body = [(x, -1 + 1.62 * t) for x, t in zip(wide, along, strict=True)]
    left_side = [(-x, y) for x, y in reversed(body)]
    hull = [
        (0, -1.05),
        *body,
        (0.2, 0.64),
        (-0.2, 0.64),
        *left_side,
    ]
    pen.polygon(hull, ink.main)
    shade = [
        (0.02, -1.0),
        *body,
        (0.2, 0.64),
        (0.06, 0.64),
    ]
    pen.polygon(shade, ink.dark)
    tip = [
        (0, -1.05),
        (0.16, -0.74),
        (-0.16, -0.74),
    ]
    pen.polygon(tip, ink.accent)
    for step in range(1 + int(detail * 3)):
        y = -0.42 + step * 0.32
        pen.ellipse(0, y, 0.13, 0.13, (230, 234, 240))
        pen.ellipse(0, y, 0.09, 0.09, (80, 190, 230))
