"""Adjusted p values against SciPy, statsmodels, and tests repeated by their weights."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from twigma.analysis.inference.multiple_testing import benjamini_hochberg


def test_benjamini_hochberg_equals_peers():
    rng = np.random.default_rng(2)
    for m in (1, 2, 10, 50):
        p = rng.random(m) ** 2
        p[: m // 3] = p[0]
        assert np.allclose(
            benjamini_hochberg(p), stats.false_discovery_control(p), atol=1e-15
        )
        assert np.allclose(
            benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], atol=1e-15
        )
    assert np.array_equal(
        benjamini_hochberg([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04], equal_nan=True
    )
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg([1.2])


def test_adjusted_p_values_are_scipys_and_those_of_rows_repeated(rng):
    p = rng.random(200).round(2)
    assert benjamini_hochberg(p, None) == pytest.approx(
        stats.false_discovery_control(p)
    )
    weights = rng.integers(1, 6, 200)
    repeated = stats.false_discovery_control(np.repeat(p, weights))
    last = np.cumsum(weights) - 1
    assert benjamini_hochberg(p, weights) == pytest.approx(repeated[last])
