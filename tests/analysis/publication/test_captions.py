"""Numbers, files and captions of charts, and that every column which is drawn has a meaning."""

import json
from pathlib import Path

import pandas as pd
import pytest

from twigma.analysis.figures import CHAPTERS
from twigma.analysis.page.section import Section
from twigma.analysis.publication import captions
from twigma.analysis.publication.captions import caption, captions_text, publish
from twigma.analysis.publication.charts import Chart, Watched
from twigma.analysis.publication.column_meanings import UNKNOWN, meaning


def section(figure, title="All sets"):
    return Section(
        figure, title, "Claim.", "600 images", "Nothing.", alt="Bars of each set"
    )


def chart(*tables):
    return Chart("<svg/>", b"", tables)


TABLES = {
    "fig4d": pd.DataFrame({"set": ["a", "b"], "low": [0.0, 0.5]}),
    "fig2d_paintings": pd.DataFrame({"quintile": [1, 2, 3]}),
    "other": pd.DataFrame({"no such column": [1]}),
}


def test_the_first_chart_of_a_figure_has_its_number_and_others_their_own():
    names = ("Fig 2c", "Fig 3a, b", "Fig 2c", "Eq (1)", "Fig 4d", "Events")
    drawn = [(section(name), chart("fig4d")) for name in names]
    drawn.insert(1, (section("Fig 3b"), None))
    published = publish(drawn, TABLES)
    assert published[1] is None
    labels = [one.label for one in published if one is not None]
    assert labels == [
        "Figure 2c", "Figure S1", "Figure S2", "Figure S3", "Figure 4d", "Figure S4",
    ]  # fmt: skip
    assert published[0].stem == "figure-2c"


def test_one_table_is_one_file_and_several_are_named_apart():
    (alone,) = publish([(section("Fig 4d"), chart("fig4d"))], TABLES)
    assert alone.csv == {"figure-4d.csv": "fig4d"}
    (both,) = publish([(section("Fig 2d"), chart("fig2d_paintings", "other"))], TABLES)
    assert both.csv == {
        "figure-2d-paintings.csv": "fig2d_paintings",
        "figure-2d-other.csv": "other",
    }
    assert both.files == (
        ("SVG", "figure-2d.svg"), ("PDF", "figure-2d.pdf"),
        ("CSV paintings", "figure-2d-paintings.csv"), ("CSV other", "figure-2d-other.csv"),
    )  # fmt: skip


def test_a_table_too_long_for_a_spreadsheet_is_named_where_it_is(monkeypatch):
    monkeypatch.setattr(captions, "MOST_ROWS", 2)
    drawn = [(section("Fig 2d"), chart("fig4d", "fig2d_paintings"))]
    published = publish(drawn, TABLES)
    assert published[0].csv == {"figure-2d.csv": "fig4d"}
    text = captions_text(published, TABLES)
    assert "`../results/fig2d_paintings.parquet` (3 rows, too many" in text


def test_captions_are_numbered_and_say_what_columns_are():
    drawn = [(section("Fig 4d"), chart("fig4d")), (section("Events"), chart("fig4d"))]
    published = publish(drawn, TABLES)
    assert caption(published[0]) == (
        "Figure 4d. All sets. Bars of each set. Based on 600 images."
    )
    assert caption(published[1]).endswith("This figure is not in the paper in this form.")  # fmt: skip
    text = captions_text(published, TABLES)
    assert text.count("\n**Figure 4d.** All sets.") == 1
    assert text.index("**Figure 4d.**") < text.index("**Figure S1.**")
    assert "- Pictures: `figure-4d.svg` and `figure-4d.pdf`." in text
    assert (
        "`figure-4d.csv` (2 rows): set, the set of images; low, the lower edge of the bin of scores."
        in text
    )


def test_text_of_strangers_stays_on_its_line():
    hostile = section("Fig 2b", "Sets\n# of\u202e <b>\n\n- x")
    (published,) = publish([(hostile, chart("fig4d"))], TABLES)
    assert caption(published).startswith("Figure 2b. Sets # of <b> - x. Bars")


def test_every_column_that_is_drawn_has_a_meaning(analysed):
    found = {}
    for path in (analysed.out / "results").glob("*.parquet"):
        found[path.stem] = pd.read_parquet(path)
    unknown, drawn = [], 0
    for chapter in CHAPTERS:
        names = [
            name for one in chapter.figures for name in _tables(analysed, one.name)
        ]
        if chapter.draw is None or not names:
            continue
        watched = Watched(found)
        chapter.draw(watched)
        for name in watched.read:
            drawn += 1
            for column in found[name]:
                if meaning(name, column) == UNKNOWN:
                    unknown.append(f"{name}.{column}")
    assert drawn >= 15
    assert unknown == []
    assert meaning("fig2c", "no such column") == UNKNOWN


def test_every_column_of_every_table_of_the_demo_has_a_meaning():
    """`tests/golden/tables.json` has the tables that the demo makes."""
    golden = Path(__file__).parents[2] / "golden" / "tables.json"
    unknown = []
    for table, about in json.loads(golden.read_text("utf-8")).items():
        for column in about["columns"]:
            name = column.split(":")[0]
            if meaning(table, name) == UNKNOWN:
                unknown.append(f"{table}.{name}")
    assert unknown == []


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("fig3a_density", "low", "edge of the bin of distances"),
        ("fig3a_density", "density", "density of the distances"),
        ("fig2d_paintings_similarity", "high", "edge of the bin of similarities"),
        ("fig2a_density", "density", "density of the set's images"),
        ("fig1a_left_out", "reason", "why images were left out"),
        ("fig4b_trends", "n", "months"),
        ("fig2d_paintings", "low", "lower limit of the 95% interval"),
        ("model_releases", "reason", "why there is no estimate"),
    ],
)
def test_a_column_means_what_it_is_in_its_table(table, column, words):
    assert words in meaning(table, column)


@pytest.mark.parametrize("name", ["fig2d_paintings_similarity", "fig3a_density"])
def test_edges_of_bins_are_no_limits_of_intervals(analysed, name):
    """No table has bins, one beginning where another ends, whose columns are said to be an interval."""
    bins = pd.read_parquet(analysed.out / "results" / f"{name}.parquet")
    assert set(bins["high"][:-1]) & set(bins["low"][1:])
    assert "interval" not in meaning(name, "low") + meaning(name, "high")


def _tables(analysed, figure):
    return analysed.results["figures"].get(figure, {"tables": []})["tables"]


@pytest.mark.parametrize(
    "column", ["set", "distance", "difference_low", "long", "seed"]
)
def test_texts_have_meanings_of_their_own(column):
    assert meaning("fig3d", column) != UNKNOWN
