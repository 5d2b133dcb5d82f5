"""Precision, recall, density and coverage against the definition written out, and their values for one distribution."""

import numpy as np
import pytest

from twigma.analysis.comparison.manifold import manifold, manifolds


def brute(real, fake, k):
    def radius(x, i):
        return sorted(np.linalg.norm(x[i] - y) for j, y in enumerate(x) if j != i)[
            k - 1
        ]

    ball, own = (
        [radius(real, i) for i in range(len(real))],
        [radius(fake, j) for j in range(len(fake))],
    )
    inside = np.array(
        [
            [np.linalg.norm(y - x) <= r for x, r in zip(real, ball, strict=True)]
            for y in fake
        ]
    )
    back = np.array(
        [
            [np.linalg.norm(y - x) <= r for y, r in zip(fake, own, strict=True)]
            for x in real
        ]
    )
    return (
        inside.any(1).mean(),
        back.any(1).mean(),
        inside.sum() / k / len(fake),
        inside.any(0).mean(),
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_four_are_the_definition_written_out(seed):
    rng = np.random.default_rng(seed)
    real, fake, k = rng.normal(size=(40, 3)), rng.normal(0.6, 0.7, size=(30, 3)), 3
    found = manifold(real, fake, k)
    assert [estimate.value for estimate in found[:4]] == pytest.approx(
        brute(real, fake, k)
    )
    assert all(e.low <= e.value <= e.high for e in found[:4])


def test_one_distribution_has_the_expected_coverage_and_density_one(rng):
    found = [manifold(*rng.normal(size=(2, 200, 4))) for _ in range(20)]
    assert np.mean([f.coverage.value for f in found]) == pytest.approx(
        found[0].coverage_same, abs=0.015
    )
    assert np.mean([f.density.value for f in found]) == pytest.approx(1, abs=0.05)


def test_sets_apart_share_nothing_and_a_lost_mode_costs_recall(rng):
    x = rng.normal(size=(60, 4))
    assert [e.value for e in manifold(x, x + 100)[:4]] == [0, 0, 0, 0]
    both = np.vstack([x, x + 100])
    found = manifold(both, x + 0.01)
    assert (found.precision.value, found.recall.value) == (1, 0.5)


def test_the_table_has_every_ordered_pair(rng):
    sets = {"a": rng.normal(size=(30, 4)), "b": rng.normal(size=(20, 4))}
    table = manifolds(sets)
    assert len(table) == 8
    assert set(table["n"]) == {20}
    precision, recall = (
        table[table["metric"] == m].set_index("reference")["value"]
        for m in ("precision", "recall")
    )
    assert precision["a"] == recall["b"]


def test_too_few_rows_are_refused(rng):
    with pytest.raises(ValueError, match="at least 6 rows"):
        manifold(rng.normal(size=(5, 3)), rng.normal(size=(9, 3)))


def test_rows_of_one_owner_are_counted_together(rng):
    """Every row five times, by one owner: as wide as the rows once, where rows alone are √5 narrower."""
    real, x = rng.normal(size=(80, 3)), rng.normal(0.7, 1, size=(60, 3))
    owner = np.repeat(np.arange(60), 5)
    once = manifold(real, x)
    alone = manifold(real, np.repeat(x, 5, axis=0), 5)
    found = manifold(real, np.repeat(x, 5, axis=0), 5, blocks_x=owner)
    for metric in ("precision", "density"):
        estimate, narrow, wide = (
            getattr(each, metric) for each in (found, alone, once)
        )
        assert estimate.value == narrow.value == pytest.approx(wide.value)
        width = wide.high - wide.low
        assert estimate.high - estimate.low == pytest.approx(width, rel=0.05)
        assert (narrow.high - narrow.low) * 1.8 < width
    back = manifold(np.repeat(x, 5, axis=0), real, 5, blocks_reference=owner)
    for metric in ("recall", "coverage"):
        estimate = getattr(back, metric)
        plain = getattr(manifold(np.repeat(x, 5, axis=0), real, 5), metric)
        assert estimate.high - estimate.low > 1.5 * (plain.high - plain.low)


def test_one_owner_has_no_interval_and_the_table_says_what_is_known(rng):
    sets = {"a": rng.normal(size=(30, 4)), "b": rng.normal(size=(30, 4))}
    table = manifolds(sets, blocks={"a": np.zeros(30)})
    table = table.set_index(["reference", "set", "metric"])
    for key in (("b", "a", "density"), ("b", "a", "precision"), ("a", "b", "recall")):
        row = table.loc[key]
        assert np.isnan(row["low"]) and row["owners_known"] and row["blocks"] == 1
    row = table.loc[("a", "b", "precision")]
    assert not row["owners_known"] and row["blocks"] == pytest.approx(30)
