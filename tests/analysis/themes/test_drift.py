"""Drift against the definition of the distance correlation, and planted authors who make none."""

import numpy as np
import pytest

from twigma.analysis.themes.drift import drift


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


def by_authors(sizes, rng, common=0.0, alike=True):
    """Places, dates and authors; `alike` authors keep to one place and time, `common` moves all with time."""
    author = np.repeat(np.arange(len(sizes)), sizes)
    days = rng.uniform(0, 800, len(author))
    places = 0.3 * rng.normal(size=(len(author), 2))
    if alike:
        days = rng.uniform(0, 800, len(sizes))[author] + 40 * rng.normal(size=len(days))
        places += rng.normal(size=(len(sizes), 2))[author]
    places[:, 0] += common * days / 800
    dates = np.datetime64("2022-01-01", "ms") + (86_400_000 * days).astype("m8[ms]")
    return places, dates, author


def rejected(runs, known=True, **world):
    p = []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        places, dates, author = by_authors(rng=rng, **world)
        p.append(drift(places, dates, author if known else None, n=600, seed=seed).p)
    return np.mean(np.array(p) < 0.05)


def test_pairs_by_one_author_are_left_out(rng):
    """Against one image of each author, drawn again and again, whose mean it is."""
    places, dates, author = by_authors(rng.integers(1, 9, 40), rng, common=2)
    found = drift(places, dates, author)
    days = dates.astype("int64")[:, None] / 86_400_000
    draws = []
    for _ in range(60):
        order = rng.permutation(len(author))
        one = order[np.unique(author[order], return_index=True)[1]]
        draws.append(dcor_by_sums(places[one], days[one]))
    assert found.authors == 40 and found.n == len(author)
    assert found.value == pytest.approx(np.mean(draws), abs=0.03)
    # Names and their order do not matter.
    names = np.array([f"ada {i * 7 % 40}" for i in author], dtype=object)
    mixed = rng.permutation(len(author))
    again = drift(places[mixed], dates[mixed], names[mixed])
    assert again.value == pytest.approx(found.value, abs=1e-12)


def test_authors_alone_make_no_drift():
    """Taken as independent, their images show one nearly always."""
    sizes = np.full(50, 10)
    assert rejected(60, sizes=sizes) <= 0.15
    assert rejected(20, sizes=sizes, known=False) >= 0.9


def test_a_drift_is_found_by_images_of_different_authors():
    assert rejected(20, sizes=np.full(50, 10), common=0.5, alike=False) >= 0.95
    assert rejected(20, sizes=np.full(100, 6), common=2) >= 0.95


def test_few_authors_are_refused_or_warned_of(rng):
    places, dates, author = by_authors([5] * 12, rng)
    with pytest.warns(UserWarning, match="only 12 authors"):
        drift(places, dates, author)
    with pytest.raises(ValueError, match="at least 4 authors, found 3"):
        drift(places, dates, author % 3)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", ["equal", "heavy-tailed"])
@pytest.mark.parametrize("alike", [True, False])
def test_the_level_is_held(sizes, alike):
    drawn = {
        "equal": np.full(60, 9),
        "heavy-tailed": 1 + np.random.default_rng(1).pareto(1.1, 60).astype(int) * 2,
    }
    assert rejected(600, sizes=np.minimum(drawn[sizes], 200), alike=alike) <= 0.07


def test_images_of_a_sample_are_drawn_by_their_weights():
    """Images that drift are a tenth of the list and nine tenths of the sample."""
    rng = np.random.default_rng(0)
    n = 1000
    drifting = np.arange(n) < 900
    days = rng.integers(0, 365, n)
    x = np.where(drifting, days / 30, rng.uniform(0, 12, n))
    points = np.column_stack([x, rng.normal(size=n)])
    dates = np.datetime64("2022-01-01") + days.astype("m8[D]")
    weights = np.where(drifting, 1.0, 81.0)
    assert drift(points, dates).value > 0.5
    assert drift(points, dates, weights=weights).value < 0.3
