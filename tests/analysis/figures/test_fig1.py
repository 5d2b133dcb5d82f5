"""What the page says of posts per month, for every outcome; what its chart shows of a month that is cut off."""

import pandas as pd
import pytest

from twigma.analysis.figures.fig1 import (
    describe_posts,
    describe_words,
    draw_posts,
)
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
