"""A release of any number of clusters names its label column by it, in every file, and is read by every reader."""

import json

import pandas as pd
import pytest
from datasets import load_dataset
from support import releasing

import twigma
from twigma.analysis.inputs.annotation_sheets import read_sheets, sheets
from twigma.analysis.inputs.load import load
from twigma.builder.release.release import release
from twigma.builder.removals.erase_lists import is_sheets
from twigma.core import columns
from twigma.core.parts import read_part, write_part
from twigma.core.workspace import Workspace


def cluster_again(work, k):
    """The labels of the folder as `twigma cluster` names those of k clusters."""
    path = Workspace(work).part_files("cluster")[0]
    part = read_part(path)
    old = columns.find_label_column(part.column_names)
    name = columns.label_column(k)
    write_part(path, part.rename_columns({old: name}), {"k": k, "seed": 0})


@pytest.fixture
def eight(work, tmp_path):
    """A release of 10 clusters that was replaced by one of 8."""
    cluster_again(work, 10)
    release(work, tmp_path / "twigma")
    cluster_again(work, 8)
    assert release(work, tmp_path / "twigma", version="1.1.0").written
    return tmp_path / "twigma"


def test_every_file_has_the_column_of_today_alone(eight, made):
    before = releasing.read(made / "twigma")
    table = releasing.read(eight)
    expected = [
        "label_8_cluster" if name == "label_10_cluster" else name
        for name in before.column_names
    ]
    assert table.column_names == expected
    assert table["label_8_cluster"].equals(before["label_10_cluster"])
    texts = [path for path in eight.iterdir() if path.suffix in (".md", ".json")]
    assert len(texts) == 4
    for path in texts:
        assert "label_10_cluster" not in path.read_text()
    for name in ("README.md", "croissant.json"):
        assert "label_8_cluster" in (eight / name).read_text()
    card = (eight / "README.md").read_text()
    assert "| `label_8_cluster` | int32 | 1 to k |" in card
    assert "| `label_8_cluster`, `UMAP_dim_1`, `UMAP_dim_2` |" in card
    fields = json.loads((eight / "croissant.json").read_text())["recordSet"][0]["field"]
    labels = next(field for field in fields if "label" in field["@id"])
    assert labels["@id"] == "metadata/label_8_cluster"
    assert "twigma cluster" in labels["prov:wasGeneratedBy"]["prov:label"]


def test_a_column_that_was_renamed_is_no_change_of_every_image(eight):
    entry = twigma.read_manifest(eight)["history"][0]
    assert entry["version"] == "1.1.0" and entry["changed"] == 0


def test_readers_take_it_whatever_its_name(eight, made, tmp_path, monkeypatch):
    monkeypatch.chdir(eight.parent)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    rows = load_dataset(str(eight), split="train", cache_dir=str(tmp_path / "cache"))
    assert "label_8_cluster" in rows.column_names
    assert "label_10_cluster" not in rows.column_names
    ours, published = load(eight, None, {}).images, load(made / "twigma", None, {})
    assert ours.has(columns.LABELS)
    labels = ours.values(columns.LABELS)
    assert labels.tolist() == published.images.values(columns.LABELS).tolist()


def test_sheets_and_their_removal_find_the_label(eight, tmp_path):
    folder = tmp_path / "sheets"
    assert sheets(eight, folder, annotators=1, images=2) == 6
    key = pd.read_csv(folder / "key.csv", dtype=str)
    assert list(key) == ["item", "image_name", "label_8_cluster"]
    assert is_sheets(folder)
    path = folder / "annotator-1.csv"
    pd.read_csv(path, dtype=str).assign(group="a").to_csv(path, index=False)
    filled = read_sheets(folder).set_index("item")["cluster"]
    expected = key.set_index("item")["label_8_cluster"].astype(int)
    assert filled.sort_index().to_dict() == expected.sort_index().to_dict()
    key.drop(columns="label_8_cluster").to_csv(folder / "key.csv", index=False)
    assert not is_sheets(folder)
    with pytest.raises(ValueError, match=r"key\.csv, line 1.*missing label_K_cluster"):
        read_sheets(folder)
