"""What Fig 3a and 3b are computed from: images by artist and prompt, and what depends on one another."""

from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pytest

from twigma.analysis.figures.fig3_variation import (
    dependent_blocks,
    describe_measures,
    grouped_sets,
)
from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.page.section import Results


def test_blocks_and_groups_are_those_of_the_images(planted):
    data = load.load(planted.release, planted.work, planted.references)
    with pytest.warns(UserWarning, match="below 30 they may be") as warned:
        blocks = dependent_blocks(data)
    texts = [str(warning.message) for warning in warned]
    assert [text.split()[3] for text in texts] == ["paintings", "prompts"]
    assert "come from 6 different values of artist or prompt" in texts[0]
    assert set(blocks) == {"twigma", "paintings", "prompts"}
    assert len(blocks["twigma"]) == len(data.images.rows)
    groups = grouped_sets(data, Settings())
    shapes = {name: embedding.shape for name, (embedding, _) in groups.items()}
    assert shapes == {"same artist": (150, 32), "same prompt": (150, 32)}


def test_a_set_of_one_author_says_that_its_intervals_take_images_as_independent(
    planted,
):
    data = load.load(planted.release, planted.work, {})
    place = data.images.table.column_names.index("author_id")
    one = pa.array(["ada"] * len(data.images.table))
    table = data.images.table.set_column(place, "author_id", one)
    by_one = replace(data, images=replace(data.images, table=table))
    with pytest.warns(UserWarning, match="All images of twigma have one author"):
        assert dependent_blocks(by_one) == {}


def measures_of(half):
    """Fig 3b of three whole sets and one set of groups, all measures 1, 2, 3 and 9 with this half width."""
    rows = pd.DataFrame(
        {
            "set": ["a", "b", "c", "same artist"],
            "groups": [0, 0, 0, 6],
            "x": [1, 2, 3, 9],
        }
    )
    columns = {"n": 50, "k": 10, "codebooks": 5}
    for name in ("iev", "pmv", "entropy", "vendi"):
        value = rows["x"].astype(float)
        columns |= {
            name: value,
            f"{name}_low": value - half,
            f"{name}_high": value + half,
        }
    table = rows.assign(**columns)
    section = describe_measures(Results({"fig3b": table}, {}, {}))
    return section.claim, [
        [cell.mark for cell in row] for row in section.tables[0].rows
    ]


def test_extremes_of_whole_sets_stand_out_where_intervals_are_apart():
    claim, marks = measures_of(half=0.4)
    assert claim.startswith("Most varied by IEV: c, PMV: c")
    assert [row[1] for row in marks] == ["min", "", "max", ""]
    claim, marks = measures_of(half=0.6)
    assert claim.startswith("No set is apart from all others by IEV, PMV")
    assert {mark for row in marks for mark in row} == {""}
