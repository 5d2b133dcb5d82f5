"""What a reader of numbers that labels corrected has to know: who labelled, what has no label, what was drawn from."""

import numpy as np
import pandas as pd

from twigma.analysis.annotation.read_labels import Answers
from twigma.analysis.inference.blocks import FEW
from twigma.analysis.measurement.estimates import Labelled


def label_remarks(answers: Answers, rows: pd.DataFrame, data: Labelled) -> list[str]:
    """What a reader of numbers that labels corrected has to know of the labels, a sentence each.

    Parameters
    ----------
    rows : a row an image of the release that could have been drawn.
    data : the same images with their labels.
    """
    column = answers.about.column
    remarks = [f"{column}: {remark}" for remark in answers.remarks]
    if "author_id" not in rows:
        remarks.append(
            f"{column}: authors are not known, so images of one post are taken together and intervals may be too "
            "narrow (--work)"
        )
    labelled_authors = len(np.unique(data.author_codes[data.is_labelled]))
    if labelled_authors < FEW:
        remarks.append(
            f"{column}: labels of {labelled_authors} authors only, so intervals are rough"
        )
    if answers.unsure:
        remarks.append(
            f"{column}: {answers.unsure:,} answers were “cannot tell” and count as no label"
        )
    missing = answers.drawn - len(answers.images)
    if missing:
        remarks.append(
            f"{column}: {missing:,} of {answers.drawn:,} images that were drawn have no label; the others of their "
            "stratum stand for them"
        )
    if answers.about.images > len(rows):
        gone = answers.about.images - len(rows)
        remarks.append(
            f"{column}: of the {answers.about.images:,} images that were drawn from, the release lacks {gone:,} now"
        )
    if answers.about.images < len(rows):
        remarks.append(
            f"{column}: drawn from {answers.about.images:,} images, and the release has {len(rows):,} now; sheets of "
            "an earlier version do not say which. The corrected share is right only if the others are like them: draw "
            "again"
        )
    return remarks
