"""The map keeps neighbours, equals itself when read again, and places images where UMAP itself does."""

import warnings

import numpy as np
import pyarrow as pa
import pytest
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors
from support.staging import planted, units, vectors_of
from threadpoolctl import threadpool_limits

from twigma.builder.clusters import umap_map as stage


def on_map(rows):
    vectors, chosen = vectors_of(rows), np.arange(len(rows))
    return stage.positions(stage.image_map(vectors, chosen), vectors, chosen)


def test_the_map_keeps_neighbours():
    rows, group = planted(np.random.default_rng(2), 500, dim=64)
    positions = on_map(rows)
    assert positions.shape == (500, 2) and positions.dtype == np.float32
    assert trustworthiness(rows, positions, n_neighbors=15, metric="cosine") > 0.85
    nearest = (
        NearestNeighbors(n_neighbors=2).fit(positions).kneighbors(positions)[1][:, 1]
    )
    assert (group[nearest] == group).mean() > 0.99


def test_rows_beyond_the_sample_are_placed(monkeypatch):
    monkeypatch.setattr(stage, "MAP_ROWS", 250)
    rows, group = planted(np.random.default_rng(3), 300)
    one, two = (on_map(rows) for _ in range(2))
    assert one.tobytes() == two.tobytes() and np.isfinite(one).all()
    nearest = NearestNeighbors(n_neighbors=2).fit(one).kneighbors(one)[1][:, 1]
    assert (group[nearest] == group).mean() > 0.95


def test_exact_neighbours_equal_scikit_learn():
    rows = units(np.random.default_rng(4), 200).astype(np.float32)
    indices, distances, _ = stage.exact_neighbours(rows, 15)
    reference, places = (
        NearestNeighbors(n_neighbors=15, metric="cosine").fit(rows).kneighbors(rows)
    )
    np.testing.assert_array_equal(indices, places)
    np.testing.assert_allclose(distances, np.clip(reference, 0, None), atol=1e-6)


def test_searched_neighbours_are_the_exact_ones_and_each_row_is_its_own_first(
    monkeypatch,
):
    monkeypatch.setattr(stage, "BLOCK", 64)
    rng = np.random.default_rng(4)
    rows = units(rng, 300).astype(np.float32)
    # More copies of one row than neighbours: some of them do not find themselves.
    rows[100:130] = rows[100]
    indices, distances, _ = stage.searched_neighbours(rows, 15)
    expected, exact, _ = stage.exact_neighbours(rows, 15)
    assert (indices[:, 0] == np.arange(300)).all()
    assert all(len(set(row)) == 15 for row in indices.tolist())
    np.testing.assert_allclose(distances, exact, atol=1e-6)
    copies = np.arange(100, 130)
    both_copies = np.isin(indices, copies) & np.isin(expected, copies)
    assert ((indices == expected) | both_copies).all()


def test_weights_are_those_of_umap():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        from umap.umap_ import smooth_knn_dist
    distances = np.sort(
        np.random.default_rng(5).gamma(2, 0.1, (100, 15)), axis=1
    ).astype(np.float32)
    scales, nearest = smooth_knn_dist(distances, 15.0, local_connectivity=0.0)
    assert not nearest.any()
    np.testing.assert_allclose(
        stage.strengths(distances), np.exp(-distances / scales[:, None]), atol=1e-4
    )


def test_images_are_placed_where_umap_places_them():
    """To a twentieth of the width of the map, for most images: descent draws at random, and weights are scaled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        import umap
    rows, _ = planted(np.random.default_rng(6), 400)
    old, new = rows[:300], rows[300:]
    model = umap.UMAP(
        n_neighbors=15,
        min_dist=0.1,
        metric="cosine",
        init="pca",
        random_state=0,
        n_jobs=1,
    )
    places = model.fit_transform(old.astype(np.float32))
    on = stage.ImageMap(pa.array([f"old {i}" for i in range(300)]), old, places)
    ours = stage.positions(on, vectors_of(new), np.arange(100))
    away = np.linalg.norm(
        ours - model.transform(new.astype(np.float32)), axis=1
    ) / np.linalg.norm(places.std(axis=0))
    assert np.median(away) < 0.05 and np.quantile(away, 0.95) < 0.2


def test_an_image_has_one_position():
    rows, _ = planted(np.random.default_rng(7), 120)
    vectors = vectors_of(rows)
    on = stage.image_map(vectors, np.arange(80))
    together = stage.positions(on, vectors, np.arange(120))
    np.testing.assert_array_equal(together[:80], on.positions)
    alone = np.concatenate(
        [stage.positions(on, vectors, np.array([i])) for i in range(80, 120)]
    )
    np.testing.assert_array_equal(alone, together[80:])
    again = stage.ImageMap.of(on.table())
    np.testing.assert_array_equal(
        stage.positions(again, vectors, np.arange(120)), together
    )
    copies = vectors_of(rows[:80], parts=1)
    copies.names = pa.array([f"copy {i}" for i in range(80)])
    np.testing.assert_array_equal(
        stage.positions(on, copies, np.arange(80)), on.positions
    )


def test_too_few_images_for_a_map():
    vectors = vectors_of(units(np.random.default_rng(0), 3))
    with pytest.raises(ValueError, match="at least 4 distinct"):
        stage.image_map(vectors, np.arange(3))
    nothing = stage.ImageMap(
        pa.array([], pa.string()),
        np.empty((0, 32), np.float16),
        np.empty((0, 2), np.float32),
    )
    with pytest.raises(ValueError, match="no image of the map is left"):
        stage.positions(nothing, vectors, np.arange(3))


@pytest.mark.parametrize("exact", [8_192, 500])
def test_the_map_does_not_depend_on_how_many_threads_there_are(exact, monkeypatch):
    """Products by two threads are rounded otherwise, which would be another map; so could a search by two."""
    monkeypatch.setattr(stage, "EXACT_ROWS", exact)
    rows, _ = planted(np.random.default_rng(7), 1500, dim=256)
    maps = set()
    for threads in (1, 2, 8):
        with threadpool_limits(threads):
            maps.add(on_map(rows).tobytes())
    assert len(maps) == 1
