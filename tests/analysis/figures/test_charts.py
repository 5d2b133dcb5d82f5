"""Every chart on awkward data: each value of its tables is inside its axes, and no two labels overlap in a browser."""

import base64
import importlib
import io
import itertools
import pkgutil
from functools import cache
from html import escape

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr
from support.awkward_tables import CASES, CHARTS
from support.browser import opened, started
from support.drawn_values import missing, numbers, outside

from twigma.analysis import figures
from twigma.analysis.page import drawing

PHONE = 480  # pixels: as wide as the page shows a picture on a phone
LEAST_TEXT = 8.0  # pixels there
MEASURE = """() => Array.from(document.querySelectorAll('svg text')).map(text => {
  const box = text.getBoundingClientRect();
  const size = parseFloat(getComputedStyle(text).fontSize);
  return [text.textContent.trim(), box.left, box.top, box.right, box.bottom, size];
})"""


def draw_functions():
    """The functions that draw, of every module of figures, by name."""
    found = {}
    for module in pkgutil.walk_packages(figures.__path__, f"{figures.__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if name.startswith("draw_") and value.__module__ == module.name:
                found[name] = value
    return found


DRAWS = draw_functions()
EVERY = list(itertools.product(CHARTS, CASES))


@cache
def drawn(name, case):
    """The chart of one case as it is on the page: its figure after the layout, and its SVG."""
    tables = CHARTS[name].tables(CASES[case])
    kept = []

    def draw(tables, into=None):
        kept.append(DRAWS[name](tables, into))
        return kept[0]

    picture = drawing.svg(draw, tables)
    code = base64.b64decode(picture.partition(",")[2]).decode()
    return tables, kept[0], code


def test_every_drawing_is_registered():
    chapters = {one.draw.__name__ for one in figures.CHAPTERS if one.draw is not None}
    assert chapters <= set(DRAWS)
    assert set(DRAWS) == set(CHARTS)


def test_awkward_tables_are_shaped_like_real_ones(analysed):
    """A column that no analysis writes would test nothing."""
    import pandas as pd

    for name, chart in CHARTS.items():
        for table, made in chart.tables(CASES["ordinary"]).items():
            path = analysed.out / "results" / f"{table}.parquet"
            if path.exists():
                real = set(pd.read_parquet(path))
                assert set(made) <= real, f"{name}: {table}"


@pytest.mark.parametrize(("name", "case"), EVERY)
def test_every_value_is_inside_its_axes(name, case):
    tables, figure, _ = drawn(name, case)
    axes = figure.get_figure(root=True).axes
    assert [found for ax in axes for found in outside(ax)] == []
    shown = numbers(axes)
    chart = CHARTS[name]
    for table, columns in chart.shows.items():
        for column in columns:
            values = chart.factor * tables[table][column].to_numpy(float)
            if chart.logarithmic:
                values = values[values > 0]
            assert missing(values, shown).tolist() == [], f"{table}, {column}"


def shrunk(box):
    """A text's box without the room above and below its letters."""
    text, left, top, right, bottom, _ = box
    room = 0.16 * min(right - left, bottom - top)
    across, down = (0.5, room) if right - left > bottom - top else (room, 0.5)
    return text, left + across, top + down, right - across, bottom - down


def overlapping(boxes):
    """Pairs of texts that lie on one another."""
    found = []
    for a, b in itertools.combinations(map(shrunk, boxes), 2):
        if a[1] < b[3] and b[1] < a[3] and a[2] < b[4] and b[2] < a[4]:
            found.append((a[0], b[0]))
    return found


@pytest.fixture(scope="module")
def tab():
    with started() as browser, opened(browser, "about:blank") as tab:
        yield tab


def measured(tab, code):
    """The texts of a picture with their boxes and sizes, and its width and height, in pixels."""
    tab.page.set_content(f"<body style='margin:0'>{code[code.index('<svg') :]}</body>")
    size = tab.page.evaluate(
        "() => { const box = document.querySelector('svg').getBoundingClientRect();"
        "return [box.width, box.height, document.querySelector('svg').viewBox.baseVal.width]; }"
    )
    texts = [box for box in tab.page.evaluate(MEASURE) if box[0]]
    return texts, size


@pytest.mark.parametrize(("name", "case"), EVERY)
def test_no_two_labels_overlap(name, case, tab):
    _, _, code = drawn(name, case)
    texts, (width, height, units) = measured(tab, code)
    assert texts
    assert overlapping(texts) == []
    for text, left, top, right, bottom, size in texts:
        assert left > -1.5 and top > -1.5, f"{text!r} is cut off"
        assert right < width + 1.5 and bottom < height + 1.5, f"{text!r} is cut off"
        assert size * PHONE / units >= LEAST_TEXT, f"{text!r} is too small on a phone"


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["draw_regression", "draw_releases"])
def test_a_logarithmic_axis_can_be_read(name, case):
    """Three numbers at least, and one beyond 1 where values are."""
    _, figure, _ = drawn(name, case)
    seen = 0
    for ax in figure.get_figure(root=True).axes:
        for axis in (ax.xaxis, ax.yaxis):
            if axis.get_scale() != "log":
                continue
            seen += 1
            low, high = sorted(axis.get_view_interval())
            ticks = np.array(
                [tick for tick in axis.get_majorticklocs() if low <= tick <= high]
            )
            assert len(ticks) >= 3
            assert (ticks > 1).any() or high < 1.2
    assert seen


def test_names_are_text_and_nothing_else():
    """Markup in a name stays text, control characters go."""
    _, _, code = drawn("draw_distances", "long names")
    assert "<script" not in code
    assert escape("$x_1$ <script>") in code
    assert "\x07" not in code and "\u202e" not in code


def test_no_date_covers_another():
    """Points are drawn in an order that has nothing to do with their dates."""
    _, figure, _ = drawn("draw_drift", "ordinary")
    (points,) = figure.axes[0].collections
    dates = points.get_array()
    assert len(dates) == CASES["ordinary"].rows
    order = spearmanr(np.arange(len(dates)), dates).statistic
    assert abs(order) < 0.4


def test_a_picture_follows_the_page_into_the_dark(tab):
    _, _, code = drawn("draw_posts", "ordinary")
    address = base64.b64encode(code.encode()).decode()
    page = "<style>:root { color-scheme: light dark }</style>"
    page += f"<img src='data:image/svg+xml;base64,{address}'>"
    grounds = []
    for scheme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)
        tab.page.set_content(page)
        picture = tab.page.locator("img").screenshot()
        grey = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
        grounds.append(np.median(grey))
    tab.page.emulate_media(color_scheme="light")
    assert grounds[0] > 250
    assert grounds[1] < 60
