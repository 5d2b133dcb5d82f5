"""Owners of the images of each set, and what figures say where they are unknown or few."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from twigma.analysis.inputs.images import Images
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.owners import (
    few_owner_notes,
    interval_notes,
    owner_column,
    owner_notes,
    owners,
    owners_for_intervals,
    owners_of_images,
    owners_of_rows,
)
from twigma.analysis.inputs.requirements import Result


def images(name, n, **columns):
    table = pa.table({"image_name": [f"{name}{i}" for i in range(n)], **columns})
    # The first image has no embedding.
    rows = np.arange(1, n)
    return Images(name, table, np.ones((n - 1, 2), np.float32), rows)


@pytest.fixture
def data():
    ours = images("ours", 40, author_id=[str(i // 4) for i in range(40)])
    sets = {
        "paintings": images("paintings", 6, group=["a", "a", "b", None, None, None]),
        "photographs": images("photographs", 5),
    }
    return Inputs(ours, sets)


def test_owners_are_authors_of_ours_and_groups_of_reference_sets(data):
    assert owner_column(data.images) == "author_id"
    by_set = owners(data)
    assert set(by_set) == {"ours", "paintings"}
    assert by_set["ours"].tolist() == [i // 4 for i in range(1, 40)]
    np.testing.assert_array_equal(by_set["paintings"], [0, 1, np.nan, np.nan, np.nan])
    assert owners_of_rows(data.images).tolist() == [i // 4 for i in range(40)]
    assert owners_of_rows(data.references["photographs"]) is None


def test_unknown_owners_are_named_among_the_sets_of_a_figure(data):
    (note,) = owner_notes(data)
    assert note.startswith("Owners unknown in photographs: images are taken as indep")
    assert owner_notes(data, ["ours", "paintings"]) == ()


def test_a_set_of_one_author_has_no_blocks_and_says_that_images_count_as_independent():
    alone = images("ours", 6, author_id=["ada"] * 6)
    some = images("paintings", 6, group=["a", "a", "a", "a", "a", None])
    data = Inputs(alone, {"paintings": some})
    assert set(owners_for_intervals(data)) == {"paintings"}
    (note,) = interval_notes(data, ["ours", "paintings"])
    assert note.startswith("All images are by one author, artist or prompt in ours: ")
    assert interval_notes(data, ["paintings"]) == ()


def test_owners_are_looked_up_by_the_names_of_images(data):
    found = owners_of_images(data.images, ["ours39", "rounded", "ours0", "ours39"])
    assert found.tolist() == ["9", None, "0", "9"]
    assert owners_of_images(data.images, ["rounded"]) is None
    assert owners_of_images(data.references["photographs"], ["photographs1"]) is None


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        ({"a": pd.DataFrame({"month": [1], "high": [1.0]})}, {"ours"}),
        ({"a": pd.DataFrame({"set": ["paintings"], "iev_high": [1.0]})}, {"paintings"}),
        (
            {
                "a": pd.DataFrame(
                    {"row": ["ours"], "column": ["paintings"], "high": 1.0}
                )
            },
            {"ours", "paintings"},
        ),
        ({"a": pd.DataFrame({"set": ["ours"], "x": [1.0]})}, set()),
        ({"a": pd.DataFrame({"set": ["ours"], "high": [float("nan")]})}, set()),
    ],
)
def test_few_owners_are_warned_of_where_there_is_an_interval(data, tables, named):
    notes = few_owner_notes(data, Result(1, tables))
    assert len(notes) == bool(named)
    for name in ("ours", "paintings", "photographs"):
        assert (f"those of {name} count as" in "".join(notes)) == (name in named)


def test_a_number_with_an_interval_is_one_too_and_many_owners_are_enough():
    few = Inputs(images("ours", 40, author_id=[str(i // 4) for i in range(40)]), {})
    many = Inputs(images("ours", 40, author_id=[str(i) for i in range(40)]), {})
    result = Result(1, {}, {"growth": {"value": 1.0, "low": 0.5, "high": 2.0}})
    (note,) = few_owner_notes(few, result)
    assert "those of ours count as 10.0 of one size, below 30" in note
    assert few_owner_notes(many, result) == ()
    assert few_owner_notes(few, Result(1, {}, {"growth": {"value": 1.0}})) == ()


def test_the_results_of_analyze_carry_the_warning(analysed):
    """Ten artists of the planted set, half of them of one name; photographs have no owners."""
    figures = analysed.results["figures"]
    for name in ("fig2b", "fig2c", "fig3ab", "set_metrics"):
        assert any(
            "those of paintings count as 1.4" in note for note in figures[name]["notes"]
        )
    for name in ("fig2b", "fig2c", "set_metrics", "fig4d"):
        assert any("unknown in photographs" in note for note in figures[name]["notes"])
    assert figures["fig1c"]["notes"] == []
