"""Neighbours attract as strongly as in umap-learn."""

import warnings

import numpy as np
import pytest
from support.staging import planted

from twigma.builder.maps import weights
from twigma.builder.maps.layout import nearest
from twigma.core.numeric.unit_vectors import unit_rows


@pytest.fixture
def umap():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        from umap import umap_
    return umap_


def test_weights_of_images_to_place_are_those_of_umap(umap):
    gamma = np.random.default_rng(5).gamma(2, 0.1, (100, 15))
    distances = np.sort(gamma, axis=1).astype(np.float32)
    scales, shifts = umap.smooth_knn_dist(distances, 15.0, local_connectivity=0.0)
    assert not shifts.any()
    expected = np.exp(-distances / scales[:, None])
    np.testing.assert_allclose(weights.strengths(distances), expected, atol=1e-4)


@pytest.mark.parametrize("copies", [0, 20])
def test_the_graph_is_that_of_umap(umap, copies):
    points, _ = planted(np.random.default_rng(0), 300, dim=64)
    points[:copies] = points[0]
    indices, distances = nearest(unit_rows(points.astype(np.float32)), 15)
    expected, *_ = umap.fuzzy_simplicial_set(
        points, 15, None, "cosine", knn_indices=indices, knn_dists=distances
    )
    graph = weights.graph(indices, distances)
    np.testing.assert_allclose(graph.toarray(), expected.toarray(), atol=1e-4)
    assert (graph != graph.T).nnz == 0 and not graph.diagonal().any()
    assert graph.max() == pytest.approx(1)


def test_neighbours_about_as_far_attract_alike():
    """As in umap-learn, the scale is no smaller than a thousandth of the mean distance."""
    distances = np.array([[0, 0.5, 0.5, 0.5, 0.50001]], np.float32)
    found = weights.strengths(distances, np.array([0.5]))
    assert found[0, 1:4] == pytest.approx(1) and 0.9 < found[0, 4] < 1
