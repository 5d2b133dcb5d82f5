"""Place and date: distance correlation from its definition, authors as blocks, weights of a sample."""

import numpy as np
import pytest

from twigma.analysis.themes.place_and_date import drift


def dcor_by_sums(x, y):
    """Bias-corrected distance correlation from its definition, element by element."""

    def centred(x):
        d = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))
        n, out = len(d), np.zeros_like(d)
        for i in range(n):
            for j in range(n):
                if i != j:
                    out[i, j] = (
                        d[i, j]
                        - d[i].sum() / (n - 2)
                        - d[:, j].sum() / (n - 2)
                        + d.sum() / ((n - 1) * (n - 2))
                    )
        return out

    a, b = centred(x), centred(y)
    n = len(a)
    inner = lambda u, v: (u * v).sum() / (n * (n - 3))  # noqa: E731
    return inner(a, b) / np.sqrt(inner(a, a) * inner(b, b))


def test_drift_is_distance_correlation(rng):
    days = rng.integers(0, 400, 40)
    points = np.c_[days / 100 + rng.normal(size=40), rng.normal(size=40)]
    dates = (np.datetime64("2022-01-01") + days.astype("m8[D]")).astype("M8[ns]")
    found = drift(points, dates)
    assert found["value"] == pytest.approx(
        dcor_by_sums(points, days[:, None].astype(float)), abs=1e-10
    )
    assert found["p"] < 0.01


def test_no_drift_has_uniform_enough_p_values(rng):
    dates = np.datetime64("2022-01-01", "ms") + np.arange(60).astype("m8[D]")
    p = [drift(rng.normal(size=(60, 2)), dates)["p"] for _ in range(200)]
    assert np.mean(np.array(p) < 0.05) < 0.11
    with pytest.raises(ValueError, match="at least 4 images"):
        drift(np.zeros((3, 2)), dates[:3])


def authored(rng, authors=60, drifting=0.0):
    """Ten alike images of each author in two weeks; with `drifting`, places move over the year."""
    start = rng.integers(0, 350, authors)
    author = np.repeat(np.arange(authors), 10)
    days = start[author] + rng.integers(0, 14, len(author))
    centre = rng.normal(size=(authors, 2)) + drifting * start[:, None] / 365
    points = centre[author] + 0.1 * rng.normal(size=(len(author), 2))
    dates = np.datetime64("2022-01-01") + days.astype("m8[D]")
    return points, dates, author


def test_authors_of_alike_images_are_no_drift():
    rng = np.random.default_rng(2)
    naive, honest = [], []
    for _ in range(80):
        points, dates, author = authored(rng)
        naive.append(drift(points, dates).p)
        honest.append(drift(points, dates, blocks=author).p)
    assert np.mean(np.array(naive) < 0.05) > 0.5
    assert np.mean(np.array(honest) < 0.05) < 0.12


def test_drift_over_authors_is_found():
    rng = np.random.default_rng(3)
    points, dates, author = authored(rng, drifting=4.0)
    found = drift(points, dates, blocks=author)
    assert found.p < 0.01 and found.blocks == 60
    assert found.value == drift(points, dates).value


def test_blocks_of_one_image_change_nothing(rng):
    points, dates, _ = authored(rng)
    alone, by_block = (
        drift(points, dates, blocks=blocks) for blocks in (None, np.arange(600))
    )
    assert by_block.p == pytest.approx(alone.p)
    assert (alone.blocks, by_block.blocks) == (0, 600)
    assert np.isnan(drift(points, dates, blocks=np.repeat([1, 2], 300)).p)


def test_images_of_a_sample_are_drawn_by_their_weights(rng):
    """Images that drift are a tenth of the list and nine tenths of the sample."""
    n = 1000
    drifting = np.arange(n) < 900
    days = rng.integers(0, 365, n)
    x = np.where(drifting, days / 30, rng.uniform(0, 12, n))
    points = np.column_stack([x, rng.normal(size=n)])
    dates = np.datetime64("2022-01-01") + days.astype("m8[D]")
    weights = np.where(drifting, 1.0, 81.0)
    assert drift(points, dates).value > 0.5
    assert drift(points, dates, weights=weights).value < 0.3
