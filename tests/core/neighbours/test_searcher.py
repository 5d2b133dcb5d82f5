"""Every way of the search, beside float64 products of all pairs."""

import numpy as np
import pytest
from support.near_rows import ROUNDING, near_directions

torch = pytest.importorskip("torch")

from twigma.core.neighbours import searcher as ways  # noqa: E402
from twigma.core.neighbours.screening import bfloat16_is_faster  # noqa: E402
from twigma.core.neighbours.searcher import searcher  # noqa: E402


def chosen(monkeypatch, way):
    """Makes `searcher` choose a way whatever the size."""
    monkeypatch.setattr(ways, "WORTH_TORCH", 10**18 if way == "faiss" else 0)
    monkeypatch.setattr(ways, "WORTH_A_TRIAL", 0 if way == "trial" else 10**18)
    for other in {"faiss", "torch"} - {way}:
        if way != "trial":
            monkeypatch.setattr(ways, f"_by_{other}", lambda *_: 1 // 0)


@pytest.mark.parametrize("rest", [0.1, 3.0])
@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("way", ["faiss", "torch", "trial"])
def test_the_nearest_rows_and_their_similarity_in_float64(
    way, k, rest, rng, monkeypatch
):
    chosen(monkeypatch, way)
    q = near_directions(rng, 3000, rest=rest)
    r = near_directions(rng, 9000, rest=rest)
    similarity, index = searcher(r, k, len(q), "cpu")(q)
    product = q.astype(float) @ r.astype(float).T
    expected = -np.sort(-product, axis=1)[:, :k]
    assert similarity.dtype == np.float32 and index.dtype == np.int64
    assert np.abs(similarity - expected).max() < 7e-8
    assert (np.diff(similarity) <= 0).all()
    found = np.take_along_axis(product, index, 1)
    assert np.abs(found - expected).max() < ROUNDING


def test_whichever_way_it_is_the_neighbours_are_the_same(rng, monkeypatch):
    """Also of rows whose similarities differ by less than a float32 product is rounded, and of copies."""
    r = near_directions(rng, 3000)
    r[1000:2000] = r[:1000] + 1e-8 * rng.normal(size=(1000, r.shape[1]))
    r[2000:] = r[:1000]
    found = {}
    for way in ("faiss", "torch", "trial"):
        with monkeypatch.context() as patch:
            chosen(patch, way)
            found[way] = searcher(r, 5, 500, "cpu")(r[:500])
    for way in ("torch", "trial"):
        np.testing.assert_array_equal(found[way][1], found["faiss"][1])
        np.testing.assert_array_equal(found[way][0], found["faiss"][0])


def test_a_similarity_is_the_same_to_the_bit_whatever_it_is_searched_with(rng):
    q, r = near_directions(rng, 300), near_directions(rng, 9000)
    search = searcher(r, 5, len(q), "cpu")
    similarity, index = search(q)
    for rows in (slice(0, 1), slice(1, 20), slice(20, 300)):
        again = search(q[rows])
        np.testing.assert_array_equal(again[0], similarity[rows])
        np.testing.assert_array_equal(again[1], index[rows])


def test_bfloat16_is_compared():
    assert isinstance(bfloat16_is_faster(), bool)
