"""Near duplicates against every pair computed and SciPy's components, with the sets made small so that all is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from support.staging import planted, units, vectors_of

from twigma.builder.duplicates import near_candidates, near_pairs, near_sets
from twigma.builder.duplicates import near_duplicates as stage
from twigma.builder.duplicates.identical_rows import identical
from twigma.builder.engine.row_blocks import RowBlocks


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
    """Sets, blocks and first coordinates so few that hundreds of rows take every branch."""
    sizes = {
        near_candidates: {"BUCKET": 40, "DIRECTIONS": 12, "BLOCK": 70},
        near_pairs: {"LEAF": 6, "FIRST": 4, "MOST": 50, "CHECK": 7},
        near_sets: {"PROBE": 32},
        stage: {"CHECK": 50, "PENDING": 30},
    }
    for module, values in sizes.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


def candidates(rows, threshold):
    """Pairs of all of these rows that can be near."""
    every = np.arange(len(rows))
    yield from near_candidates.candidates(RowBlocks(vectors_of(rows)), every, threshold)


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.995, 1.0])
@pytest.mark.parametrize("dim", [2, 10, 100])
def test_no_pair_is_missed(dim, threshold, small):
    rng = np.random.default_rng(dim)
    for rows in (units(rng, 300, dim), planted(rng, 300, dim=dim, spread=0.02)[0]):
        both = with_copies(rows, 1.5 * np.sqrt(2 - 2 * threshold), rng)
        found = set()
        for left, right in candidates(both, threshold):
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


def test_few_pairs_are_compared():
    """Rows in groups: less than a tenth of all pairs are compared, and nearly none of them in full."""
    rng = np.random.default_rng(2)
    rows = with_copies(planted(rng, 5800, groups=20, dim=64, spread=0.1)[0], 0.05, rng)
    blocks = RowBlocks(vectors_of(rows))
    x = near_candidates._coordinates(blocks, np.arange(6000))
    sets = near_sets.small_sets(x, x, 64, 0.1)
    assert sum(len(a) * len(b) for a, b in sets) < 6000**2 / 2 / 10
    pairs = sum(len(left) for left, _ in candidates(rows, 0.995))
    assert 200 <= pairs < 400


@pytest.mark.parametrize("crowded", [False, True])
def test_every_pair_within_reach_is_in_a_small_set(crowded):
    rng = np.random.default_rng(4)
    x = rng.normal(0, 0.02 if crowded else 1, (300, 3)).astype(np.float32)
    y = rng.normal(0, 0.02 if crowded else 1, (200, 3)).astype(np.float32)
    for one, other in ((x, x), (x, y), (y, x)):
        together = np.zeros((len(one), len(other)), bool)
        for a, b in near_sets.small_sets(one, other, 16, 0.1):
            assert 0 < len(a) * len(b) <= 16**2
            together[np.ix_(a, b)] = True
        apart = np.linalg.norm(one[:, None] - other, axis=2)
        if one is other:
            together |= together.T
        assert together[apart <= 0.1].all()
        assert crowded or together.mean() < 0.5


def test_buckets_that_crowd_are_handed_back_in_parts(monkeypatch):
    """Two hundred rows all within reach of each other: each pair is found once, over several rounds."""
    monkeypatch.setattr(near_pairs, "LEAF", 20)
    monkeypatch.setattr(near_pairs, "MOST", 500)
    rng = np.random.default_rng(6)
    rows = units(rng, 1, 64) + rng.normal(0, 0.001, (200, 64)).astype(np.float16)
    first = near_pairs.pairs_within(rows.astype(np.float32), None, 0.1)
    assert 500 < len(first.left) < 1000 and len(first.undone) > 10
    pairs = [np.stack(found, axis=1) for found in candidates(rows, 0.995)]
    found = np.concatenate(pairs)
    assert len(found) == len(np.unique(found, axis=0)) == 200 * 199 / 2


def test_rows_without_a_direction_are_near_none(small):
    rng = np.random.default_rng(7)
    rows = units(rng, 300, 32)
    rows[5] = np.nan
    rows[8] = 0
    rows[200] = rows[100]
    found = stage.near_groups(vectors_of(rows), np.arange(300), 0.9)
    expected = np.arange(300)
    expected[200] = 100
    assert found.tolist() == expected.tolist()


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
