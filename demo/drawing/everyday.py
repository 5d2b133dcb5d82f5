"""Eight everyday subjects for the photographs, which play LAION's part beside the posts.

Look at them with `python -m twigma.demo.drawing.pictures sheet.png`.
"""

from collections.abc import Mapping
from math import cos, pi, sin

from twigma.demo.drawing.pen import RGB, Draw, Ink, Pen, darker, lighter

GLASS: RGB = (190, 210, 220)
SNOW: RGB = (244, 246, 250)
STEAM: RGB = (240, 240, 240)


def car(pen: Pen, ink: Ink, detail: float) -> None:
    """A parked car seen from the side."""
    cabin = [
        (-0.6, 0.2),
        (-0.35, -0.2),
        (0.35, -0.2),
        (0.62, 0.2),
    ]
    pen.polygon(cabin, ink.dark)
    rear_window = [
        (-0.48, 0.18),
        (-0.3, -0.12),
        (-0.03, -0.12),
        (-0.03, 0.18),
    ]
    pen.polygon(rear_window, GLASS)
    front_window = [
        (0.5, 0.18),
        (0.3, -0.12),
        (0.03, -0.12),
        (0.03, 0.18),
    ]
    pen.polygon(front_window, GLASS)
    pen.box(-1.0, 0.18, 1.0, 0.62, ink.main, 0.12)
    for x in (-0.55, 0.55):
        pen.ellipse(x, 0.62, 0.24, 0.24, (28, 28, 30))
        pen.ellipse(x, 0.62, 0.12, 0.12, (150, 150, 154))
    pen.ellipse(0.94, 0.36, 0.07, 0.07, (250, 240, 200))


def house(pen: Pen, ink: Ink, detail: float) -> None:
    """A house with a pitched roof, a door and windows."""
    pen.box(-0.7, -0.1, 0.7, 0.9, ink.pale)
    roof = [
        (-0.9, -0.08),
        (0, -0.85),
        (0.9, -0.08),
    ]
    pen.polygon(roof, ink.main)
    pen.box(0.36, -0.8, 0.54, -0.4, ink.dark)
    pen.box(-0.14, 0.34, 0.14, 0.9, ink.dark)
    for x in (-0.42, 0.42):
        pen.box(x - 0.15, 0.16, x + 0.15, 0.44, (176, 200, 214))
        pen.line([(x, 0.16), (x, 0.44)], ink.pale, 0.03)


def mountain(pen: Pen, ink: Ink, detail: float) -> None:
    """Three peaks with snow."""
    # The middle peak comes last: it stands before the other two.
    peaks = [
        (-0.8, -0.35, ink.pale),
        (0.8, -0.2, ink.pale),
        (0.0, -0.8, ink.main),
    ]
    for x, top, colour in peaks:
        slope = [
            (x - 1.1, 0.95),
            (x, top),
            (x + 1.1, 0.95),
        ]
        pen.polygon(slope, colour)
        shaded_slope = [
            (x + 0.1, 0.95),
            (x, top),
            (x + 1.1, 0.95),
        ]
        pen.polygon(shaded_slope, darker(colour, 0.25))
        snow = [
            (x - 0.2, top + 0.32),
            (x, top),
            (x + 0.2, top + 0.32),
            (x, top + 0.22),
        ]
        pen.polygon(snow, SNOW)


def cup(pen: Pen, ink: Ink, detail: float) -> None:
    """A steaming cup on a saucer."""
    pen.ellipse(0, 0.74, 0.85, 0.16, lighter(ink.main, 0.7))
    pen.arc(0.5, 0.2, 0.28, (-90, 90), ink.main, 0.1)
    bowl = [
        (-0.55, -0.2),
        (0.55, -0.2),
        (0.4, 0.72),
        (-0.4, 0.72),
    ]
    pen.polygon(bowl, ink.main)
    pen.ellipse(0, -0.2, 0.55, 0.13, ink.pale)
    pen.ellipse(0, -0.18, 0.47, 0.09, (84, 54, 38))
    for x in (-0.2, 0.05, 0.28):
        steam = [
            (x, -0.36),
            (x + 0.07, -0.52),
            (x - 0.03, -0.66),
            (x + 0.06, -0.84),
        ]
        pen.line(steam, STEAM, 0.035)


