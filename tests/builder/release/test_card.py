"""The card, the datasheet and Croissant of a release, read as their readers do."""

import json
import re
import shutil

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image
from support import releasing
from support.staging import units, write_embeddings

from twigma.builder.release.card.header import size_category
from twigma.builder.release.card.months import sparkline
from twigma.builder.release.release import release
from twigma.builder.release.version_history import remember
from twigma.builder.stages.dedupe import dedupe
from twigma.cli import main
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.workspace import Workspace


def test_the_header_is_the_schema(made):
    head = yaml.safe_load((made / "twigma/README.md").read_text().split("---")[1])
    infos = {info["config_name"]: info for info in head["dataset_info"]}
    found = datasets.Features._from_yaml_list(infos["metadata"]["features"])
    assert found == columns.features(columns.METADATA)
    vectors = datasets.Features._from_yaml_list(infos["embeddings"]["features"])
    assert vectors["embedding"] == datasets.List(
        datasets.Value("float16"), length=releasing.DIM
    )
    assert [config["config_name"] for config in head["configs"]] == [
        "metadata",
        "embeddings",
    ]
    assert head["configs"][0]["default"] and "not-for-all-audiences" in head["tags"]
    assert all("splits" not in info for info in infos.values())
    assert head["size_categories"] == ["n<1K"] and head["license"] == "cc-by-4.0"


def test_the_card_states_every_column_and_count(made):
    card = (made / "twigma/README.md").read_text()
    for name in (*columns.METADATA, "embedding"):
        assert columns.COLUMNS[name].doc in card
    assert "| found: photos on posts | 31 |" in card and "| **released** | 26 |" in card
    assert "| left out: duplicate: pixels | -1 |" in card and "$" not in card
    assert (
        "26 images on 25 posts, 2021-01 to 2021-04" in card and "halffloat>[16]" in card
    )


def test_the_datasheet_has_the_numbers_of_the_release(made):
    sheet = (made / "twigma/DATASHEET.md").read_text()
    assert (
        "$" not in sheet
        and "26 images on 25 posts" in sheet
        and "Posts are from 2021-01 to 2021-04." in sheet
    )
    assert (
        "| left out: duplicate: pixels | -1 |" in sheet
        and "| 1.0.0 | 2026-11-28 | 26 |" in sheet
    )
    for part in (
        "Motivation",
        "Composition",
        "Collection",
        "Preprocessing",
        "Uses",
        "Distribution",
        "Maintenance",
    ):
        assert f"## {part}\n" in sheet


def test_a_new_version_says_what_it_changes_and_carries_the_history(work, tmp_path):
    out = tmp_path / "twigma"
    release(work, out)
    table = pq.read_table(work / "images.parquet")
    likes = [
        None if i == 3 else n for i, n in enumerate(table["like_count"].to_pylist())
    ]
    write_parquet(
        work / "images.parquet",
        columns.add(table, like_count=pa.array(likes, pa.int64())),
    )
    releasing.remove(work, releasing.media_id(5), releasing.media_id(6))
    release(work, out, version="1.1.0")
    release(work, out, version="1.2.0", near_duplicates="keep")
    history = json.loads((out / "MANIFEST.json").read_text())["history"]
    day = {"date": "2026-11-28"}
    assert history == [
        {"version": "1.2.0", "rows": 25, "added": 1, "removed": 0, "changed": 0, **day},
        {"version": "1.1.0", "rows": 24, "added": 0, "removed": 2, "changed": 1, **day},
        {"version": "1.0.0", "rows": 26, **day},
    ]
    for name in ("README.md", "DATASHEET.md"):
        assert "| 1.1.0 | 2026-11-28 | 24 | 0 | 2 | 1 |" in (out / name).read_text()
    release(work, out, version="1.2.0")
    again = json.loads((out / "MANIFEST.json").read_text())["history"]
    assert again == [{"version": "1.2.0", "rows": 24, **day}, *history[1:]]


def test_a_version_keeps_its_day_when_it_is_made_again(work, tmp_path, monkeypatch):
    (work / "dataset.toml").unlink()
    out = tmp_path / "twigma"
    days = {"1.0.0": 1_700_000_000, "1.1.0": 1_800_000_000}
    for version, seconds in days.items():
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(seconds))
        release(work, out, version=version)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    (out / "README.md").write_text("damaged")
    release(work, out, version="1.1.0")
    history = json.loads((out / "MANIFEST.json").read_text())["history"]
    assert [each["date"] for each in history] == ["2027-01-15", "2023-11-14"]
    assert "Version 1.1.0, 2027-01-15." in (out / "README.md").read_text()


