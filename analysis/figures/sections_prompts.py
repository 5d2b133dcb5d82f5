"""What the report says of prompts: their share of the variation, and their texts; `twigma report` prints it."""

import math
from typing import Any

from twigma.analysis.page import drawing
from twigma.analysis.page.formatting import interval, listed, number, percent, table
from twigma.analysis.page.section import Results, Section, records


def vendi(found: Results) -> Section:
    """Fig 3c, the split of the Vendi score."""
    scores = {row.measure: row for row in records(found.tables["prompt_vendi"])}
    whole, own, prompts = (
        scores[name] for name in ("vendi", "conditional", "information")
    )
    share = number(100 * _part(own.value, whole.value))
    names = {
        "vendi": "Vendi score: effective number of different images",
        "conditional": "Conditional-Vendi: of different images of one prompt",
        "information": "Information-Vendi: of different prompts that the images tell apart",
    }
    rows = [
        (names[name], interval(row.value, row.low, row.high))
        for name, row in scores.items()
    ]
    return Section(
        "Fig 3c",
        "What prompts bring, and what the model adds",
        f"Of {number(whole.value)} effectively different images, a prompt by itself gives {number(own.value)} and the "
        f"prompts multiply them by {number(prompts.value)}: {share}% of the entropy is the model's own.",
        f"{number(int(whole.n))} images of {number(int(whole.prompts))} prompts, {int(whole.m)} each; 95% intervals "
        "take the prompts as the sample.",
        "Not in the paper.",
        "Jalali et al. (2024): the Vendi score is the product of the two. The kernel of images is their cosine; two "
        "prompts are the same or not. The values grow with the number of images of a prompt and of prompts.",
        tables=(
            table("Vendi score of images by prompt", ("Measure", "Value [95%]"), rows),
        ),
    )


def _part(own: float, whole: float) -> float:
    """ln own / ln whole; 0 when all images are alike."""
    return math.log(own) / math.log(whole) if whole > 1 else 0.0


def texts(found: Results) -> Section:
    """Fig 3d."""
    all_ = records(found.tables["fig3d"])
    base, others = all_[0], all_[1:]
    less = [row.set for row in others if row.difference_high < 0]
    more = [row.set for row in others if row.difference_low > 0]
    alike = [
        row.set for row in others if row.difference_low <= 0 <= row.difference_high
    ]
    apart = [row.set for row in others if row.support == 0]
    parts = [
        f"{words} {listed(names)}"
        for words, names in (
            ("less varied than prompts of their lengths:", less),
            ("more varied:", more),
            ("not told from them:", alike),
            ("of other lengths altogether:", apart),
        )
        if names
    ]
    rows = [_row(row, row is base) for row in all_]
    header = (
        "Texts", "Distance [95%]", "Prompts of these lengths", "Difference [95%]", "At all lengths", "Lengths shared",
        "Words (median)", "Over 77 tokens", "n", "Effective n",
    )  # fmt: skip
    return Section(
        "Fig 3d",
        "How varied the prompts are as texts",
        f"By the mean distance of two texts, {'; '.join(parts)}.",
        f"{number(found.figures['fig3d']['n'])} texts in {len(all_)} kinds; 95% intervals from 500 draws of whole "
        "authors or passages, where these are known.",
        "Captions, prompts and tweets alike; haiku and a book chapter less varied. No numbers stated.",
        "Each kind is weighted to the prompts' numbers of words, in bins of five, and compared with prompts of the "
        "same bins. CLIP reads 77 tokens; what is longer is cut off. Posts are without links and hashtags.",
        drawing.fig3d(found.tables),
        "Mean distance of two texts of each kind with intervals, and that of prompts of the same lengths.",
        (table("Variation of each kind of text", header, rows),),
    )


def _row(row: Any, is_base: bool) -> list[Any]:
    difference = (
        None
        if is_base
        else interval(row.difference, row.difference_low, row.difference_high)
    )
    return [
        row.set, interval(row.distance, row.low, row.high), row.base_distance, difference, row.unmatched,
        percent(row.support), row.median_words, percent(row.long), row.n, round(row.effective),
    ]  # fmt: skip
