"""The explorer in a real browser without a graphics processor: what it counts, chooses and saves."""

import json

import duckdb
import numpy as np
import pytest
from support.browser import LOOKS, opened, started, violations, wait_for
from support.mapped import planted_table, write_release

from twigma.analysis.explorer.page import explore
from twigma.core.safety import spreadsheet
from twigma.dataset.opened_release import open_release
from twigma.dataset.selections import read_selection

READY = "document.title.endsWith('(ready)')"
# Set all filters as a reader does, one after the other, and return how many images the page counts.
FILTER = """all => all.map(({ranges, ticked}) => {
  const sets = [...document.querySelectorAll('fieldset')];
  for (const [title, from, to] of ranges) {
    const set = sets.find(one => one.querySelector('legend').textContent === title);
    set.querySelectorAll('.row input, .row select').forEach((input, i) => {
      input.value = [from, to][i];
      input.dispatchEvent(new Event('change'));
    });
  }
  document.querySelector('.names').querySelectorAll('input').forEach((box, i) => {
    box.checked = ticked.includes(i);
    box.dispatchEvent(new Event('change'));
  });
  return Number(document.body.dataset.passing);
})"""


@pytest.fixture(scope="module")
def page(mapped, tmp_path_factory):
    return explore(mapped, tmp_path_factory.mktemp("page") / "explore.html").path


@pytest.fixture(scope="module")
def browser():
    with started() as browser:
        yield browser


@pytest.fixture(scope="module")
def tab(browser, page):
    with opened(browser, page.as_uri()) as tab:
        wait_for(tab.page, READY)
        yield tab
        assert tab.messages == []
        assert tab.requests == [page.as_uri()]


def random_filters(rng, months):
    """What is set in the page, and the same for DuckDB."""
    low, high = sorted(rng.integers(0, len(months), 2).tolist())
    clusters = sorted(rng.choice(5, rng.integers(1, 6), replace=False).tolist())
    likes = sorted(rng.integers(0, 60, 2).tolist())
    score = sorted(rng.integers(0, 200, 2).tolist())
    conditions = [
        "UMAP_dim_1 IS NOT NULL",
        f"like_count BETWEEN {likes[0]} AND {likes[1]}",
        f"nsfw_score::DOUBLE >= {score[0] / 200}",
        f"nsfw_score::DOUBLE < {(score[1] + 1) / 200}",
    ]
    if (low, high) != (0, len(months) - 1):
        month = f"BETWEEN '{months[low]}' AND '{months[high]}'"
        conditions.append(f"strftime(created_at, '%Y-%m') {month}")
    if len(clusters) < 5:
        labels = ", ".join(str(place + 1) for place in clusters)
        conditions.append(f"label_10_cluster IN ({labels})")
    ranges = [
        ["Month", low, high],
        ["Likes", *likes],
        ["NSFW score", score[0] / 200, score[1] / 200],
    ]
    return {"ranges": ranges, "ticked": clusters}, " AND ".join(conditions)


def test_counts_after_random_filters_are_those_of_the_table(tab, mapped):
    rng = np.random.default_rng(1)
    months = tab.page.evaluate("channels.find(one => one.name === 'month').names")
    filters, conditions = zip(
        *[random_filters(rng, months) for _ in range(200)], strict=True
    )
    files = str(mapped / "metadata-*.parquet")
    rows = duckdb.read_parquet(files)
    expected = [len(rows.filter(where)) for where in conditions]
    assert tab.page.evaluate(FILTER, list(filters)) == expected
    assert 0 in expected and max(expected) > 100
    tab.page.click("#clear")
    assert tab.page.evaluate("document.body.dataset.passing") == str(3000 - 7)
    assert "2,993 images shown" in tab.page.inner_text("#status")


def drawn_around(tab, share=0.3):
    """Draw a circle on the map, with the mouse."""
    box = tab.page.locator("#points").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    radius = share * min(box["width"], box["height"])
    tab.page.click("#lasso")
    for step, angle in enumerate(np.linspace(0, 2 * np.pi, 25)):
        tab.page.mouse.move(
            middle[0] + radius * np.cos(angle), middle[1] + radius * np.sin(angle)
        )
        if step == 0:
            tab.page.mouse.down()
    tab.page.mouse.up()
    tab.page.click("#lasso")


def saved(tab, button):
    with tab.page.expect_download() as download:
        tab.page.click(button)
    return download.value


