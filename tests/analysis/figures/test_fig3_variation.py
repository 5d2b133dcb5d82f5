"""What Fig 3a and 3b are computed from: images by artist and prompt."""

import pandas as pd

from twigma.analysis.figures.fig3_variation import describe_measures, grouped_sets
from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.page.section import Results


def test_groups_are_those_of_the_images(planted):
    data = load.load(planted.release, planted.work, planted.references)
    groups = grouped_sets(data, Settings())
    shapes = {name: embedding.shape for name, (embedding, _) in groups.items()}
    assert shapes == {"same artist": (150, 32), "same prompt": (150, 32)}


def measures_of(half, sets=4):
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
    table = rows.assign(**columns).head(sets)
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


def test_a_single_set_is_not_compared():
    claim, marks = measures_of(half=0.4, sets=1)
    assert claim == "A single set: there is none to compare it with."
    assert {mark for row in marks for mark in row} == {""}
