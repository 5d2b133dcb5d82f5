"""Planted worlds: corrected intervals hold the truth, a biased detector's own never do, and none is wider for it."""

import pytest
from support.planted_detectors import DESIGNS, DETECTORS, coverage

from twigma.analysis.measurement.estimates import CORRECTED, NAIVE


def test_a_few_worlds():
    """What twelve worlds can show; the thousand are below."""
    found = coverage(12, designs=("by score",), detectors=("biased", "good"))
    rows = found.set_index(["detector", "what", "estimator"])
    assert rows.loc[("biased", "share", NAIVE), "covered"] == 0
    assert rows.loc[("biased", "share", CORRECTED), "covered"] >= 0.75
    assert rows.loc[("biased", "share", CORRECTED), "value"] == pytest.approx(
        0.12, abs=0.012
    )
    assert rows.loc[("good", "share", CORRECTED), "width"] < 0.85


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("design", DESIGNS)
def test_a_thousand_worlds(design):
    found = coverage(1000, designs=(design,))
    rows = found.set_index(["detector", "what", "estimator"])
    for detector in DETECTORS:
        for what in ("share", "trend"):
            row = rows.loc[(detector, what, CORRECTED)]
            assert 0.93 <= row["covered"] <= 0.97, (detector, what)
            assert row["width"] <= 1.02, (detector, what)
    assert rows.loc[("biased", "share", NAIVE), "covered"] == 0
    assert rows.loc[("drifting", "trend", NAIVE), "covered"] < 0.01
    for what in ("share", "trend"):
        assert rows.loc[("good", what, CORRECTED), "width"] <= 0.85
