"""The map of images equals itself when read again, and places images where UMAP itself does."""

import warnings

import numpy as np
import pyarrow as pa
import pytest
from sklearn.neighbors import NearestNeighbors
from support.staging import planted, units, vectors_of

from twigma.builder.maps import image_map as stage


def on_map(rows):
    vectors, chosen = vectors_of(rows), np.arange(len(rows))
    return stage.positions(stage.image_map(vectors, chosen), vectors, chosen)


def test_rows_beyond_the_sample_are_placed(monkeypatch):
    monkeypatch.setattr(stage, "MAP_ROWS", 250)
    rows, group = planted(np.random.default_rng(3), 300)
    one, two = (on_map(rows) for _ in range(2))
    assert one.tobytes() == two.tobytes() and np.isfinite(one).all()
    nearest = NearestNeighbors(n_neighbors=2).fit(one).kneighbors(one)[1][:, 1]
    assert (group[nearest] == group).mean() > 0.95


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
