"""The joint map: equal samples, the projection of scikit-learn's PCA, and overlaps known in closed form."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.decomposition import PCA

from twigma.analysis.comparison import joint_map


def test_pca_map_spans_scikit_learns_components(rng):
    sets = {
        "a": rng.normal(size=(60, 6)) * [5, 3, 1, 1, 1, 1],
        "b": rng.normal(size=(60, 6)),
    }
    found = joint_map.joint_map(sets, n=60)
    assert found["set"].value_counts().to_dict() == {"a": 60, "b": 60}
    pooled = np.concatenate([x[np.sort(np.arange(60))] for x in sets.values()])
    expected = PCA(2).fit_transform(pooled)
    assert np.sort(np.abs(found["x"])) == pytest.approx(np.sort(np.abs(expected[:, 0])))
    assert np.sort(np.abs(found["y"])) == pytest.approx(np.sort(np.abs(expected[:, 1])))


def test_samples_are_of_one_size_and_methods_are_named(rng):
    found = joint_map.joint_map(
        {"a": rng.normal(size=(50, 4)), "b": rng.normal(size=(20, 4))}
    )
    assert found["set"].value_counts().to_dict() == {"a": 20, "b": 20}
    with pytest.raises(ValueError, match="'tsne'"):
        joint_map.joint_map({"a": rng.normal(size=(50, 4))}, "tsne")


def test_overlap_of_two_normals_is_the_closed_form(rng):
    shift, n = 2.0, 4000
    a, b = rng.normal(size=(n, 2)), rng.normal(loc=(shift, 0), size=(n, 2))
    points = pd.DataFrame(np.r_[a, b], columns=["x", "y"]).assign(
        set=np.repeat(["a", "b"], n)
    )
    found = joint_map.overlaps(points)
    assert found["overlap"][0] == pytest.approx(
        2 * stats.norm.cdf(-shift / 2), abs=0.04
    )
    assert found["n"][0] == n


def test_auto_is_a_umap_of_what_takes_a_minute():
    def sets(n):
        return {"a": np.ones((n, 4)), "b": np.ones((n, 4))}

    assert joint_map.projection_of(sets(joint_map.MOST_UMAP), n=10**6) == "pca"
    assert joint_map.projection_of(sets(joint_map.MOST_UMAP // 2), n=10**6) == "umap"
    # A sample of a large set is no larger than the map.
    assert joint_map.projection_of(sets(9000), n=joint_map.MAP_N) == "umap"
    assert joint_map.projection_of(sets(20)) == "pca"
    assert joint_map.projection_of(sets(9000), "pca") == "pca"


def test_densities_are_kernel_estimates_on_one_grid(rng):
    a, b = rng.normal(size=(50, 2)), rng.normal(loc=(3, 0), size=(50, 2))
    points = pd.DataFrame(np.r_[a, b], columns=["x", "y"])
    points = points.assign(set=np.repeat(["a", "b"], 50))
    cells = joint_map.densities(points, 20)
    assert cells["set"].value_counts().to_dict() == {"a": 400, "b": 400}
    assert cells.groupby("set")["density"].sum().to_numpy() == pytest.approx([1, 1])
    own = cells[cells["set"] == "b"]
    expected = stats.gaussian_kde(b.T)(own[["x", "y"]].to_numpy().T)
    assert own["density"].to_numpy() == pytest.approx(expected / expected.sum())
    assert points["x"].between(cells["x"].min(), cells["x"].max()).all()
