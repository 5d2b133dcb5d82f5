"""Every kind of input gives the same array, and columns are matched by their labels."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import twigma.analysis
from twigma.analysis.convert import aligned, as_column, as_matrix, columns_of

X = np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize(
    "values",
    [
        X,
        X.tolist(),
        pd.DataFrame(X),
        pd.Series(list(X)),
        pa.array(X.tolist()),
        pa.chunked_array([X[:1].tolist(), X[1:].tolist()]),
        pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 2),
        pa.table({"image_name": ["a", "b", "c"], "embedding": X.tolist()}),
        pa.table({"x": X[:, 0], "y": X[:, 1]}),
        pd.DataFrame({"name": ["a", "b", "c"], "embedding": list(X)}),
    ],
)
def test_matrices(values):
    np.testing.assert_array_equal(as_matrix(values), X)


def test_matrices_are_not_copied_and_vectors_must_fit():
    assert as_matrix(X) is X
    with pytest.raises(ValueError, match="found 1 without one"):
        as_matrix(pa.array([[1.0], None]))
    with pytest.raises(ValueError, match="vectors of one length, found 1 to 3"):
        as_matrix(pa.array([[1.0], [2.0, 3.0, 4.0]]))  # four numbers: two of two
    assert as_matrix(pa.array([], pa.list_(pa.float32()))).shape == (0, 0)


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, pa.array])
def test_columns(kind):
    assert as_column(kind(["a", "b"])).tolist() == ["a", "b"]


def test_columns_of_a_table_and_beside_it():
    df = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]}, index=["x", "y", "z"])
    beside = pd.Series([30, 10, 20], index=["z", "x", "y"])
    columns = columns_of(df, "f", one="a", other=beside, none=None)
    assert columns["one"].tolist() == [1, 2, 3]
    assert columns["other"].tolist() == [10, 20, 30] and columns["none"] is None
    arrow = columns_of(pa.Table.from_pandas(df), "f", one="a", other=[7, 8, 9])
    assert (arrow["one"].tolist(), arrow["other"]) == ([1, 2, 3], [7, 8, 9])


def test_repeated_labels_match_only_where_all_indexes_are_equal():
    twice = pd.Series([1, 2, 3], index=[0, 0, 1])
    assert aligned("f", a=twice, b=twice * 2)["b"].tolist() == [2, 4, 6]
    with pytest.raises(ValueError, match="f: b: expected the labels"):
        aligned("f", a=twice, b=pd.Series([1, 2, 3]))


@pytest.mark.parametrize(
    "name",
    [
        *["cluster_shares", "entropies", "joint_map", "kernel_distances", "kl_matrix"],
        *["manifolds", "near_duplicates", "nsfw_density", "nsfw_share"],
        "variation_table",
    ],
)
def test_sets_without_names_are_said(name):
    estimator = getattr(twigma.analysis, name)
    with pytest.raises(ValueError, match="found one ndarray"):
        estimator(X)
