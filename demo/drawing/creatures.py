"""The woman, the robot, the cat and the dragon: themes of the posts that have a face.

Look at them with `python -m twigma.demo.drawing.pictures sheet.png`.
"""

from twigma.demo.drawing.pen import RGB, Ink, Pen, darker, lighter, mix

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
BROW: RGB = (60, 40, 40)
STEEL: RGB = (120, 124, 134)
LEG: RGB = (110, 114, 126)
LAMP: RGB = (255, 226, 130)
NOSE: RGB = (226, 96, 116)
INNER_EAR: RGB = (240, 160, 170)
FIRE: RGB = (255, 150, 30)
FIRE_CORE: RGB = (255, 236, 120)


def woman(pen: Pen, ink: Ink, detail: float) -> None:
    """A portrait: long hair, a face, a dress in the main colour."""
    # One number sets both; hair changes ten times as fast, so that they vary apart.
    skin = SKIN[int(detail * 3.99)]
    hair = mix(HAIR[int(detail * 40) % len(HAIR)], ink.light, 0.08)
    pen.ellipse(0, -0.28, 0.48, 0.56, hair)
    pen.box(-0.48, -0.28, 0.48, 0.42, hair, 0.15)
    pen.box(-0.13, 0.1, 0.13, 0.5, darker(skin, 0.15))
    dress = [
        (-0.2, 0.36),
        (0.2, 0.36),
        (0.72, 0.58),
        (1.1, 3.0),
        (-1.1, 3.0),
        (-0.72, 0.58),
    ]
    pen.polygon(dress, ink.main)
    neckline = [(-0.2, 0.36), (0.2, 0.36), (0, 0.72)]
    pen.polygon(neckline, skin)
    collar = [(-0.22, 0.36), (0, 0.74), (0.22, 0.36)]
    pen.line(collar, ink.pale, 0.05)
    pen.ellipse(0, -0.2, 0.31, 0.41, skin)
    fringe = [
        (-0.36, -0.3),
        (-0.2, -0.66),
        (0.24, -0.66),
        (0.36, -0.3),
        (0.08, -0.46),
    ]
    pen.polygon(fringe, hair)
    _face(pen, ink)
    pen.ellipse(0, 0.8, 0.05, 0.05, lighter(ink.accent))


def _face(pen: Pen, ink: Ink) -> None:
    for side in (-1, 1):
        pen.ellipse(0.12 * side, -0.2, 0.055, 0.035, (252, 252, 250))
        pen.ellipse(0.12 * side, -0.2, 0.03, 0.035, darker(ink.accent, 0.5))
        brow = [(0.06 * side, -0.28), (0.18 * side, -0.28)]
        pen.line(brow, BROW, 0.025)
        pen.ellipse(0.19 * side, -0.07, 0.06, 0.035, (236, 160, 142))
    pen.ellipse(0, 0.06, 0.085, 0.032, (190, 62, 72))


