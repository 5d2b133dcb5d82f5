"""The chances of the sample are those it states, measured over many draws; authors are spread."""

import numpy as np
import pytest

from twigma.analysis.measurement import draw_sample, score_strata


def test_strata_rise_with_the_score_and_never_hold_both_verdicts(rng):
    score = rng.random(5000) ** 3
    strata = score_strata(score, 0.5)
    assert set(strata) == set(range(strata.max() + 1))
    for one in range(strata.max()):
        assert score[strata == one].max() <= score[strata == one + 1].min()
    above = strata[score > 0.5].min()
    assert (score[strata >= above] > 0.5).all()
    assert score_strata(np.zeros(9)).tolist() == [0] * 9


def test_every_image_is_drawn_as_often_as_it_says(rng):
    score = rng.random(300) ** 2
    strata = score_strata(score, 0.5)
    author = rng.integers(0, 40, 300)
    times = np.zeros(300)
    draws = 1200
    for seed in range(draws):
        draw = draw_sample(strata, 60, author, seed=seed)
        assert len(np.unique(draw.rows)) == 60
        times[draw.rows] += 1
    p = draw.probability
    z = (times / draws - p) / np.sqrt(p * (1 - p) / draws)
    assert np.abs(z).max() < 4.5
    assert np.isclose(p.sum(), 60)
    # High scores are rare, and drawn more often.
    assert p[strata == strata.max()].mean() > 1.5 * p[strata == 0].mean()


def test_no_author_is_drawn_beyond_their_share():
    author = np.repeat(np.arange(50), [1000] + [20] * 49)
    draw = draw_sample(np.zeros(len(author), int), 100, author)
    drawn = np.bincount(author[draw.rows], minlength=50)
    expected = 100 * np.bincount(author) / len(author)
    assert np.abs(drawn - expected).max() <= 1


def test_small_strata_are_labelled_at_least_twice_and_at_most_once_each():
    strata = np.repeat([0, 1, 2], [1000, 3, 1])
    draw = draw_sample(strata, 20)
    counts = np.bincount(strata[draw.rows])
    assert counts.tolist()[1:] == [3, 1] and counts.sum() == 20
    assert (draw.probability[strata > 0] == 1).all()


def test_impossible_numbers_are_refused():
    strata = np.repeat([0, 1], 10)
    with pytest.raises(ValueError, match="at most the 20 images there are, found 21"):
        draw_sample(strata, 21)
    with pytest.raises(ValueError, match="at least 4 labels, 2 of each of 2 strata"):
        draw_sample(strata, 3)
