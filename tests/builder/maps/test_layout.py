"""The layout keeps neighbours as UMAP does, finds the exact ones, and is the same for any number of threads."""

import warnings

import numpy as np
import pytest
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors
from support.staging import planted, units
from threadpoolctl import threadpool_limits

from twigma.builder.maps import layout as module
from twigma.builder.maps.layout import layout
from twigma.core.numeric.unit_vectors import unit_rows


@pytest.fixture(scope="module")
def rows():
    """Rows in groups, float32[500, 64], and the group of each."""
    rows, group = planted(np.random.default_rng(2), 500, dim=64)
    return rows.astype(np.float32), group


def test_neighbours_are_kept_as_well_as_by_umap(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        import umap
    points, group = rows
    places = layout(points)
    assert places.shape == (500, 2) and places.dtype == np.float32
    model = umap.UMAP(metric="cosine", init="pca", random_state=0, n_jobs=1)
    kept = [
        trustworthiness(points, one, n_neighbors=15, metric="cosine")
        for one in (places, model.fit_transform(points))
    ]
    assert kept[0] > kept[1] - 0.01 and kept[1] > 0.85
    nearest = NearestNeighbors(n_neighbors=2).fit(places).kneighbors(places)[1][:, 1]
    assert (group[nearest] == group).mean() > 0.99


def test_of_any_norm_and_another_map_with_another_seed(rows):
    points, _ = rows
    places = layout(points)
    longer = layout(points * np.float32(4))
    assert np.abs(places - longer).max() < np.ptp(places)
    assert layout(points, seed=1).tobytes() != places.tobytes()
    assert layout(points).tobytes() == places.tobytes()


def test_it_does_not_depend_on_how_many_threads_there_are():
    """Products by two threads are rounded otherwise, which would be another map."""
    points, _ = planted(np.random.default_rng(7), 1500, dim=256)
    maps = set()
    for threads in (1, 2, 8):
        with threadpool_limits(threads):
            maps.add(layout(points.astype(np.float32)).tobytes())
    assert len(maps) == 1


def test_copies_and_few_rows_have_places():
    copies = np.repeat(units(np.random.default_rng(0), 2), 30, axis=0)
    for points in (copies, copies[28:32], np.eye(4)):
        assert np.isfinite(layout(points.astype(np.float32))).all()


def test_neighbours_equal_those_of_scikit_learn():
    points = unit_rows(units(np.random.default_rng(4), 200))
    indices, distances = module.nearest(points, 15)
    model = NearestNeighbors(n_neighbors=15, metric="cosine").fit(points)
    expected, places = model.kneighbors(points)
    np.testing.assert_array_equal(indices, places)
    np.testing.assert_allclose(distances, np.clip(expected, 0, None), atol=1e-6)


def test_each_row_is_its_own_first_neighbour_among_copies_too(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 64)
    points = unit_rows(units(np.random.default_rng(4), 300))
    # More copies of one row than neighbours: some of them do not find themselves.
    points[100:130] = points[100]
    indices, distances = module.nearest(points, 15)
    assert (indices[:, 0] == np.arange(300)).all()
    assert all(len(set(row)) == 15 for row in indices.tolist())
    model = NearestNeighbors(n_neighbors=15, metric="cosine").fit(points)
    expected = model.kneighbors(points)[0]
    np.testing.assert_allclose(distances, np.clip(expected, 0, None), atol=1e-6)
    assert np.isin(indices[100:130], np.arange(100, 130)).all()
