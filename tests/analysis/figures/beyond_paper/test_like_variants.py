"""The words on Eq (1) under other assumptions and on NSFW images: differences only where intervals show them."""

import pandas as pd
import pytest

from twigma.analysis.figures.beyond_paper import like_variants
from twigma.analysis.figures.fig2d_likes import doubt
from twigma.analysis.page.section import Results


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1.01, 1.3, ""),
        (0.7, 0.99, ""),
        (0.9, 1.3, " (no difference is shown)"),
        (None, None, ", without an interval"),
        (float("nan"), float("nan"), ", without an interval"),
    ],
)
def test_a_ratio_is_doubted_by_its_own_interval(low, high, text):
    assert doubt(low, high) == text


def variants(**limits):
    rows = []
    for variant, (low, high) in limits.items():
        row = {"variant": variant.replace("_", " "), "term": "quintile 1", "n": 90}
        rows.append(row | {"irr": (low + high) / 2, "low": low, "high": high})
    return Results(
        {"eq1_paintings_sensitivity": pd.DataFrame(rows)},
        {},
        {"eq1_paintings_sensitivity": {}},
    )


def test_the_models_in_which_the_least_similar_differ_are_counted():
    found = variants(eq1=(1.1, 1.3), months=(0.9, 1.3), author_fixed_effects=(0.8, 1.2))
    claim = like_variants.describe_variants(found).claim
    assert claim == (
        "The likes of the fifth least similar to paintings differ from the most similar one's in 1 of 3 models; it got "
        "1.00 [0.80,\u00a01.20] times the likes among images of one author (no difference is shown)."
    ).replace("1.00 [", "1.00\u00a0[")
    found = variants(eq1=(1.1, 1.3), author_fixed_effects=(1.1, 1.2))
    claim = like_variants.describe_variants(found).claim
    assert "in 2 of 2 models" in claim and claim.endswith("images of one author.")


def test_the_claim_of_nsfw_images_is_the_most_adjusted_ratio():
    row = {"irr": 2.0, "low": 1.5, "high": 2.5, "p": 0.001, "n": 80, "clusters": 9}
    row |= {"effective_clusters": 4.0, "se_kind": "author-clustered"}
    last = row | {"adjusted": "author, topic, month", "irr": 1.1, "low": 0.9}
    tables = {"nsfw_likes": pd.DataFrame([row | {"adjusted": "nothing"}, last])}
    section = like_variants.describe_nsfw_likes(Results(tables, {}, {}))
    assert section.claim == (
        "NSFW images got 1.10\u00a0[0.90,\u00a02.50] times the likes of others, author, topic and month held the same "
        "(no difference is shown)."
    )
    assert [cells[0].text for cells in section.tables[0].rows] == [
        "nothing", "author, topic, month"
    ]  # fmt: skip