def fruit(pen: Pen, ink: Ink, detail: float) -> None:
    """Round fruit in a bowl."""
    places = [
        (-0.38, -0.1),
        (0.38, -0.1),
        (0.0, -0.3),
        (-0.02, 0.02),
    ]
    for x, y in places:
        pen.ellipse(x, y, 0.32, 0.32, ink.main)
        pen.ellipse(x - 0.1, y - 0.11, 0.1, 0.08, ink.pale)
        stalk = [(x, y - 0.3), (x + 0.05, y - 0.42)]
        pen.line(stalk, (84, 60, 40), 0.04)
    bowl = [
        (-0.85, 0.1),
        (0.85, 0.1),
        (0.45, 0.75),
        (-0.45, 0.75),
    ]
    pen.polygon(bowl, lighter(ink.accent, 0.35))


def bicycle(pen: Pen, ink: Ink, detail: float) -> None:
    """A bicycle seen from the side."""
    for x in (-0.62, 0.62):
        pen.arc(x, 0.4, 0.45, (0, 360), (36, 36, 38), 0.07)
        for step in range(6):
            angle = step * pi / 3
            spoke = [
                (x, 0.4),
                (x + 0.42 * cos(angle), 0.4 + 0.42 * sin(angle)),
            ]
            pen.line(spoke, (130, 130, 134), 0.02)
    rear_wheel, pedals = (-0.62, 0.4), (0.0, 0.4)
    saddle, handlebar = (-0.22, -0.2), (0.4, -0.2)
    frame = [rear_wheel, saddle, handlebar, pedals, rear_wheel]
    pen.line(frame, ink.main, 0.08)
    fork = [(0.62, 0.4), (0.36, -0.42), (0.6, -0.5)]
    pen.line(fork, ink.main, 0.07)
    seat_tube = [(0.0, 0.4), (-0.28, -0.36)]
    pen.line(seat_tube, ink.main, 0.07)
    pen.box(-0.44, -0.44, -0.12, -0.36, (40, 36, 34), 0.03)


def chair(pen: Pen, ink: Ink, detail: float) -> None:
    """A wooden chair."""
    for x in (-0.42, 0.3):
        pen.box(x, 0.2, x + 0.11, 0.95, ink.dark)
    pen.box(-0.42, -0.85, -0.31, 0.2, ink.main)
    pen.box(0.3, -0.85, 0.41, 0.2, ink.main)
    for y in (-0.78, -0.48, -0.18):
        pen.box(-0.36, y, 0.36, y + 0.14, ink.pale)
    seat = [
        (-0.42, 0.14),
        (0.42, 0.14),
        (0.58, 0.34),
        (-0.54, 0.34),
    ]
    pen.polygon(seat, ink.main)


def bread(pen: Pen, ink: Ink, detail: float) -> None:
    """A loaf on a board."""
    pen.box(-1.0, 0.5, 1.0, 0.66, (120, 84, 56), 0.05)
    pen.box(-0.8, -0.1, 0.8, 0.5, (190, 128, 66), 0.25)
    pen.ellipse(0, -0.06, 0.8, 0.26, (208, 150, 84))
    for step in range(4):
        x = -0.5 + step * 0.32
        cut = [(x, -0.2), (x + 0.14, 0.1)]
        pen.line(cut, (240, 206, 150), 0.06)
    cloth = [
        (-1.1, 0.72),
        (1.1, 0.72),
        (1.3, 1.1),
        (-1.3, 1.1),
    ]
    pen.polygon(cloth, ink.main)


EVERYDAY: Mapping[str, Draw] = {
    draw.__name__: draw
    for draw in (car, house, mountain, cup, fruit, bicycle, chair, bread)
}
