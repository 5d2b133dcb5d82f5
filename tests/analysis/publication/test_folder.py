"""The folder of figures: complete, replaced as a whole, and nobody else's files touched."""

import json

import pandas as pd
import pytest

from twigma.analysis.page.section import Section
from twigma.analysis.publication.captions import publish
from twigma.analysis.publication.charts import Chart
from twigma.analysis.publication.folder import write_figures
from twigma.core.safety import folder_replacement, owned_folders, spreadsheet

MADE_FROM = {"analysis": 8, "sha256": "", "settings": {}, "versions": {}}
RESULTS = {"data": {}, "figures": {}, "values": {}, "skipped": [], "made_from": MADE_FROM}  # fmt: skip
TABLES = {"fig1c": pd.DataFrame({"word": ["=1+1", "a"], "count": [2, 1]})}
SVG = "<svg><defs></defs><text>Word</text></svg>"


def charts(*figures):
    drawn = []
    for figure in figures:
        section = Section(figure, "Words", "Claim.", "2 words", "None.")
        drawn.append((section, Chart(SVG, b"%PDF", ("fig1c",))))
    return publish(drawn, TABLES)


@pytest.fixture
def out(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    return tmp_path


def names(out):
    return sorted(path.name for path in (out / "figures").iterdir())


def test_every_file_is_there_and_listed(out):
    write_figures(out, charts("Fig 1c"), TABLES, "# Methods\n")
    files = ["captions.md", "figure-1c.csv", "figure-1c.pdf", "figure-1c.svg", "methods.md"]  # fmt: skip
    assert names(out) == [*files, "written.json"]
    assert owned_folders.listed_figures(out) == files
    assert (out / "figures" / "methods.md").read_text() == "# Methods\n"
    assert "**Figure 1c.** Words." in (out / "figures" / "captions.md").read_text()
    assert owned_folders.foreign(owned_folders.recognize(out)) == []


def test_no_cell_of_the_csv_is_a_formula(out):
    write_figures(out, charts("Fig 1c"), TABLES, "")
    path = out / "figures" / "figure-1c.csv"
    assert path.read_text().splitlines() == ['"word","count"', '"\'=1+1",2', '"a",1']
    assert spreadsheet.read_rows(path)[1] == ["=1+1", "2"]


def test_the_next_report_replaces_its_files_and_no_other(out):
    write_figures(out, charts("Fig 1c", "Fig 2a"), TABLES, "")
    (out / "figures" / "mine.svg").write_text("mine")
    write_figures(out, charts("Fig 1c"), TABLES, "")
    assert "mine.svg" in names(out) and "figure-1c.svg" in names(out)
    assert not [name for name in names(out) if name.startswith("figure-2a")]
    made = owned_folders.recognize(out)
    assert owned_folders.foreign(made) == ["figures/mine.svg"]
    assert folder_replacement.delete(made) == ["figures/mine.svg"]


@pytest.mark.parametrize("name", ["figure-1c.svg", "methods.md"])
def test_a_file_of_somebody_else_is_not_overwritten(out, name):
    (out / "figures").mkdir()
    (out / "figures" / name).write_text("mine")
    with pytest.raises(FileExistsError, match=rf"'{name}'.*move such files away"):
        write_figures(out, charts("Fig 1c"), TABLES, "")
    assert names(out) == [name]


def test_a_link_is_not_followed(out, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (out / "figures").symlink_to(elsewhere)
    with pytest.raises(FileExistsError, match="is a link"):
        write_figures(out, charts("Fig 1c"), TABLES, "")
    assert not list(elsewhere.iterdir())


def test_a_list_names_files_of_its_folder_only(out):
    (out / "figures").mkdir()
    listed = {"files": ["../results.json", "a/b", "/etc/passwd", 7, "figure-1c.svg"]}
    (out / "figures" / "written.json").write_text(json.dumps(listed))
    assert owned_folders.listed_figures(out) == ["figure-1c.svg"]
    (out / "figures" / "written.json").write_text("[1]")
    assert owned_folders.listed_figures(out) == []


def test_a_deletion_that_stops_is_finished_by_the_next(out):
    """The list goes last of the folder: what is left of it is still listed."""
    write_figures(out, charts("Fig 1c"), TABLES, "")
    assert names(out)[-1] == owned_folders.FIGURES_LIST
