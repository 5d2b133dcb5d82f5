"""Near duplicates against every pair computed and SciPy's components, with the sets made small so that all is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from support.staging import planted, units, vectors_of

from twigma.builder.stages import near_candidates
from twigma.builder.stages import near_duplicates as stage
from twigma.builder.stages.identical_rows import identical


def same_groups(one, two):
    """Whether two labellings part the rows alike."""
    pairs = set(zip(one.tolist(), two.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(two.tolist()))


def cosines(rows):
    x = rows.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


def with_copies(rows, spread, rng):
    """These rows, then a copy of each of 200 of them, farther and farther away."""
    away = (
        rng.normal(0, 1, (200, rows.shape[1]))
        / np.sqrt(rows.shape[1])
        * np.linspace(0, spread, 200)[:, None]
    )
    return np.concatenate([rows, rows[rng.integers(0, len(rows), 200)] + away]).astype(
        np.float16
    )


@pytest.fixture
def small(monkeypatch):
    for name, value in {
        "LEAF": 6,
        "PROBE": 32,
        "CHECK": 50,
        "PENDING": 30,
        "DIRECTIONS": 12,
        "BLOCK": 70,
    }.items():
        owner = stage if hasattr(stage, name) else near_candidates
        monkeypatch.setattr(owner, name, value)


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.995, 1.0])
@pytest.mark.parametrize("dim", [2, 10, 100])
def test_no_pair_is_missed(dim, threshold, small):
    rng = np.random.default_rng(dim)
    for rows in (units(rng, 300, dim), planted(rng, 300, dim=dim, spread=0.02)[0]):
        both = with_copies(rows, 1.5 * np.sqrt(2 - 2 * threshold), rng)
        found = set()
        for left, right in near_candidates.candidates(
            vectors_of(both), np.arange(500), threshold
        ):
            assert (left < right).all()
            found |= set(zip(left.tolist(), right.tolist(), strict=True))
        pairs = np.argwhere(np.triu(cosines(both) >= threshold + 1e-6, 1))
        assert set(map(tuple, pairs.tolist())) <= found


@pytest.mark.parametrize("threshold", [0.9, 0.995])
def test_groups_are_components(threshold, small):
    rng = np.random.default_rng(1)
    rows = with_copies(units(rng, 400, 100), 1.5 * np.sqrt(2 - 2 * threshold), rng)
    chosen = np.sort(rng.choice(600, 500, replace=False))
    cosine = cosines(rows[chosen])
    assert np.abs(cosine - threshold).min() > 1e-6  # rounding decides nothing here
    _, expected = connected_components(cosine >= threshold)
    found = stage.near_groups(vectors_of(rows), chosen, threshold)
    assert 300 < len(np.unique(found)) < 500 and same_groups(found, expected)


def test_few_pairs_are_compared(monkeypatch):
    """Rows in groups: less than a tenth of all pairs are compared, and nearly none of them in full."""
    rng = np.random.default_rng(2)
    rows = with_copies(planted(rng, 5800, groups=20, dim=64, spread=0.1)[0], 0.05, rng)
    monkeypatch.setattr(near_candidates, "LEAF", 64)
    compared = sum(
        len(a) * len(b)
        for a, b in near_candidates._small_sets(
            near_candidates._coordinates(vectors_of(rows), np.arange(6000)), 0.1
        )
    )
    assert compared < 6000**2 / 2 / 10
    pairs = sum(
        len(left)
        for left, _ in near_candidates.candidates(
            vectors_of(rows), np.arange(6000), 0.995
        )
    )
    assert 200 <= pairs < 400


def test_thousands_of_one_image():
    """Two images, each stored 1,500 times with noise: four million near pairs, of which few are computed."""
    rng = np.random.default_rng(3)
    rows = units(rng, 2, 64)[np.arange(3000) % 2] + rng.normal(0, 0.002, (3000, 64))
    found = stage.near_groups(
        vectors_of(rows.astype(np.float16)), np.arange(3000), 0.995
    )
    assert same_groups(found, np.arange(3000) % 2)


def test_perturbed_copies_are_all_found():
    """The planted truth of the specification: copies off by 1e-7 in float32, and slightly in float16."""
    rng = np.random.default_rng(2)
    rows = units(rng, 500, 768)
    noisy = (rows.astype(np.float32) * 1.0005 + 1e-5).astype(np.float16)
    both = vectors_of(np.concatenate([rows, noisy]))
    found = stage.near_groups(both, np.arange(1000), 0.9999)
    assert (found[:500] == found[500:]).all() and len(np.unique(found)) == 500
    assert len(np.unique(identical(both))) > 990


def test_threshold_out_of_range():
    with pytest.raises(ValueError, match=r"found 1\.5"):
        stage.near_groups(
            vectors_of(units(np.random.default_rng(0), 9)), np.arange(9), 1.5
        )


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=8),
        max_size=5,
    )
)
@settings(deadline=None, max_examples=50)
def test_groups_joined_bit_by_bit_are_components(batches):
    groups = stage.Groups(12)
    for batch in batches:
        left, right = np.array(batch, int).reshape(-1, 2).T
        groups.join(left, right)
    left, right = (
        np.array([pair for batch in batches for pair in batch], int).reshape(-1, 2).T
    )
    _, parts = connected_components(
        coo_array((np.ones(len(left)), (left, right)), shape=(12, 12)), directed=False
    )
    found = groups.of(np.arange(12))
    assert same_groups(found, parts) and (found <= np.arange(12)).all()


def greedy(rows, rank, threshold):
    """The definition, row by row in full precision: each repeats the first that stays to which it is near."""
    cosine = cosines(rows)
    original, stays = np.arange(len(rows)), []
    for row in np.argsort(rank):
        near = [one for one in stays if cosine[row, one] >= threshold]
        if near:
            original[row] = near[0]
        else:
            stays.append(row)
    return original, cosine


@pytest.mark.parametrize("first", [3, 512])
def test_repeats_are_near_the_one_that_stays_along_a_chain_too(
    small, monkeypatch, first
):
    """An arc of 300 rows, each near the next: one chain, whose ends have a cosine far below the threshold."""
    monkeypatch.setattr(stage, "FIRST", first)
    rng = np.random.default_rng(5)
    angle = np.linspace(0, 1.2, 300)
    arc = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ units(rng, 2, 60)
    rows = np.concatenate([arc, units(rng, 100, 60)]).astype(np.float16)
    chosen, rank = rng.permutation(400), rng.permutation(400)
    threshold = 0.995
    vectors = vectors_of(rows)
    assert len(np.unique(stage.near_groups(vectors, chosen, threshold))) == 101
    original, cosine = stage.near_repeats(vectors, chosen, rank, threshold)
    expected, all_cosines = greedy(rows[chosen], rank, threshold)
    assert original.tolist() == expected.tolist()
    repeats = original != np.arange(400)
    assert 200 < repeats.sum() < 300 and np.isnan(cosine[~repeats]).all()
    exact = all_cosines[np.arange(400), original][repeats]
    np.testing.assert_allclose(cosine[repeats], exact, atol=1e-6)
    assert cosine[repeats].min() >= threshold
