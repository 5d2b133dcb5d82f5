"""Our number for a claim: differences, sums, parts, tests, artefacts, and what the table says where there is none."""

import math

import numpy as np
import pandas as pd
import pytest

from twigma.analysis.paper.claim import Claim
from twigma.analysis.paper.measured import measured, verdicts
from twigma.analysis.paper.verdicts import AGREES, DIFFERS, UNKNOWN


def claim(kind, *keys, **rest):
    return Claim("Fig 0", "q", "A sentence.", "", kind, keys, **rest)


def entry(value, half, **rest):
    return {"value": value, "low": value - half, "high": value + half, "n": 9, **rest}


def test_a_difference_has_the_interval_of_independent_estimates(rng):
    """Against draws: the interval of the difference covers the true one in 95%."""
    covered = []
    for x, y in rng.normal([5.0, 4.0], [0.3, 0.4], (4000, 2)):
        values = {"x": entry(x, 1.96 * 0.3), "y": entry(y, 1.96 * 0.4)}
        (one,) = measured(claim("positive", "x", "y"), values)
        covered.append(one.low < 1.0 < one.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.012)


def test_all_pairs_are_alike_and_the_first_is_compared_with_each():
    values = {name: entry(i, 0.1) for i, name in enumerate("abcd", 1)}
    alike = measured(claim("alike", *"abcd"), values)
    assert [one.value for one in alike] == [-1, -2, -3, -1, -2, -1]
    assert [one.size for one in alike] == [2, 3, 4, 3, 4, 4]
    first = measured(claim("highest", *"dabc"), values)
    assert [one.value for one in first] == [3, 2, 1]
    (most,) = measured(claim("majority", *"dabc"), values)
    assert most.value == 4 - 6
    assert most.high - most.value == pytest.approx(math.sqrt(4) * 0.1)


def test_the_difference_that_decides_is_shown():
    values = {name: entry(i, 0.1) for i, name in enumerate("abcd", 1)}
    rows = verdicts(
        [
            claim("highest", *"dabc"),
            claim("lowest", *"abcd"),
            claim("alike", *"abcd"),
        ],
        values,
        {},
    )
    assert rows["ours"].tolist() == [1, -1, -3]
    assert rows["verdict"].tolist() == [AGREES, AGREES, DIFFERS]


def test_the_interval_by_author_is_compared_where_there_is_one():
    values = {"k": entry(20.0, 0.5, robust_low=18.5, robust_high=21.5)}
    (one,) = measured(claim("amount", "k", value=23.0), values)
    assert (one.low, one.high, one.wider) == (18.5, 21.5, 3.0)
    row = verdicts([claim("amount", "k", value=23.0, low=22.0, high=24.0)], values, {})
    assert row["verdict"].item() == UNKNOWN
    assert "3 times as wide" in row["reason"].item()


def test_a_part_of_a_number_has_its_own_limits_and_size():
    values = {
        "texts/haiku": {
            **entry(0.7, 0.1),
            "base_distance": 1.0,
            "difference": -0.3,
            "difference_low": -0.4,
            "difference_high": -0.2,
        }
    }
    less = claim("negative", "texts/haiku", part="difference")
    alike = claim("alike", "texts/haiku", part="difference")
    rows = verdicts([less, alike], values, {})
    assert rows["verdict"].tolist() == [AGREES, DIFFERS]
    assert rows["ours"].tolist() == [-0.3, -0.3]
    values["texts/haiku"]["difference"] = math.nan
    assert verdicts([less], values, {})["verdict"].item() == UNKNOWN


def test_a_family_is_decided_by_its_adjusted_p_and_a_p_value_by_its_own():
    values = {"k": entry(0.4, 0.1, p=1e-9, p_adjusted=0.2)}
    (trend,) = measured(claim("positive", "k"), values)
    (p,) = measured(claim("p_value", "k", value=0.0001), values)
    assert (trend.p, p.p) == (0.2, 1e-9)


@pytest.mark.parametrize(
    ("near", "far", "verdict"),
    [
        # Infinite on the far side alone: farther, whatever the smoothing.
        ({"kl_raw": 0.1}, {"kl_raw": math.inf}, AGREES),
        ({"kl_raw": math.inf}, {"kl_raw": math.inf}, UNKNOWN),
        ({"kl_raw": 0.1}, {"kl_raw": 4.0}, AGREES),
        ({"kl_raw": 0.1, "noise_95": 0.2}, {"kl_raw": 4.0, "noise_95": 5.0}, UNKNOWN),
    ],
)
def test_an_order_that_the_method_makes_is_no_evidence(near, far, verdict):
    values = {"kl/a/b": entry(0.1, 0.05, **near), "kl/a/c": entry(4.0, 0.5, **far)}
    rows = verdicts([claim("lowest", "kl/a/b", "kl/a/c")], values, {})
    assert rows["verdict"].item() == verdict


def test_what_is_missing_is_the_reason():
    claims = [
        claim("amount", "gone", value=5.42, result="fig2c"),
        claim("amount", "gone", value=5.42, result="fig9"),
        claim("count", "gone", value=19, why="counted elsewhere"),
        claim("none", value=19, why="no data can say"),
        claim("lowest", "here", "gone", result="fig2c"),
    ]
    values = {"gone": {"value": None}, "here": entry(1, 0.1)}
    table = verdicts(claims, values, {"fig2c": "no a reference set: make one"})
    assert table["verdict"].tolist() == [UNKNOWN] * 5
    assert table["reason"].tolist() == [
        "no a reference set: make one", "the figure does not give this number here", "counted elsewhere",
        "no data can say", "no a reference set: make one",
    ]  # fmt: skip
    assert table["ours"].isna().all()
    assert isinstance(table, pd.DataFrame)
    assert list(table)[:3] == ["figure", "quantity", "sentence"]
