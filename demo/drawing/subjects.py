"""The ten subjects of the posts by name; a subject is a theme of the demo world.

Look at them with `python -m twigma.demo.drawing.pictures sheet.png`.
"""

from collections.abc import Mapping

from twigma.demo.drawing.creatures import cat, dragon, robot, woman
from twigma.demo.drawing.pen import Draw
from twigma.demo.drawing.places import castle, city, flower, forest, ocean, spaceship

# Their order numbers the themes: the world draws by it, and the models were trained on it.
SUBJECTS: Mapping[str, Draw] = {
    "woman": woman,
    "castle": castle,
    "robot": robot,
    "cat": cat,
    "forest": forest,
    "ocean": ocean,
    "city": city,
    "flower": flower,
    "dragon": dragon,
    "spaceship": spaceship,
}
