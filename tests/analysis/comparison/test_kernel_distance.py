"""KID and CMMD against sums written out, a shift known in closed form, and their null."""

from itertools import product

import numpy as np
import pytest

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
    monkeypatch.setattr(kernel_distance, "BLOCKS", 2)
    monkeypatch.setattr(kernel_distance, "BLOCK", 12)
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
    assert found.low == pytest.approx(found.high)
    assert found.p == pytest.approx(1 / 500)


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
    assert far.p < 0.01 and far.value > far.noise_95 and far.low > 0


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
    with pytest.raises(ValueError, match="at least 20 rows"):
        kid(rng.normal(size=(19, 4)), rng.normal(size=(19, 4)))
    with pytest.raises(ValueError, match="zero"):
        cmmd(np.zeros((40, 4)), rng.normal(size=(40, 4)))
