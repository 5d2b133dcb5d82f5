"""Wilson's interval against statsmodels."""

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from twigma.core.numeric.wilson import wilson


def test_wilson_is_statsmodels():
    rng = np.random.default_rng(0)
    n = rng.integers(1, 500, 300)
    hits = rng.binomial(n, rng.random(300))
    hits[:4], n[:4] = [0, 5, 18, 1], [5, 5, 20, 1]
    low, high = wilson(hits, n)
    expected = proportion_confint(hits, n, method="wilson")
    np.testing.assert_allclose(low, expected[0], atol=1e-12)
    np.testing.assert_allclose(high, expected[1], atol=1e-12)
    assert [float(x) for x in wilson(0, 0)] == [0, 1]
