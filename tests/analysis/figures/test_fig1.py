"""What the page says of posts per month, for every outcome; what its chart shows of a month that is cut off."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from twigma.analysis.figures.fig1 import (
    compute_posts,
    compute_words,
    describe_posts,
    describe_words,
    draw_posts,
)
from twigma.analysis.inputs.load import Images, Inputs
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.page.section import Results

MONTHS = pd.DataFrame(
    {
        "month": ["2022-01", "2022-02", "2022-03"],
        "posts": [90, 80, 12],
        "images": [95, 85, 14],
        "days": [31, 28, 4],
        "cut": [False, False, True],
    }
)


def section(value, low, high, months=MONTHS):
    growth = {"value": value, "low": low, "high": high, "doubling": 27.9}
    return describe_posts(Results({"fig1b": months}, {"growth": growth}, {}))


@pytest.mark.parametrize(
    ("limits", "claim"),
    [
        ((-0.07, 0.13), "No clear growth: 2.5% [−7.0, 13.0] a month."),
        (
            (0.01, 0.04),
            "Posts grew by 2.52% [1.00, 4.00] a month, doubling every 27.9 months.",
        ),
    ],
)
def test_the_sentence_obeys_its_interval(limits, claim):
    found = section(0.0252, *limits).claim.replace("\u00a0", " ")
    assert found == claim


def test_a_fall_is_called_one():
    found = section(-0.05, -0.08, -0.02).claim.replace("\u00a0", " ")
    assert found == "Posts fell by −5% [−8, −2] a month."


def test_months_that_are_cut_off_are_named():
    found = section(0.01, -0.1, 0.1)
    assert found.basis.endswith(
        "The collection begins or ends inside 2022-03 (4 days), which counts by these days."
    )
    header, last = found.tables[0].header, found.tables[0].rows[-1]
    assert header == ("Month", "Posts", "Images", "Days covered", "Cut off")
    assert [cell.text for cell in last] == ["2022-03", "12", "14", "4", "yes"]
    whole = section(0.01, -0.1, 0.1, MONTHS.assign(cut=False))
    assert "collection begins" not in whole.basis


def test_images_on_no_post_are_not_called_posts():
    own = MONTHS.assign(unit="image", images=MONTHS["posts"])
    found = section(-0.05, -0.08, -0.02, own)
    assert found.title == "Images per month"
    assert found.claim.startswith("Images fell by")
    assert found.basis.startswith("182 images in 3 months")
    assert "post" not in found.title + found.claim + found.basis + found.alt
    assert found.tables[0].header == ("Month", "Images", "Days covered", "Cut off")
    assert draw_posts({"fig1b": own}).axes[0].get_ylabel() == "Images"


@pytest.mark.parametrize(("source", "unit"), [("local", "Images"), ("x", "Posts")])
def test_what_is_counted_is_told_by_where_images_are_from(source, unit):
    dates = np.datetime64("2022-01-01", "ms") + 20 * np.arange(12).astype("m8[D]")
    names = [str(i) for i in range(12)]
    table = pa.table(
        {"id": names, "image_name": names, "created_at": dates, "source": [source] * 12}
    )
    none = np.zeros((0, 8), np.float32)
    data = Inputs(Images("mine", table, none, np.zeros(0, np.int64)), {})
    result = compute_posts(data, Settings())
    found = describe_posts(Results(result.tables, result.values, {}))
    assert found.title == f"{unit} per month"


@pytest.mark.parametrize(
    ("source", "title"),
    [("local", "Words beside the images"), ("x", "Words of the posts")],
)
def test_words_are_of_posts_or_of_what_stands_beside_images(source, title):
    texts = ["robot castle", "robot", "castle"]
    table = pa.table({"id": list("abc"), "text": texts, "source": [source] * 3})
    none = np.zeros((0, 8), np.float32)
    data = Inputs(Images("mine", table, none, np.zeros(0, np.int64)), {})
    result = compute_words(data, Settings())
    figures = {"fig1c": {"n": result.n}}
    found = describe_words(Results(result.tables, result.values, figures))
    assert found.title == title


def test_bars_of_a_part_of_a_month_are_pale():
    ax = draw_posts({"fig1b": MONTHS}).axes[0]
    assert [bar.get_alpha() for bar in ax.patches] == [None, None, 0.5]
    assert ax.get_legend().get_texts()[0].get_text() == "part of the month"
    plain = draw_posts({"fig1b": MONTHS.assign(cut=False)}).axes[0]
    assert plain.get_legend() is None


def test_a_single_word_is_not_several():
    words = pd.DataFrame({"word": ["hi"], "count": [3], "share": [1.0]})
    found = describe_words(Results({"fig1c": words}, {}, {"fig1c": {"n": 3}}))
    assert found.claim == "The only frequent word is hi."
    assert "the only frequent word;" in found.basis
