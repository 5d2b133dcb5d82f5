"""Names that fit and differ, looks that differ, ticks on both sides of 1, intervals that are known and no others."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from twigma.analysis.page import marks


def test_short_names_fit_and_differ():
    names = [f"a very long name of a reference set, number {i}" for i in range(12)]
    names += ["長い名前" * 20, "x" * 300, "short", "short"]
    shown = marks.short_names(names, 20)
    assert len(set(shown)) == len(names)
    assert max(map(marks.width_of, shown)) <= 20
    assert shown[-2] == "short"


def test_names_lose_what_cannot_be_seen():
    assert marks.short_names(["a\u202eb\x07\n c"]) == ["ab c"]


def test_24_sets_look_different():
    looks = marks.look_by_name(str(i) for i in range(24))
    assert len({str(look) for look in looks.values()}) == 24
    assert len({look.colour for look in looks.values()}) == 6


@pytest.mark.parametrize(
    ("low", "high"), [(0.9, 1.1), (0.6, 1.4), (0.99, 3), (0.01, 40), (1.2, 1.3)]
)
def test_ratios_have_ticks_wherever_values_are(low, high):
    ax = Figure().subplots()
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    marks.ratio_ticks(ax.yaxis)
    ticks = np.array(ax.yaxis.get_majorticklocs())
    assert ((ticks >= low) & (ticks <= high)).all()
    assert len(ticks) >= 3
    middle = np.sqrt(low * high)
    assert ticks.min() < middle < ticks.max()
    assert len(ax.yaxis.get_minorticklocs()) == 0


def test_only_known_intervals_have_a_line():
    rows = pd.DataFrame(
        {
            "value": [1.0, 2.0, 3.0, np.nan],
            "low": [0.5, np.nan, 2.0, 0.0],
            "high": [1.5, 3.0, np.inf, 1.0],
        }
    )
    ax = Figure().subplots()
    marks.draw_intervals(ax, range(4), rows, "value")
    (lines,) = ax.collections
    segments = [segment.tolist() for segment in lines.get_segments()]
    assert segments == [[[0.5, 0.0], [1.5, 0.0]]]
    (dots,) = ax.lines
    assert dots.get_xdata().tolist() == [1, 2, 3]
    assert dots.get_ydata().tolist() == [0, 1, 2]


def test_months_and_panels():
    ax = Figure().subplots()
    months = [f"2021-{i:02}" for i in range(1, 13)]
    marks.months_on_x(ax, months, most=4)
    assert [label.get_text() for label in ax.get_xticklabels()] == months[::3]
    assert marks.panel_grid(6, 4) == (2, 4)
    assert marks.panel_grid(1, 4) == (1, 1)
    ticks = marks.month_ticks(18_628, 18_630)  # of one month
    assert list(ticks.values()) == ["2021-01"]