def test_the_weight_of_what_was_not_sampled_is_as_the_card_says(made):
    weights = releasing.read(made / "twigma")["sample_weight"]
    assert weights.null_count == len(weights) == 26
    card = (made / "twigma/README.md").read_text()
    assert "stands for; null if not sampled, which counts as 1." in card


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_after_a_damaged_release_what_changed_is_not_known(work, tmp_path, damage):
    out = tmp_path / "twigma"
    release(work, out)
    path = next(out.glob("metadata-*"))
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    release(work, out, version="1.1.0")
    history = json.loads((out / "MANIFEST.json").read_text())["history"]
    assert history == [
        {"version": "1.1.0", "rows": 26, "date": "2026-11-28"},
        {"version": "1.0.0", "rows": 26, "date": "2026-11-28"},
    ]


def test_the_recipes_of_the_card_run(made, tmp_path):
    card = (made / "twigma/README.md").read_text()
    recipes = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    with_ours = [recipe for recipe in recipes if "work" in recipe]
    recipes = [recipe for recipe in recipes if recipe not in with_ours]
    checks = [
        "assert len(metadata['train'] if 'train' in metadata else metadata) == 26"
    ]
    checks += [
        "assert sum(n for _, n in by_month) == 25",
        "assert vectors.shape == (26, 16)",
        # 31 January 2021, UTC
        "assert tensors[0]['created_at'].item() == 1612051200000",
        "assert tensors[0]['created_at'].dtype == __import__('torch').int64",
        "assert tensors[:]['id'][0] == '1490000000000000001'",
    ]
    checks += [
        "assert list(metadata['id'])[0] == '1490000000000000001'",
        "assert 'twigma' not in __import__('sys').modules",
    ]
    assert len(recipes) == 6
    here = shutil.copytree(made, tmp_path / "here")
    releasing.run(here, "\n".join([*recipes, *checks]))
    checks = [
        "assert first['image'].size == (24, 16) and first['id'].startswith('149')",
        "assert image.size == (24, 16)",
    ]
    checks += ["assert len(pictures) >= 26"]
    checks += ["assert row.id.startswith('149') and sample['__key__'] in rows.index"]
    assert len(with_ours) == 3
    releasing.run(here, "\n".join([*with_ours, *checks]))


def test_the_recipe_for_tars_finds_names_with_dots(tmp_path):
    for shade, name in enumerate(("a.b.png", "one/c.png", "two/c.png")):
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 16), (shade, 0, 0)).save(path)
    work, out = tmp_path / "work", tmp_path / "twigma"
    words = ["add", str(tmp_path / "own"), "--work", str(work)]
    assert CliRunner().invoke(main, words).exit_code == 0
    names = Workspace(work).image_rows("image_name")["image_name"].to_pylist()
    write_embeddings(work, units(np.random.default_rng(0), 3), names)
    dedupe(work)
    release(work, out, without=("caption", "nsfw", "cluster"))
    card = (out / "README.md").read_text("utf-8")
    recipes = re.findall(r"```python\n(# WebDataset.*?)```", card, re.DOTALL)
    assert len(recipes) == 1
    counted = recipes[0].replace("row = ", "row = found[sample['__key__']] = ")
    releasing.run(tmp_path, f"found = {{}}\n{counted}\nassert len(found) == 3, found")


def test_size_and_sparkline():
    sizes = {
        1: "n<1K",
        1000: "1K<n<10K",
        99_999: "10K<n<100K",
        100_000: "100K<n<1M",
        5 * 10**9: "100M<n<1B",
    }
    assert {rows: size_category(rows) for rows in sizes} == sizes
    assert sparkline([0, 0]) == "▁▁" and sparkline([0, 1, 4, 8]) == "▁▂▅█"


def test_the_history_outlives_a_release_that_a_removal_deleted(work, tmp_path):
    out = tmp_path / "twigma"
    release(work, out, version="1.0.0")
    first = json.loads((out / "MANIFEST.json").read_text())["history"]
    remember(out, work)
    shutil.rmtree(out)
    releasing.remove(work, releasing.media_id(4))
    release(work, out, version="1.0.1")
    history = json.loads((out / "MANIFEST.json").read_text())["history"]
    assert history[0] == {"version": "1.0.1", "rows": 25, "date": "2026-11-28"}
    assert history[1:] == first
    card = (out / "README.md").read_text()
    assert "| 1.0.1 | 2026-11-28 | 25 |  |  |  |\n| 1.0.0 | 2026-11-28 | 26 |" in card
    shutil.rmtree(out)
    release(work, out, version="1.0.0")  # the deleted version, made again
    again = json.loads((out / "MANIFEST.json").read_text())["history"]
    assert again == [{"version": "1.0.0", "rows": 25, "date": "2026-11-28"}]
    release(work, tmp_path / "other")
    other = json.loads((tmp_path / "other/MANIFEST.json").read_text())["history"]
    assert [entry["version"] for entry in other] == ["1.0.0"]


def test_a_damaged_memory_of_versions_is_named(work, tmp_path):
    (work / "versions.json").write_text("[")
    with pytest.raises(ValueError, match=r"versions\.json is damaged .*delete it"):
        release(work, tmp_path / "twigma")
