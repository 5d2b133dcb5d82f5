"""Chapters appear with their figures, their chart and their notes, each once and in the paper's order."""

import pandas as pd
import pytest

from twigma.analysis.figures import CHAPTERS, FIGURES, fig2_sets
from twigma.analysis.figures.beyond_paper import like_variants
from twigma.analysis.figures.contract import Chapter, Figure
from twigma.analysis.inputs.requirements import Result
from twigma.analysis.page.drawing import axes
from twigma.analysis.page.section import Results, Section
from twigma.analysis.publication.charts import draw_chart


def compute(data, settings):
    return Result(1, {})


def describe(results):
    return Section("Fig 0", "Title", "Claim.", "One.", "Nothing.")


def draw(tables, into=None):
    figure, ax = axes(into=into)
    ax.plot(tables["points"]["x"])
    return figure


MAIN, DETAIL = (Figure(name, compute, needs=()) for name in ("main", "detail"))
CHAPTER = Chapter(describe, (MAIN,), details=(DETAIL,), draw=draw)
TABLES = {"points": pd.DataFrame({"x": [1, 2]})}


def facts(*notes):
    return {"n": 1, "tables": [], "values": [], "notes": list(notes)}


def test_a_chapter_appears_with_its_main_figures_only():
    assert CHAPTER.section(Results(TABLES, {}, {})) is None
    assert CHAPTER.section(Results(TABLES, {}, {"detail": facts()})) is None
    section = CHAPTER.section(Results(TABLES, {}, {"main": facts()}))
    assert section.claim == "Claim."
    address = draw_chart(CHAPTER.draw, TABLES).address
    assert address.startswith("data:image/svg+xml;base64,")


def test_notes_are_those_of_its_figures_and_of_no_other():
    figures = {"detail": facts("b"), "main": facts("a"), "other": facts("c")}
    assert CHAPTER.notes(Results(TABLES, {}, figures)) == ["a", "b"]
    assert CHAPTER.notes(Results(TABLES, {}, {"main": facts()})) == []


def test_figures_are_computed_once_and_in_the_order_of_their_chapters():
    names = [figure.name for figure in FIGURES]
    assert len(names) == len(set(names))
    assert names.index("fig3ab") < names.index("entropy_k") < names.index("fig3c")
    assert fig2_sets.MAP in CHAPTERS
    sensitivity = [figure.name for figure in like_variants.VARIANTS.figures]
    assert sensitivity == ["eq1_photographs_sensitivity", "eq1_paintings_sensitivity"]
    assert set(sensitivity) <= set(names)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_every_figure_says_what_it_computes(figure):
    assert figure.run.__doc__
    assert figure.needs
