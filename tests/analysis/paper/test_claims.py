"""Every number of `paper` is a claim, and the precision that the paper's own picture implies."""

import numpy as np
import pytest
import statsmodels.api as sm

from twigma.analysis.paper import stated as paper
from twigma.analysis.paper.claims import claims, implied_se

NAMES = {
    "photographs": "photographs",
    "paintings": "art",
    "prompts": "db",
    "twigma": "twigma",
}


def test_every_number_of_the_paper_is_there_once():
    found = claims(NAMES, True)
    assert len({(c.figure, c.quantity) for c in found}) == len(found)
    numbers = [c.value for c in found]
    stated = [
        paper.HASHTAGS,
        paper.POSTS_FOUND,
        paper.POSTS_WITH_PHOTOS,
        paper.POSTS,
        paper.IMAGES,
        paper.MONTHS,
    ]
    stated += [
        *paper.KL.values(),
        *(bar[0] for bars in paper.LIKES.values() for bar in bars.values()),
    ]
    stated += [
        ratio[0] for ratios in paper.EQ1.values() for ratio in ratios.values() if ratio
    ]
    stated += [paper.SAME_PROMPT_RATIO, paper.PROMPT_TAU, paper.PROMPT_TAU_P]
    assert sorted(stated) == sorted(value for value in numbers if not np.isnan(value))
    directions = [c.quantity for c in found if np.isnan(c.value)]
    assert len(directions) == 1 + 3 + len(paper.FALLING_CLUSTERS) + len(
        paper.RISING_CLUSTERS
    )
    assert {c.keys for c in found if c.figure == "Fig 2c"} == {
        ("kl_paper/photographs/art",)
    }


def test_clusters_are_only_compared_on_the_published_labels():
    assert {c.kind for c in claims(NAMES, True) if c.figure == "Fig 4b"} == {
        "positive",
        "negative",
    }
    assert {c.kind for c in claims(NAMES, False) if c.figure == "Fig 4b"} == {
        "unstated"
    }


def test_the_implied_error_is_that_of_a_ratio_of_two_means(rng):
    """Likes with the means and intervals of Fig 2d: a regression on the quintile has this standard error."""
    for role, bars in paper.LIKES.items():
        n, y, x = 4000, [], []
        for quintile, (mean, low, high) in bars.items():
            sd = (high - low) / 2 / 1.959964 * np.sqrt(n)
            sample = rng.gamma((mean / sd) ** 2, sd**2 / mean, n)
            y.append(mean + (sample - sample.mean()) * sd / sample.std())
            x.append(np.full(n, quintile == 1))
        design = sm.add_constant(np.concatenate(x).astype(float))
        fit = sm.GLM(np.concatenate(y), design, family=sm.families.Poisson()).fit(
            cov_type="HC0"
        )
        assert implied_se(role) == pytest.approx(fit.bse[1], rel=1e-3)
        _, low, high = paper.EQ1[role][1]
        assert implied_se(role) > 10 * np.log(high / low) / 2 / 1.96
