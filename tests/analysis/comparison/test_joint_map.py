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


def planted_points(rng, owners, each, shift=1.5):
    """Points of two sets about a centre of each owner, and the owners of both."""
    owner = np.repeat(np.arange(owners), each)
    frames = []
    for name, away in (("a", 0.0), ("b", shift)):
        xy = rng.normal(size=(owners, 2))[owner]
        xy = xy + 0.3 * rng.normal(size=xy.shape)
        xy[:, 0] += away
        frames.append(pd.DataFrame(xy, columns=["x", "y"]).assign(set=name))
    return pd.concat(frames, ignore_index=True), {"a": owner, "b": owner}


def test_the_density_is_that_of_scipy(rng):
    points, _ = planted_points(rng, 40, 3)
    grid = joint_map._grid(points, joint_map.GRID)
    expected = []
    for name in ("a", "b"):
        place = points.loc[points["set"] == name, ["x", "y"]].to_numpy().T
        density = stats.gaussian_kde(place)(grid)
        expected.append(density / density.sum())
    found = joint_map.overlaps(points)["overlap"][0]
    assert found == pytest.approx(np.minimum(*expected).sum(), abs=1e-12)


def test_owners_widen_the_interval_of_an_overlap_and_one_owner_has_none(rng):
    points, blocks = planted_points(rng, 30, 20)
    by_image = joint_map.overlaps(points).iloc[0]
    by_owner = joint_map.overlaps(points, blocks).iloc[0]
    assert by_owner["overlap"] == by_image["overlap"]
    assert 0 <= by_owner["low"] < by_image["low"] < by_image["high"]
    wide, narrow = (row["high"] - row["low"] for row in (by_owner, by_image))
    assert wide > 2 * narrow > 0
    assert by_owner["blocks"] == pytest.approx(30)
    assert (by_owner["owners_unknown"], by_image["owners_unknown"]) == ("", "a, b")
    alone = joint_map.overlaps(points, blocks | {"b": np.zeros(600)}).iloc[0]
    assert np.isnan(alone["low"]) and np.isnan(alone["high"])


def test_owners_stay_with_their_points(rng):
    sets = {"a": rng.normal(size=(50, 4)), "b": rng.normal(size=(20, 4))}
    points = joint_map.joint_map(sets, seed=3)
    rows = joint_map.mapped_rows({"a": 50, "b": 20}, seed=3)
    alone = joint_map.joint_map({name: sets[name][rows[name]] for name in sets}, seed=3)
    assert {name: len(of_set) for name, of_set in rows.items()} == {"a": 20, "b": 20}
    again = joint_map.mapped_rows({"a": 20, "b": 20}, seed=3)
    for name in sets:
        one = points.loc[points["set"] == name, ["x", "y"]].to_numpy()
        other = alone.loc[alone["set"] == name, ["x", "y"]].to_numpy()
        assert np.abs(other) == pytest.approx(np.abs(one[again[name]]), abs=1e-9)


@pytest.mark.parametrize("sizes", [[1] * 7, [1] * 100, [50, 9, 9, 1, 1]])
def test_pieces_hold_whole_blocks_of_about_equal_rows(sizes):
    piece = joint_map._pieces(np.array(sizes))
    rows = np.bincount(piece, weights=sizes)
    assert len(rows) == min(len(sizes), joint_map.PIECES)
    assert rows.max() <= max(*sizes, 2 * sum(sizes) / len(rows))


def test_auto_is_a_umap_of_what_takes_seconds():
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
