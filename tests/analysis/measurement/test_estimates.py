"""Three estimates of one share: the model's, the labels', and the corrected one, against plain formulas."""

import numpy as np
import pandas as pd
import pytest

from twigma.analysis.inference.proportions import block_share
from twigma.analysis.measurement import (
    Labelled,
    monthly_trend,
    share,
    shares_by,
)
from twigma.analysis.measurement.estimates import ALONE, CORRECTED, NAIVE
from twigma.analysis.measurement.pseudo_outcomes import pseudo_outcomes


@pytest.fixture
def world(rng):
    n = 6000
    author = rng.integers(0, 600, n)
    month = rng.integers(0, 12, n)
    y = (rng.random(n) < 0.2).astype(float)
    flag = np.where(rng.random(n) < 0.7, y, 1 - y)
    probability = np.where(flag > 0, 0.2, 0.1)
    label = np.where(rng.random(n) < probability, y, np.nan)
    return Labelled(flag, label, probability, author), month


def by_estimator(table):
    return table.set_index("estimator")


def test_values_are_the_plain_means(world):
    data, _ = world
    found = by_estimator(share(data))
    has = ~np.isnan(data.label)
    alone = np.average(data.label[has], weights=1 / data.probability[has])
    values = pseudo_outcomes(data.flag, data.label, data.probability, data.author_codes)
    assert np.isclose(found.loc[NAIVE, "value"], data.flag.mean())
    assert np.isclose(found.loc[ALONE, "value"], alone)
    assert np.isclose(found.loc[CORRECTED, "value"], values.values.mean())
    assert found["labels"].to_dict() == {
        NAIVE: 0,
        ALONE: has.sum(),
        CORRECTED: has.sum(),
    }
    assert found.loc[NAIVE, "low"] > 0.3  # for a true 0.2
    for name in (ALONE, CORRECTED):
        assert found.loc[name, "low"] < 0.2 < found.loc[name, "high"]


def test_images_weigh_what_their_posts_represent(world, rng):
    data, _ = world
    weights = rng.uniform(1, 3, len(data.flag))
    weighted = Labelled(data.flag, data.label, data.probability, data.authors, weights)
    found = by_estimator(share(weighted))
    assert np.isclose(found.loc[NAIVE, "value"], np.average(data.flag, weights=weights))
    expected = np.average(weighted.corrected, weights=weights)
    assert np.isclose(found.loc[CORRECTED, "value"], expected)


def test_groups_are_the_shares_of_their_images(world):
    data, month = world
    found = shares_by(data, np.where(month == 3, np.nan, month))
    assert sorted(found["group"].unique()) == [0, 1, 2, *range(4, 12)]
    one = share(data, month == 5)
    rows = found[found["group"] == 5].drop(columns="group").reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, one)


def test_the_trend_is_the_slope_over_the_months_that_are(world):
    sm = pytest.importorskip("statsmodels.api")
    data, month = world
    # Months without posts count: two months apart is twice as far.
    month = np.where(month > 5, month + 20, month).astype(float)
    month[:10] = np.nan
    found = by_estimator(monthly_trend(data, month))
    x = sm.add_constant(month[10:])
    for name, outcome in ((NAIVE, data.flag), (CORRECTED, data.corrected)):
        fit = sm.OLS(outcome[10:], x).fit()
        assert np.isclose(found.loc[name, "value"], fit.params[1], atol=1e-10)
    with pytest.raises(ValueError, match="at least 2 months"):
        monthly_trend(data, np.ones(len(month)))


def test_few_labels_of_a_kind_give_no_interval(world):
    data, _ = world
    ones = np.flatnonzero(data.label == 1)
    label = data.label.copy()
    label[ones[4:]] = 0
    few = by_estimator(share(Labelled(data.flag, label, data.probability)))
    assert few.loc[[ALONE, CORRECTED], ["low", "high"]].isna().all(axis=None)
    assert np.isfinite(few.loc[NAIVE, "low"])
    label[ones[4]] = 1
    enough = by_estimator(share(Labelled(data.flag, label, data.probability)))
    assert enough.loc[CORRECTED, "low"] < enough.loc[CORRECTED, "high"]


def test_a_group_without_labels_has_the_models_share_alone(world):
    data, month = world
    label = np.where(month == 4, np.nan, data.label)
    found = shares_by(Labelled(data.flag, label, data.probability), month)
    assert found.loc[found["group"] == 4, "estimator"].tolist()[0] == NAIVE
    assert ALONE not in found.loc[found["group"] == 4, "estimator"].tolist()


def test_the_models_share_has_the_interval_of_fig_4d(rng):
    """Few authors, one of whom has nearly all flags; also weighted."""
    author = np.repeat(np.arange(20), 10)
    flag = (author == 3) | (rng.random(200) < 0.01)
    label = np.where(rng.random(200) < 0.5, rng.random(200) < 0.4, np.nan)
    half = np.full(200, 0.5)
    for weights in (None, rng.uniform(1, 3, 200)):
        data = Labelled(flag.astype(float), label, half, author, weights)
        naive = by_estimator(share(data)).loc[NAIVE]
        expected = block_share(flag, author, weights)
        assert tuple(naive[["value", "low", "high", "effective"]]) == pytest.approx(
            (expected.share, expected.low, expected.high, expected.blocks)
        )
        assert 0 < naive["low"] < naive["value"]


def test_shares_of_few_images_stay_within_what_a_share_can_be(world):
    data, _ = world
    author = np.arange(len(data.flag)) // 40
    few = Labelled(data.flag, data.label, data.probability, author)
    found = shares_by(few, np.arange(len(data.flag)) // 60)
    numbers = found[["value", "low", "high"]].to_numpy(float)
    halves = np.where(
        few.label == 1, 0.5, few.label
    )  # two people, of whom one says yes
    of_two = shares_by(
        Labelled(data.flag, halves, data.probability, author),
        np.arange(len(data.flag)) // 60,
    )
    numbers = np.vstack([numbers, of_two[["value", "low", "high"]].to_numpy(float)])
    known = numbers[np.isfinite(numbers)]
    assert known.min() >= 0 and known.max() <= 1
    # Without limits some corrected share would be outside.
    groups = pd.Series(few.corrected).groupby(np.arange(len(data.flag)) // 60).mean()
    assert groups.min() < 0 or groups.max() > 1