def test_what_is_chosen_is_what_lies_inside_the_line(tab, mapped, tmp_path):
    drawn_around(tab)
    outline = np.array(tab.page.evaluate("line"))
    x, y = (np.array(tab.page.evaluate(f"Array.from(arrays.{axis})")) for axis in "xy")
    centre, radius = outline.mean(axis=0), np.ptp(outline[:, 0]) / 2
    away = np.hypot(x - centre[0], y - centre[1]) / radius
    chosen = np.array(tab.page.evaluate("Array.from(chosen)"), bool)
    # A line of 24 corners lies within 1 % of its circle; what is closer to it than that may be on either side.
    assert chosen[away < 0.98].all() and not chosen[away > 1.02].any()
    assert 100 < chosen.sum() < 2900
    path = tmp_path / "selection.json"
    saved(tab, "#save").save_as(path)
    release = open_release(mapped)
    names = release.metadata["image_name"].to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(np.isfinite(release.to_pandas().UMAP_dim_1.to_numpy(float)))
    n, step = tab.page.evaluate("[n, info.step]")
    expected = set(names[rows[np.arange(n) * step % n]][chosen])
    assert read_selection(path, release) == expected
    table = tmp_path / "selection.csv"
    saved(tab, "#table").save_as(table)
    assert read_selection(table, release) == expected
    tab.page.click("#forget")
    assert tab.page.evaluate("document.body.dataset.chosen") == "0"


def test_cells_of_its_table_are_as_inert_as_ours(tab):
    cells = [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "＝1",
        "'=1",
        " =1",
        "\t1",
        "plain",
        "'tis",
        "1-2",
    ]
    written = tab.page.evaluate("cells => cells.map(csvCell)", cells)
    assert written == [f'"{spreadsheet.inert(cell)}"' for cell in cells]


def test_it_is_moved_and_zoomed_by_keys(tab):
    tab.page.focus("#points")
    tab.page.keyboard.press("0")
    before = tab.page.evaluate("view.scale")
    tab.page.keyboard.press("+")
    assert tab.page.evaluate("view.scale") == pytest.approx(1.5 * before)
    at = tab.page.evaluate("view.x")
    tab.page.keyboard.press("ArrowRight")
    assert tab.page.evaluate("view.x") > at
    tab.page.keyboard.press("0")
    assert tab.page.evaluate("view.scale") == before


def test_a_colour_is_seen_where_its_cluster_lies(tab):
    """The picture itself: the pixel of an image that lies alone has the colour that the legend gives its cluster."""
    tab.page.evaluate("clearFilters(); showAll()")
    tab.page.wait_for_timeout(200)
    found = tab.page.evaluate(
        """() => {
      const channel = channels.find(one => one.name === 'cluster'), {x, y} = arrays;
      const data = $('points').getContext('2d').getImageData(0, 0, width, height).data;
      let right = 0, looked = 0;
      for (let i = 0; i < n; i++) {
        const px = ((x[i] - view.x) * view.scale + width / 2) | 0, py = ((y[i] - view.y) * view.scale + height / 2) | 0;
        const [r, g, b] = colourOf(channel, channel.bar[channel.values[i]]);
        const at = 4 * (py * width + px);
        looked++;
        right += Math.abs(data[at] - r) + Math.abs(data[at + 1] - g) + Math.abs(data[at + 2] - b) < 12;
      }
      return right / looked;
    }"""
    )
    assert found > 0.8  # the others lie under images of another cluster


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_it_is_accessible_and_fits(browser, page, width, scheme):
    with opened(browser, page.as_uri(), width=width, scheme=scheme) as tab:
        wait_for(tab.page, READY)
        drawn_around(tab)
        assert tab.page.is_visible("#chosen")
        assert violations(tab.page) == []
        assert tab.page.evaluate("document.documentElement.scrollWidth") == width
        assert tab.messages == []


def test_equal_releases_give_equal_bytes(mapped, page, tmp_path):
    assert (
        explore(mapped, tmp_path / "again.html").path.read_bytes() == page.read_bytes()
    )


def test_rows_are_saved_where_the_page_has_no_ids(browser, mapped, tmp_path):
    path = explore(mapped, tmp_path / "rows.html", ids=False).path
    with opened(browser, path.as_uri()) as tab:
        wait_for(tab.page, READY)
        drawn_around(tab)
        total = int(tab.page.evaluate("document.body.dataset.chosen"))
        saved(tab, "#save").save_as(tmp_path / "selection.json")
    release = open_release(mapped)
    assert len(read_selection(tmp_path / "selection.json", release)) == total
    assert "image_name" not in json.loads((tmp_path / "selection.json").read_text())
    other = write_release(tmp_path / "other", planted_table(200, seed=1))
    with pytest.raises(ValueError, match=r"another release.*--ids"):
        read_selection(tmp_path / "selection.json", open_release(other))


def test_a_file_of_another_kind_is_left_alone(mapped, tmp_path):
    note = tmp_path / "thesis.html"
    note.write_text("my thesis")
    with pytest.raises(ValueError, match=r"not an explorer of ours"):
        explore(mapped, note)
    assert note.read_text() == "my thesis"
    with pytest.raises(ValueError, match="is a folder"):
        explore(mapped, tmp_path)
