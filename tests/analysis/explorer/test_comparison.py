"""Two maps: what the page says became of the images is what the two releases hold."""

import json

import numpy as np
import pyarrow as pa
import pytest
from support.browser import opened, started, violations, wait_for
from support.mapped import planted_table, write_release

from twigma.analysis.explorer.comparison import CHANGES, read_comparison
from twigma.analysis.explorer.page import explore
from twigma.dataset.opened_release import open_release
from twigma.dataset.selections import read_selection

READY = "document.title.endsWith('(ready)')"
N, GONE, NEW = 400, 30, 50


def replaced(table, name, values):
    place = table.column_names.index(name)
    return table.set_column(place, name, pa.array(values, table[name].type))


def two_tables(shift=0.0):
    """An update that takes 30 images out, adds 50, moves every ninth to the next cluster, and shifts the map."""
    before = planted_table(N, odd=20)
    after = before.slice(GONE)
    labels = after["label_10_cluster"].to_pylist()
    for i in range(0, len(labels), 9):
        labels[i] = labels[i] and labels[i] % 5 + 1
    after = replaced(after, "label_10_cluster", labels)
    fresh = planted_table(NEW + 7, seed=3, odd=0).slice(7)
    for name in ("id", "image_name"):
        fresh = replaced(fresh, name, [f"77{i}" for i in range(NEW)])
    across = np.array(after["UMAP_dim_1"].to_pandas()) + shift
    after = replaced(after, "UMAP_dim_1", across)
    return before, pa.concat_tables([after, fresh])


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    root = tmp_path_factory.mktemp("compared")
    tables = two_tables()
    names = ("before", "after")
    return [
        write_release(root / name, t) for name, t in zip(names, tables, strict=True)
    ]


@pytest.fixture(scope="module")
def page(releases, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "update.html"
    return explore(releases[1], out, before=releases[0])


def expected(tables):
    """By a join of pandas: counts by what became of the images, and of moves."""
    columns = ["image_name", "label_10_cluster", "UMAP_dim_1"]
    frames = [t.select(columns).to_pandas().dropna(subset="UMAP_dim_1") for t in tables]
    both = frames[0].merge(frames[1], "outer", on="image_name", indicator=True)
    old, new = (
        both["label_10_cluster_x"].fillna(0),
        both["label_10_cluster_y"].fillna(0),
    )
    shared = both["_merge"] == "both"
    moved = shared & (old != new)
    counts = (
        int((shared & ~moved).sum()),
        int(moved.sum()),
        int((both["_merge"] == "right_only").sum()),
        int((both["_merge"] == "left_only").sum()),
    )
    moves = both[moved].groupby([old[moved], new[moved]]).size().to_dict()
    return dict(zip(CHANGES, counts, strict=True)), moves


def test_counts_and_moves_are_those_of_a_join(page):
    counts, moves = expected(two_tables())
    assert page.comparison.counts == counts
    assert counts["gone"] == GONE - 7 and counts["new"] == NEW

    def named(label):
        return f"cluster {label:.0f}" if label else "no cluster"

    listed = {(m.before, m.after): m.images for m in page.comparison.moves}
    assert listed == {(named(a), named(b)): n for (a, b), n in moves.items()}
    images = [move.images for move in page.comparison.moves]
    assert images == sorted(images, reverse=True)
    assert page.comparison.displaced == 0


def test_a_map_that_was_fitted_again_is_seen(releases, tmp_path):
    moved = write_release(tmp_path / "moved", two_tables(shift=1.0)[1])
    points, comparison = read_comparison(open_release(moved), open_release(releases[0]))
    assert comparison.displaced == N - GONE
    assert len(set(points.dx[points.dx != 0].tolist())) <= 2  # one shift, rounded


def test_a_release_before_itself_changes_nothing(releases):
    release = open_release(releases[0])
    _, comparison = read_comparison(release, release)
    assert comparison.counts == dict(zip(CHANGES, (N - 7, 0, 0, 0), strict=True))
    assert comparison.moves == ()


@pytest.fixture(scope="module")
def tab(page):
    with started() as browser, opened(browser, page.path.as_uri()) as tab:
        wait_for(tab.page, READY)
        yield tab
        assert tab.messages == [] and tab.requests == [page.path.as_uri()]


def passing(tab):
    return int(tab.page.evaluate("document.body.dataset.passing"))


def test_each_map_shows_its_images(tab, page):
    counts = page.comparison.counts
    both = counts["same cluster"] + counts["another cluster"]
    assert passing(tab) == both + counts["new"]
    tab.page.focus("#map-after")
    tab.page.keyboard.press("ArrowLeft")  # as radio buttons do
    assert tab.page.is_checked("#map-before")
    assert passing(tab) == both + counts["gone"]
    tab.page.click("#clear")
    assert passing(tab) == both + counts["gone"]
    assert " of " not in tab.page.inner_text("#status")
    places = tab.page.evaluate("[maps.before, maps.after].map(m => Array.from(m.x))")
    assert places[0] == places[1]
    tab.page.check("#map-after")
    assert passing(tab) == both + counts["new"]


def test_the_map_before_has_its_own_clusters_as_colours(tab):
    def colours():
        return tab.page.evaluate("Array.from(colours)")

    after = colours()
    tab.page.check("#map-before")
    assert colours() == tab.page.evaluate(
        "Array.from(channelOf('cluster_before').values)"
    )
    assert colours() != after
    tab.page.check("#map-after")
    assert colours() == after


def test_what_is_gone_can_be_chosen_by_id_and_is_of_no_row(tab, releases, tmp_path):
    tab.page.check("#map-before")
    tab.page.evaluate("setChosen(new Uint8Array(n).fill(1), n)")
    with tab.page.expect_download() as download:
        tab.page.click("#save")
    path = tmp_path / "selection.json"
    download.value.save_as(path)
    ids = set(json.loads(path.read_text())["image_name"])
    before, after = (open_release(folder) for folder in releases)
    known = {
        name
        for release in (before, after)
        for name, place in zip(
            release.metadata["image_name"].to_pylist(),
            release.metadata["UMAP_dim_1"].to_pylist(),
            strict=True,
        )
        if place is not None
    }
    assert ids == known
    assert read_selection(path, after) == known & set(
        after.metadata["image_name"].to_pylist()
    )
    tab.page.evaluate("info.image_name = null")
    with tab.page.expect_download() as download:
        tab.page.click("#save")
    download.value.save_as(path)
    rows = json.loads(path.read_text())["rows"]
    assert sorted(rows) == list(range(len(after)))
    tab.page.click("#forget")
    tab.page.check("#map-after")


def test_it_is_accessible(tab):
    assert violations(tab.page) == []
    assert "No image lies elsewhere" in tab.page.inner_text("#changes")
