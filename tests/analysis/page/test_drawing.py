"""Every chart of the report drawn into axes of a reader's own figure, beside the same chart by itself."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from twigma.analysis.figures import CHAPTERS
from twigma.analysis.page.drawing import axes

DRAWS = {each.draw.__name__: each for each in CHAPTERS if each.draw is not None}


@pytest.fixture(scope="module")
def tables(analysed):
    files = (analysed.out / "results").glob("*.parquet")
    return {path.stem: pd.read_parquet(path) for path in files}


def contents(panels):
    """What can be read in each panel, and how many marks it has."""
    return [
        (
            panel.get_title(loc="left"),
            panel.get_xlabel(),
            panel.get_ylabel(),
            [text.get_text() for text in panel.texts],
            len(panel.lines) + len(panel.patches) + len(panel.collections),
            len(panel.images),
        )
        for panel in panels
    ]


@pytest.mark.parametrize("name", DRAWS)
def test_a_chart_in_given_axes_is_the_same_chart(name, tables):
    chapter = DRAWS[name]
    if not any(figure.name in tables for figure in chapter.figures):
        pytest.skip("the planted release has no data for this chart")
    alone = chapter.draw(tables)
    figure = Figure(figsize=(16, 8), layout="constrained")
    before, place = figure.subplots(1, 2)
    holder = chapter.draw(tables, place)
    figure.draw_without_rendering()
    alone.draw_without_rendering()
    assert not before.has_data()
    drawn = [panel for panel in figure.axes if panel is not before]
    assert holder is figure or drawn == holder.axes
    assert len(alone.axes) > 0
    assert contents(drawn) == contents(alone.axes)
    # Where the axes were: right of the others.
    left = before.get_window_extent().x1
    assert drawn[0].get_window_extent().x0 > left


def test_several_panels_need_a_place_in_a_grid():
    free = Figure().add_axes((0.1, 0.1, 0.8, 0.8))
    assert axes(into=free) == (free.figure, free)
    with pytest.raises(ValueError, match=r"several panels .*plt\.subplots"):
        axes(1, 2, into=free, squeeze=False)
    assert free.figure.axes == [free]
