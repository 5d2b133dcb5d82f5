"""Intervals hold planted truths, and tests keep their level, where images by one author are alike."""

import pytest
from studies import distances_of_sets  # noqa: F401 - registers its intervals
from studies.coverage import DESIGNS, INTERVALS, TESTS, UNLIKE, coverage, size

HOLDS, LEVEL = 0.90, 0.07
SLACK = 0.045  # two standard errors of a share of .95 or .05 of 100 worlds
QUICK = ("NSFW share (Fig 4d)", 60)


def test_a_share_by_authors_holds_and_one_by_images_does_not():
    row = coverage(QUICK[0], "10 an author", QUICK[1])
    assert row["known"] >= HOLDS > 0.7 > row["unknown"]
    assert row["warned"] == 0 and row["blocks"] == pytest.approx(60)
    assert coverage(QUICK[0], "12 authors", 20)["warned"] == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("name", INTERVALS)
def test_an_interval_holds_the_truth_or_warns(name, design):
    row = coverage(name, design)
    assert row["known"] >= HOLDS - SLACK or row["warned"] > 0.5, row


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("design", [*DESIGNS, *UNLIKE])
@pytest.mark.parametrize("name", TESTS)
def test_a_test_rejects_what_is_true_as_often_as_it_says(name, design):
    row = size(name, design)
    assert row["known"] <= LEVEL + SLACK, row