def robot(pen: Pen, ink: Ink, detail: float) -> None:
    """A boxy robot with round eyes, an antenna and lamps on its chest."""
    for side in (-1, 1):
        arm = [
            (0.42 * side, 0.15),
            (0.72 * side, 0.35),
            (0.66 * side, 0.66),
        ]
        pen.line(arm, STEEL, 0.11)
        pen.ellipse(0.66 * side, 0.7, 0.11, 0.11, ink.dark)
        leg = 0.2 * side
        pen.box(leg - 0.11, 0.68, leg + 0.11, 0.98, LEG, 0.04)
    pen.box(-0.46, 0.0, 0.46, 0.76, ink.main, 0.1)
    pen.box(-0.3, 0.18, 0.3, 0.56, ink.dark, 0.05)
    for step in range(1 + int(detail * 5)):
        x = -0.2 + (step % 3) * 0.2
        y = 0.28 + (step // 3) * 0.17
        pen.ellipse(x, y, 0.06, 0.06, (LAMP, ink.accent)[step % 2])
    antenna = [(0, -0.7), (0, -0.9)]
    pen.line(antenna, STEEL, 0.05)
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
        stripe = [
            (-0.44, 0.2 + step * 0.13),
            (-0.28, 0.24 + step * 0.13),
        ]
        pen.line(stripe, ink.dark, 0.05)
    for side in (-1, 1):
        ear = [
            (0.1 * side, -0.6),
            (0.44 * side, -0.98),
            (0.46 * side, -0.3),
        ]
        pen.polygon(ear, ink.main)
        inner_ear = [
            (0.2 * side, -0.6),
            (0.38 * side, -0.84),
            (0.4 * side, -0.45),
        ]
        pen.polygon(inner_ear, INNER_EAR)
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
    nose = [
        (-0.06, -0.2),
        (0.06, -0.2),
        (0, -0.13),
    ]
    pen.polygon(nose, NOSE)


def dragon(pen: Pen, ink: Ink, detail: float) -> None:
    """A winged dragon in profile, breathing fire."""
    far_wing = (-0.1, -0.95, ink.dark)
    near_wing = (-0.5, -0.9, ink.accent)
    for tip, high, colour in (far_wing, near_wing):
        membrane = [
            (0.1, 0.1),
            (tip, high),
            (tip - 0.28, -0.5),
            (-0.75, -0.45),
            (-0.62, -0.15),
            (-0.2, 0.2),
        ]
        pen.polygon(membrane, colour)
        bone = [(0.1, 0.1), (tip, high)]
        pen.line(bone, ink.line, 0.04)
    tail = [
        (-0.3, 0.45),
        (-0.7, 0.62),
        (-1.0, 0.45),
        (-1.15, 0.15),
    ]
    pen.line(tail, ink.main, 0.16)
    tail_tip = [
        (-1.3, 0.2),
        (-1.15, -0.1),
        (-1.0, 0.2),
    ]
    pen.polygon(tail_tip, ink.dark)
    pen.ellipse(0, 0.4, 0.46, 0.32, ink.main)
    pen.ellipse(0.06, 0.5, 0.34, 0.2, ink.pale)
    for step in range(3 + int(detail * 4)):
        x = -0.42 + step * 0.12
        spike = [
            (x, 0.2),
            (x + 0.06, 0.0),
            (x + 0.12, 0.2),
        ]
        pen.polygon(spike, ink.dark)
    for x in (-0.25, 0.22):
        pen.box(x - 0.09, 0.6, x + 0.09, 0.95, ink.main, 0.05)
    _dragon_head(pen, ink)


def _dragon_head(pen: Pen, ink: Ink) -> None:
    neck = [
        (0.2, 0.45),
        (0.3, -0.3),
        (0.55, -0.25),
        (0.5, 0.4),
    ]
    pen.polygon(neck, ink.main)
    pen.ellipse(0.48, -0.4, 0.24, 0.18, ink.main)
    snout = [
        (0.5, -0.52),
        (0.92, -0.4),
        (0.9, -0.28),
        (0.5, -0.24),
    ]
    pen.polygon(snout, ink.main)
    for x in (0.34, 0.48):
        horn = [
            (x - 0.06, -0.5),
            (x - 0.14, -0.8),
            (x + 0.06, -0.55),
        ]
        pen.polygon(horn, lighter(ink.accent))
    pen.ellipse(0.52, -0.46, 0.06, 0.06, (250, 240, 120))
    pen.ellipse(0.53, -0.46, 0.02, 0.05, (10, 10, 10))
    flame = [
        (0.9, -0.36),
        (1.25, -0.52),
        (1.16, -0.34),
        (1.4, -0.24),
        (1.12, -0.22),
        (1.2, -0.08),
    ]
    pen.polygon(flame, FIRE)
    flame_core = [
        (0.9, -0.35),
        (1.12, -0.38),
        (1.05, -0.28),
        (1.16, -0.2),
    ]
    pen.polygon(flame_core, FIRE_CORE)
