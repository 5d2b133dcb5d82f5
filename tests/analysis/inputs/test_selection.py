"""An analysis of chosen images is that of a release which holds only them."""

import json

import pyarrow.parquet as pq
import pytest
from support.mapped import planted_table, write_release

from twigma.analysis.analyze import analyze
from twigma.analysis.inputs import load
from twigma.analysis.report import report
from twigma.core.safety import spreadsheet


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain") / "twigma"
    return write_release(folder, planted_table(600, odd=0))


def test_only_the_chosen_images_are_analysed(whole, tmp_path):
    table = pq.read_table(next(whole.glob("metadata-*.parquet"))).to_pandas()
    chosen = table[table["label_10_cluster"] == 2]
    path = tmp_path / "selection.csv"
    spreadsheet.write_frame(path, chosen[["image_name", "like_count"]])
    data = load.load(whole, None, {}, select=path)
    assert data.images.table["image_name"].to_pylist() == chosen["image_name"].tolist()
    results = analyze(whole, tmp_path / "report", select=path)
    assert results["data"]["images"] == len(chosen)
    assert results["data"]["chosen_of"] == 600
    page = report(tmp_path / "report").read_text("utf-8")
    assert f"{len(chosen)}, chosen of 600" in page
    everything = analyze(whole, tmp_path / "report")["data"]
    assert "chosen_of" not in everything and everything["images"] == 600


def test_a_selection_of_nothing_here_is_said_before_any_work(whole, tmp_path):
    path = tmp_path / "selection.json"
    path.write_text(
        json.dumps({"format": "twigma selection", "image_name": ["elsewhere"]})
    )
    with pytest.raises(ValueError, match=r"selects no image of .*twigma"):
        analyze(whole, tmp_path / "report", select=path)
    assert not (tmp_path / "report").exists()
