"""What the page says of the split of the Vendi score."""

import pandas as pd

from twigma.analysis.figures.beyond_paper.prompt_vendi import (
    describe_prompt_vendi,
    few_prompts,
)
from twigma.analysis.page.section import Results


def test_the_share_of_the_model():
    scores = pd.DataFrame(
        {
            "measure": ["vendi", "conditional", "information"],
            "value": [8.0, 2.0, 4.0],
            "low": [7.9, 1.9, 3.9],
            "high": [8.1, 2.1, 4.1],
        }
    ).assign(n=80, prompts=8, m=10)
    claim = describe_prompt_vendi(Results({"prompt_vendi": scores}, {}, {})).claim
    text = claim.replace("\u00a0", " ")
    assert text.startswith("Of 8.00 [7.90, 8.10] effectively different images, a")
    assert "by itself gives 2.00 [1.90, 2.10] and the prompts multiply them" in text
    assert "33.3% of the entropy is the model's own" in claim


def test_few_prompts_are_warned_of():
    (note,) = few_prompts(12)
    assert "those of the images by prompt count as 12.0 of one size, below 30" in note
    assert few_prompts(30) == ()
