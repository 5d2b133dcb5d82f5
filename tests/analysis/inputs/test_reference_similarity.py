"""The one search of Fig 2d, Eq (1) and Fig 4e against every pair computed, here and on a Ray cluster."""

import numpy as np
import pyarrow as pa
import pytest

from twigma.analysis.figures.fig2d_likes import likes_against
from twigma.analysis.inputs.load import Images, Inputs
from twigma.analysis.inputs.reference_similarity import reference_similarity
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.neighbours import blocks
from twigma.analysis.neighbours.ray_search import search_on
from twigma.analysis.neighbours.search import nearest
from twigma.core.numeric.unit_vectors import unit_rows
from twigma.core.pools.ray_pool import Engine


def images(name, x):
    table = pa.table(
        {
            "image_name": [f"{name}{i}" for i in range(len(x))],
            "like_count": pa.array(range(len(x))),
        }
    )
    return Images(name, table, unit_rows(x), np.arange(len(x)))


@pytest.fixture
def data(rng):
    sizes = {"twigma": 300, "photographs": 40, "paintings": 90}
    ours, *references = (
        images(name, rng.normal(size=(n, 16))) for name, n in sizes.items()
    )
    return Inputs(ours, {one.name: one for one in references})


@pytest.mark.parametrize("role", ["photographs", "paintings"])
def test_equals_every_pair(data, role):
    found = reference_similarity(data, Settings(), role)
    every = data.images.embedding.astype(float) @ data.references[
        role
    ].embedding.T.astype(float)
    assert (found.row == every.argmax(1)).all() and found.size == 40
    np.testing.assert_allclose(found.similarity, every.max(1), atol=3e-7)
    kept = np.random.default_rng(0).permutation(every.shape[1])[
        :40
    ]  # the larger role is cut to the smaller's size
    np.testing.assert_allclose(
        found.mean, np.sort(every[:, kept], 1)[:, -5:].mean(1), atol=3e-7
    )
    assert reference_similarity(data, Settings(), role) is found


def test_a_role_of_few_images_has_a_nearest_one_and_no_quintiles(data, rng):
    few = Inputs(
        data.images,
        data.references | {"paintings": images("paintings", rng.normal(size=(3, 16)))},
    )
    assert set(reference_similarity(few, Settings(), "paintings").row) == {0, 1, 2}
    with pytest.raises(
        ValueError, match="at least 5 images of paintings to compare with, found 3"
    ):
        likes_against("paintings")(few, Settings())


@pytest.mark.slow
def test_a_cluster_finds_the_same(rng, monkeypatch):
    query, reference = rng.normal(size=(700, 24)), rng.normal(size=(120, 24))
    monkeypatch.setattr(blocks, "QUERIES", 256)
    with search_on(Engine("ray")) as search:
        found, expected = search(query, reference, 3), nearest(query, reference, 3)
        with pytest.raises(ValueError, match="query: row 600 is zero"):
            search(query * (np.arange(700) < 600)[:, None], reference, 3)
        with pytest.raises(ValueError, match="reference: row 0 is zero"):
            search(query, reference * 0, 3)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
