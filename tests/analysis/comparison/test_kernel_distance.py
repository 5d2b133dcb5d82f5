"""KID and CMMD against sums written out, a shift known in closed form, and their null."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from twigma.analysis.comparison import kernel_distance
from twigma.analysis.comparison.kernel_distance import cmmd, kernel_distances, kid


def brute(x, y, kernel):
    n = len(x)
    inside = [
        sum(kernel(a[i], a[j]) for i, j in product(range(n), repeat=2) if i != j)
        for a in (x, y)
    ]
    across = sum(kernel(a, b) for a, b in product(x, y))
    return sum(inside) / (n * (n - 1)) - 2 * across / n**2


def test_blocks_of_one_are_the_sums_written_out(rng, monkeypatch):
    monkeypatch.setattr(kernel_distance, "PARTS", 2)
    monkeypatch.setattr(kernel_distance, "PART", 12)
    x, y = rng.normal(size=(24, 5)), rng.normal(0.4, 1, size=(24, 5))
    draw = np.random.default_rng(3)
    first, second = (draw.permutation(24).reshape(2, 12) for _ in range(2))
    poly = [
        brute(x[a], y[b], lambda s, t: (s @ t / 5 + 1) ** 3)
        for a, b in zip(first, second, strict=True)
    ]
    assert kid(x, y, seed=3).value == pytest.approx(np.mean(poly), rel=1e-10)
    u, v = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    gauss = [
        brute(u[a], v[b], lambda s, t: np.exp(-((s - t) ** 2).sum() / 200))
        for a, b in zip(first, second, strict=True)
    ]
    assert cmmd(x, y, seed=3).value == pytest.approx(1000 * np.mean(gauss), rel=1e-8)


def test_cmmd_of_two_points_is_closed_form():
    x, y = np.tile([1.0, 0], (40, 1)), np.tile([0, 2.0], (40, 1))
    found = cmmd(x, y)
    assert found.value == pytest.approx(1000 * (2 - 2 * np.exp(-2 / 200)))
    assert found.all_pairs == pytest.approx(found.value)
    assert found.low == pytest.approx(found.high, rel=1e-4)
    assert found.p < 1e-4


def test_the_null_is_rarely_rejected_and_a_shift_always(rng):
    p, inside = [], []
    for seed in range(60):
        x, y = rng.normal(size=(2, 100, 4))
        found = kid(x, y, seed=seed)
        p.append(found.p)
        inside.append(found.low <= 0 <= found.high)
    assert np.mean(np.array(p) < 0.05) <= 0.15
    assert np.mean(inside) >= 0.85
    far = kid(x, y + 1)
    assert far.p < 1e-6 and far.value > far.noise_95 and far.low > 0


def test_the_table_has_every_pair_in_equal_samples(rng):
    table = kernel_distances(
        {
            "a": rng.normal(size=(50, 4)),
            "b": rng.normal(size=(40, 4)),
            "c": rng.normal(size=(40, 4)),
        }
    )
    assert table.loc[:1, ["set_a", "set_b", "metric"]].to_numpy().tolist() == [
        ["a", "b", "kid"],
        ["a", "b", "cmmd"],
    ]
    assert len(table) == 6
    assert set(table["n"]) == {40}


def test_too_few_rows_are_refused(rng):
    with pytest.raises(ValueError, match="20 at least"):
        kid(rng.normal(size=(19, 4)), rng.normal(size=(19, 4)))
    with pytest.raises(ValueError, match="zero"):
        cmmd(np.zeros((40, 4)), rng.normal(size=(40, 4)))


# ------------------------------------------------------------------ owners


def brute_pairs(x, y, kernel, owners_x, owners_y):
    """MMD² written out over the pairs of rows of different owners."""

    def mean(a, b, of_a, of_b):
        values = []
        for i, j in product(range(len(a)), range(len(b))):
            if of_a[i] != of_b[j]:
                values.append(kernel(a[i], b[j]))
        return np.mean(values)

    apart = np.array([f"y{owner}" for owner in owners_y])
    across = mean(x, y, owners_x, apart)
    return mean(x, x, owners_x, owners_x) + mean(y, y, apart, apart) - 2 * across


def owned(rng, owners, each, spread, shift=0.0):
    """Rows [owners * each, 4] about a centre of their owner; and the owner of each."""
    owner = np.repeat(np.arange(owners), each)
    centres = shift + rng.normal(size=(owners, 4))
    return centres[owner] + spread * rng.normal(size=(len(owner), 4)), owner


def test_pairs_of_one_owner_are_left_out(rng):
    x, owner = owned(rng, 8, 5, 0.3)
    y, other = owned(rng, 40, 1, 0.3, 0.5)
    found = kid(x, y, blocks_x=owner, blocks_y=None)
    polynomial = lambda s, t: (s @ t / 4 + 1) ** 3  # noqa: E731
    assert found.all_pairs == pytest.approx(
        brute_pairs(x, y, polynomial, owner, other), rel=1e-4
    )
    without = []
    for labels, of_x in ((owner, True), (other, False)):
        for one in np.unique(labels):
            rest = labels != one
            a, b = (x[rest], y) if of_x else (x, y[rest])
            of_a, of_b = (owner[rest], other) if of_x else (owner, other[rest])
            without.append(brute_pairs(a, b, polynomial, of_a, of_b))
    away = np.array(without) - found.all_pairs
    parts = [7 / 8 * (away[:8] ** 2).sum(), 39 / 40 * (away[8:] ** 2).sum()]
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / 7 + parts[1] ** 2 / 39)
    half = stats.t.ppf(0.975, degrees) * np.sqrt(sum(parts))
    assert found.high - found.all_pairs == pytest.approx(half, rel=1e-3)
    assert found.low == pytest.approx(2 * found.all_pairs - found.high)
    assert found.blocks == pytest.approx(8)
    assert found.value == kid(x, y).value


def test_single_precision_in_slices_is_the_sum_written_out(rng, monkeypatch):
    """Unit rows far from the origin, whose kernels differ in the fifth digit only."""
    from twigma.analysis.comparison import all_pairs as module

    x, y = 5 + rng.normal(size=(60, 8)), 5.2 + rng.normal(size=(60, 8))
    u, v = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    expected = brute_pairs(
        u,
        v,
        lambda s, t: np.exp(-((s - t) ** 2).sum() / 200),
        np.arange(60),
        np.arange(60),
    )
    whole = cmmd(x, y)
    monkeypatch.setattr(module, "SLICE", 7)
    assert cmmd(x, y).all_pairs == pytest.approx(1000 * expected, rel=1e-3)
    assert whole.all_pairs == pytest.approx(1000 * expected, rel=1e-3)


def test_owners_are_divided_together_and_a_shift_is_still_seen(rng):
    by_image, by_owner = [], []
    for _ in range(40):
        x, owner = owned(rng, 20, 5, 0.2)
        y, other = owned(rng, 20, 5, 0.2)
        by_image.append(kid(x, y).p)
        by_owner.append(kid(x, y, blocks_x=owner, blocks_y=other).p)
    assert np.mean(np.array(by_image) < 0.05) > 0.5
    assert np.mean(np.array(by_owner) < 0.05) <= 0.15
    y, other = owned(rng, 20, 5, 0.2, 2.0)
    assert kid(x, y, blocks_x=owner, blocks_y=other).p < 1e-3


def test_sets_of_one_owner_have_neither_interval_nor_test(rng):
    x, y = rng.normal(size=(2, 20, 4))
    found = cmmd(x, y, blocks_x=["a"] * 20)
    assert np.isfinite(found.value)
    assert np.isnan([found.all_pairs, found.low, found.high, found.p]).all()
    two = cmmd(x, y, blocks_x=["a", "b"] * 10)
    assert np.isfinite([two.all_pairs, two.p]).all() and np.isnan(two.low)


def test_the_table_says_whose_owners_are_unknown(rng):
    sets = {"a": rng.normal(size=(60, 4)), "b": rng.normal(size=(60, 4))}
    table = kernel_distances(sets, blocks={"a": np.repeat(np.arange(12), 5)})
    assert set(table["owners_unknown"]) == {"b"}
    assert table["blocks"].tolist() == pytest.approx([12, 12])
