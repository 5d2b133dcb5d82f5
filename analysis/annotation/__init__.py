"""Labels of pictures by people, for a model's column: the sample and its sheets, the local page, what they answered.

`twigma sheets --for COLUMN` draws, `twigma label` shows the pictures, `twigma analyze --sheets` reads the labels.
"""

from twigma.analysis.annotation.draw_sheets import Drawn, draw_sheets
from twigma.analysis.annotation.label_server import LabelServer, serve
from twigma.analysis.annotation.label_store import LabelStore
from twigma.analysis.annotation.read_labels import (
    Answers,
    labelled_images,
    read_answers,
)

__all__ = [
    "Answers",
    "Drawn",
    "LabelServer",
    "LabelStore",
    "draw_sheets",
    "labelled_images",
    "read_answers",
    "serve",
]
