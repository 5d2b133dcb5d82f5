"""What the page says of prompts as texts, for every outcome."""

import numpy as np
import pandas as pd

from twigma.analysis.figures.fig3_prompts import describe_texts
from twigma.analysis.page.section import Results

PROMPTS = {
    "set": "prompts",
    "distance": 1.0,
    "low": 0.9,
    "high": 1.1,
    "base_distance": 1.0,
    "difference": 0.0,
    "difference_low": np.nan,
    "difference_high": np.nan,
    "unmatched": 1.0,
    "support": 1.0,
    "effective": 9.0,
    "median_words": 9.0,
    "long": 0.1,
    "blocks": 9,
    "n": 9,
}


def kind(name, low, high):
    return PROMPTS | {"set": name, "difference_low": low, "difference_high": high}


def section(*kinds):
    tables = {"fig3d": pd.DataFrame([PROMPTS, *kinds])}
    return describe_texts(Results(tables, {}, {"fig3d": {"n": 27}}))


def test_words_for_every_outcome():
    measures = ("distance", "low", "high", "base_distance", "difference")
    nothing = kind("essay", np.nan, np.nan) | dict.fromkeys(measures, np.nan)
    nothing |= {"support": 0.0, "long": np.nan}
    few = section(kind("posts", 0.1, 0.2), nothing)
    assert few.claim == (
        "By the mean distance of two texts, more varied: posts; of other lengths altogether: essay."
    )
    essay = [cell.text for cell in few.tables[0].rows[2]]
    assert essay[:4] == ["essay", "–", "–", "–"]
    others = section(kind("haiku", -0.2, -0.1), kind("news", -0.1, 0.1))
    assert others.claim == (
        "By the mean distance of two texts, less varied than prompts of their lengths: haiku; "
        "not told from them: news."
    )
