"""Beside Fig 3c: how much of the variation prompts bring, and how much the model adds."""

import math

from twigma.analysis.figures.contract import Chapter, Figure
from twigma.analysis.figures.fig3_prompts import BY_PROMPT, images_by_prompt
from twigma.analysis.inference.blocks import few_note
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.formatting import (
    interval,
    number,
    plural,
    table,
)
from twigma.analysis.page.section import Results, Section, records

MEASURES = {
    "vendi": "Vendi score: effective number of different images",
    "conditional": "Conditional-Vendi: of different images of one prompt",
    "information": "Information-Vendi: of different prompts that the images tell apart",
}


def compute_prompt_vendi(data: Inputs, settings: Settings) -> Result:
    """The Vendi score of the images by prompt, split in what prompts bring and what the model adds.

    Table: `prompt_vendi` (measure, value, low, high, n, prompts, m). Values: `prompt_vendi/MEASURE`.
    """
    from twigma.analysis.variation.conditional_vendi import conditional_vendi

    images = images_by_prompt(data, settings)
    scores = conditional_vendi(images.embedding, images.prompt, seed=settings.seed)
    values = entries(scores, "prompt_vendi", ["measure"], "value")
    n = int(scores["n"].max())
    notes = (*images.notes, *few_prompts(int(scores["prompts"].max())))
    return Result(n, {"prompt_vendi": scores}, values, notes)


def few_prompts(count: int) -> tuple[str, ...]:
    """A warning of fewer than 30 prompts, of equally many images each; empty otherwise."""
    note = few_note({"the images by prompt": float(count)})
    return (note,) if note else ()


def describe_prompt_vendi(results: Results) -> Section:
    """The share of the entropy that is the model's own."""
    scores = {row.measure: row for row in records(results.tables["prompt_vendi"])}
    total, own = scores["vendi"], scores["conditional"]
    share = 100 * _share_of_entropy(own.value, total.value)
    texts = {}
    rows = []
    for measure, row in scores.items():
        texts[measure] = interval(row.value, row.low, row.high)
        rows.append((MEASURES[measure], texts[measure]))
    header = ("Measure", "Value [95%]")
    return Section(
        figure="Fig 3c",
        title="What prompts bring, and what the model adds",
        claim=f"Of {texts['vendi']} effectively different images, a prompt by itself gives {texts['conditional']} "
        f"and the prompts multiply them by {texts['information']}: {number(share)}% of the entropy is the model's "
        "own (this share has no interval).",
        basis=f"{plural(int(total.n), 'image')} of {plural(int(total.prompts), 'prompt')}, {int(total.m)} each; 95% "
        "intervals take the prompts as the sample.",
        paper="Not in the paper.",
        differs="Jalali et al. (2024): the Vendi score is the product of the two. The kernel of images is their "
        "cosine; two prompts are the same or not. The values grow with the number of images of a prompt and of "
        "prompts.",
        tables=(table("Vendi score of images by prompt", header, rows),),
    )


def _share_of_entropy(own: float, total: float) -> float:
    """ln own / ln total; 0 when all images are alike."""
    return math.log(own) / math.log(total) if total > 1 else 0.0


FIGURE = Figure("prompt_vendi", compute_prompt_vendi, needs=BY_PROMPT)
PROMPT_VENDI = Chapter(describe_prompt_vendi, (FIGURE,))
