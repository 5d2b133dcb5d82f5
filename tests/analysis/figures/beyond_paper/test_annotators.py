"""What people see of the clusters: those they split and merge are named, and no other, with the shares of pairs."""

import pandas as pd
import pytest

from twigma.analysis.figures.beyond_paper import annotators
from twigma.analysis.inputs import load
from twigma.analysis.inputs.annotation_sheets import sheets
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.page.section import Results


@pytest.fixture(scope="module")
def result(planted, tmp_path_factory):
    """Two annotators merge clusters 3 and 4, and give every image of cluster 1 a group of its own."""
    folder = tmp_path_factory.mktemp("themes") / "sheets"
    sheets(planted.release, folder, annotators=2, images=8)
    cluster = pd.read_csv(folder / "key.csv").set_index("item")["label_10_cluster"]
    for number in (1, 2):
        path = folder / f"annotator-{number}.csv"
        rows = pd.read_csv(path)
        groups = []
        for item in rows["item"]:
            own = {1: f"alone {item}", 2: "two", 3: "both", 4: "both"}
            groups.append(own[cluster[item]])
        rows.assign(group=groups).fillna("").to_csv(path, index=False)
    data = load.load(planted.release, None, {}, folder)
    return annotators.compute_concordance(data, Settings())


def test_split_and_merged_clusters_are_named(result):
    assert result.values["seen/1/1"]["value"] == 1
    assert result.values["seen/2/2"]["value"] == 0
    assert result.values["seen/3/4"]["value"] == 1
    assert result.values["seen/1/2"]["value"] == 0
    assert result.values["ami/annotator-1/annotator-2"]["value"] == pytest.approx(1)
    facts = {"n": result.n, "tables": list(result.tables), "values": [], "notes": []}
    results = Results(result.tables, result.values, {"concordance": facts})
    section = annotators.describe_concordance(results)
    assert section.claim.endswith(
        "These annotators split the clusters: 1; they merge: 3 with 4."
    )
    captions = [table.caption for table in section.tables]
    assert captions[-1] == "Clusters that people split or merge"
    cells = [[cell.text for cell in row] for row in section.tables[-1].rows]
    first = ["1, split", "100%\u00a0[68,\u00a0100]", "100% to 100%", "–", "8"]
    assert cells[0] == first
    assert "of these annotators and not of people in general" in section.basis


def sheet_by(authors):
    """Items by these authors, each on two sheets."""
    items = [str(number) for number in range(len(authors))]
    return pd.DataFrame({"item": items * 2, "owner": [*authors, *authors]})


def test_few_or_unknown_authors_of_the_sheets_are_said():
    few = annotators._owner_notes(sheet_by(["ada", "ada", "bo", "bo"]), "ours")
    assert len(few) == 1 and "those of the sheets count as 2.0 of one size" in few[0]
    many = sheet_by([str(number) for number in range(30)])
    assert annotators._owner_notes(many, "ours") == ()
    (unknown,) = annotators._owner_notes(many.drop(columns="owner"), "ours")
    assert unknown.startswith("Owners unknown in ours: ")
