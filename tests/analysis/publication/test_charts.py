"""Charts as files: text, fonts and tables of a small chart, and when points become pixels."""

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from fontTools.ttLib import TTFont
from support.pdf import Pdf

from twigma.analysis.page.drawing import axes
from twigma.analysis.publication.charts import MOST_SHAPES, draw_chart

SVG = "{http://www.w3.org/2000/svg}"
TITLE = "Größe → p < 0.05 & more"


def tables(n=20):
    rng = np.random.default_rng(0)
    points = pd.DataFrame(rng.normal(size=(n, 2)), columns=["x", "y"])
    return {"points": points, "other": points, "third": points}


def draw(tables, into=None):
    figure, ax = axes(into=into)
    assert "other" in tables
    ax.scatter(tables["points"]["x"], tables["points"]["y"], s=2)
    ax.plot(tables["third"]["x"], lw=0.5)
    ax.set(title=TITLE, xlabel="Month")
    return figure


@pytest.fixture(scope="module")
def chart():
    return draw_chart(draw, tables())


def texts(svg):
    return ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]  # fmt: skip


def test_the_tables_it_shows_are_those_that_it_reads(chart):
    assert chart.tables == ("points", "third")


def test_the_pdf_has_its_words_as_text_and_its_fonts_inside(chart):
    pdf = Pdf(chart.pdf)
    (page,) = pdf.pages()
    assert TITLE in page and "Month" in page
    assert pdf.fonts == pdf.embedded_fonts > 0
    assert b"/Type3" not in chart.pdf


def test_the_svg_has_its_words_as_text_and_their_letters_inside(chart):
    assert TITLE in texts(chart.file) and "Month" in texts(chart.file)
    (face,) = re.findall(r"@font-face \{ font-family: '([^']+)'.*?base64,([^)]+)\)", chart.file)  # fmt: skip
    assert face[0] == "DejaVu Sans"
    assert "font-family: 'DejaVu Sans'" in chart.file
    font = TTFont(io.BytesIO(base64.b64decode(face[1])))
    letters = set("".join(texts(chart.svg)))
    assert {ord(one) for one in letters} <= set(font.getBestCmap())
    # And few others: the whole font has thousands.
    assert len(font.getBestCmap()) <= len(letters) + 5


def test_bold_words_have_a_font_of_their_own():
    def bold(tables, into=None):
        figure, ax = axes(into=into)
        ax.set_title("Bold", fontweight="bold")
        return figure

    weights = re.findall(r"font-weight: (\d+); src", draw_chart(bold, {}).file)
    assert weights == ["400", "700"]


def test_on_the_page_the_readers_font_draws_the_words(chart):
    kind, _, encoded = chart.address.partition(";base64,")
    page = base64.b64decode(encoded).decode()
    assert kind == "data:image/svg+xml"
    assert "system-ui" in page and "DejaVu" not in page and "font-face" not in page
    assert texts(page) == texts(chart.file)


def test_many_points_are_pixels_inside_axes_that_stay_shapes(chart):
    few = ElementTree.fromstring(chart.svg)
    assert not list(few.iter(f"{SVG}image"))
    assert len(list(few.iter(f"{SVG}use"))) > 20
    crowd = draw_chart(draw, tables(MOST_SHAPES + 1))
    many = ElementTree.fromstring(crowd.svg)
    assert len(list(many.iter(f"{SVG}image"))) == 1
    assert len(list(many.iter(f"{SVG}use"))) < 50
    assert TITLE in texts(crowd.file)
    assert b"/Subtype /Image" in crowd.pdf and TITLE in Pdf(crowd.pdf).pages()[0]


def test_equal_tables_give_equal_bytes(chart):
    again = draw_chart(draw, tables())
    assert (again.pdf, again.file) == (chart.pdf, chart.file)
    assert b"CreationDate" not in chart.pdf and "<dc:date>" not in chart.svg
