"""The release: who is in it and why others are not, its bytes, its card, and what it refuses."""

import datetime
import hashlib
import json
import re
import shutil
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import releasing
import yaml

from twigma import columns
from twigma.builder.card import Facts, posts_per_month, size_category, sparkline, summary
from twigma.builder.release import models, release
from twigma.builder.scan import scan

OUT = {"duplicate: media_id": 1, "duplicate: near": 1, "duplicate: pixels": 1, "not decodable": 1}


@pytest.fixture
def work(made, tmp_path):
    """A copy of the working folder, to be changed."""
    return shutil.copytree(made / "work", tmp_path / "work")


def metadata(folder: Path) -> pd.DataFrame:
    return pq.read_table(folder / "metadata").to_pandas()


def test_every_row_is_released_or_has_one_reason(made):
    found = release(made / "work", made / "twigma")
    assert found.dropped == OUT | {"not fetched: gone": 1}
    assert found.rows == 31 == found.released + sum(found.dropped.values())
    assert (found.released, found.posts, found.embeddings) == (26, 25, 26)
    assert list(found.funnel())[:2] == ["found", "not fetched: gone"]
    gone = {releasing.media_id(i) for i in (7, 8, 9, 10, 11)}
    expected = {releasing.media_id(i) for i in range(31)} - gone
    assert set(metadata(made / "twigma")["image_name"]) == expected


def test_rows_are_as_they_were_and_in_order(made):
    source = pq.read_table(made / "work/images.parquet").to_pandas().set_index("image_name")
    found = metadata(made / "twigma")
    assert list(found) == list(columns.METADATA)
    keys = list(zip(found["created_at"], found["id"], found["image_name"], strict=True))
    assert keys == sorted(keys)
    for name in ("id", "created_at", "like_count", "possibly_sensitive"):
        expected = source.groupby(level=0).first().loc[found["image_name"], name]
        pd.testing.assert_series_equal(found[name], expected.reset_index(drop=True), check_dtype=False)
    assert (found["all_captions"] == "a picture of " + found["image_name"]).all()
    assert (found["width"] == 24).all() and (found["height"] == 16).all()


def test_embeddings_are_bit_equal_and_in_the_same_order(made):
    parts = pa.concat_tables([columns.read_arrow(p) for p in sorted((made / "work/columns/embed").glob("*"))])
    of = dict(zip(parts["image_name"].to_pylist(), parts["embedding"].to_pylist(), strict=True))
    found = pq.read_table(made / "twigma/embeddings")
    assert found["image_name"].to_pylist() == list(metadata(made / "twigma")["image_name"])
    assert found["embedding"].to_pylist() == [of[name] for name in found["image_name"].to_pylist()]
    assert found.schema.field("embedding").type == pa.list_(pa.float16(), releasing.DIM)
    assert found["embedding"].null_count == 0


def test_parquet_is_written_for_the_hub(made):
    for config, codecs in (("metadata", {"PLAIN", "RLE"}), ("embeddings", {"PLAIN", "RLE"})):
        path = next((made / "twigma" / config).glob("*.parquet"))
        assert re.fullmatch(rf"{config}-train-00000-of-00001\.parquet", path.name)
        group = pq.ParquetFile(path).metadata.row_group(0)
        for at in range(group.num_columns):
            column = group.column(at)
            assert column.compression == "ZSTD" and column.has_offset_index
            if config == "embeddings":
                assert not column.has_dictionary_page and set(column.encodings) <= codecs


def test_the_manifest_says_what_is_there(made):
    folder = made / "twigma"
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    found = releasing.contents(folder)
    assert set(found) == {*manifest["files"], "MANIFEST.json"}
    for name, facts in manifest["files"].items():
        assert facts["sha256"] == hashlib.sha256(found[name]).hexdigest() and facts["bytes"] == len(found[name])
        if name.endswith(".parquet"):
            assert facts["rows"] == 26
    assert manifest["models"]["embed"] == {"model": "tiny", "revision": "abc"}
    assert manifest["counts"]["released"] == 26
    assert not re.search(rb"20\d\d-\d\d-\d\dT|secret|author", found["MANIFEST.json"])


def test_equal_input_gives_equal_bytes_and_is_left_alone(made, work, tmp_path):
    release(work, tmp_path / "twigma")
    assert releasing.contents(tmp_path / "twigma") == releasing.contents(made / "twigma")
    before = (tmp_path / "twigma").stat().st_ino
    again = release(work, tmp_path / "twigma")
    assert not again.written and again.funnel() == release(made / "work", made / "twigma").funnel()
    assert (tmp_path / "twigma").stat().st_ino == before


def test_a_damaged_or_outdated_release_is_written_again(made, work, tmp_path):
    out = tmp_path / "twigma"
    release(work, out)
    (out / "README.md").write_text("gone")
    assert release(work, out).written
    assert releasing.contents(out) == releasing.contents(made / "twigma")
    (out / "removals.txt").unlink()
    assert release(work, out).written
    assert release(work, out, version="1.1.0").written
    assert "Version 1.1.0" in (out / "README.md").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["twigma", "work"]  # nothing private is left


def test_what_is_not_a_release_stays_as_it_is(work, tmp_path):
    theirs = tmp_path / "photos"
    theirs.mkdir()
    (theirs / "MANIFEST.json").write_text('{"dataset": "holiday", "files": {}}')
    (theirs / "cat.jpg").write_bytes(b"mine")
    for manifest in ("none", "theirs"):
        if manifest == "none":
            (theirs / "MANIFEST.json").rename(tmp_path / "kept")
        else:
            (tmp_path / "kept").rename(theirs / "MANIFEST.json")
        with pytest.raises(ValueError, match=r"not a TWIGMA release.*; it is left as it is"):
            release(work, theirs)
    assert (theirs / "cat.jpg").read_bytes() == b"mine"
    out = tmp_path / "twigma"
    release(work, out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds 'notes\.txt'"):
        release(work, out)
    assert (out / "notes.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="not a TWIGMA release"):
        release(work, tmp_path / "file")


def test_an_empty_folder_is_taken(work, tmp_path):
    (tmp_path / "empty").mkdir()
    assert release(work, tmp_path / "empty").written


def test_options_change_who_is_in(work, tmp_path):
    kept = release(work, tmp_path / "near", near_duplicates="keep")
    assert kept.released == 27 and "duplicate: near" not in kept.dropped
    assert "are all kept" in (tmp_path / "near/README.md").read_text()
    strict = release(work, tmp_path / "nsfw", nsfw_threshold=0.5)
    scores = metadata(tmp_path / "near")["nsfw_score"]
    found = metadata(tmp_path / "nsfw")["nsfw_score"]
    assert found.max() <= np.float32(0.5) < scores.max()
    assert strict.released + sum(strict.dropped.values()) == 31 and strict.dropped["nsfw_score above 0.5"] > 3


def test_removals_are_left_out_and_listed(work, tmp_path):
    post, image = str(releasing.FIRST + 2), releasing.media_id(20)
    releasing.remove(work, post, image, "77")
    found = release(work, tmp_path / "twigma")
    assert found.dropped["removed on request"] == 2 and found.released == 24
    table = metadata(tmp_path / "twigma")
    assert post not in set(table["id"]) and image not in set(table["image_name"])
    assert image not in pq.read_table(tmp_path / "twigma/embeddings")["image_name"].to_pylist()
    _, salt, *listed = (tmp_path / "twigma/removals.txt").read_text().splitlines()
    assert salt == "# salt: s"
    assert listed == sorted(hashlib.sha256(f"s{name}".encode()).hexdigest() for name in (post, image, "77"))
    (work / "removed.json").write_text("{")
    with pytest.raises(ValueError, match=r"removed\.json is damaged"):
        release(work, tmp_path / "twigma")


def test_stages_may_be_left_out_but_not_forgotten(work, tmp_path):
    shutil.rmtree(work / "columns/cluster")
    with pytest.raises(FileNotFoundError, match="run `twigma cluster`"):
        release(work, tmp_path / "twigma")
    release(work, tmp_path / "twigma", without=["cluster", "embed"])
    table = pq.read_table(tmp_path / "twigma/metadata")
    assert table["UMAP_dim_1"].null_count == len(table) == 27  # without embeddings nobody knows what has none
    assert not (tmp_path / "twigma/embeddings").exists()
    assert "embeddings" not in (tmp_path / "twigma/README.md").read_text().split("---")[1]
    shutil.rmtree(work / "columns/dedupe")
    with pytest.raises(FileNotFoundError, match="run `twigma dedupe`"):
        release(work, tmp_path / "twigma", without=["cluster"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"without": ["dedupe"]}, "found .'dedupe'."),
        ({"near_duplicates": "maybe"}, "'maybe'"),
        ({"nsfw_threshold": 7}, "from 0 to 1, found 7"),
        ({"nsfw_threshold": 0.5, "without": ["nsfw"]}, "needs the scores"),
    ],
)
def test_wrong_options_are_named(made, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        release(made / "work", tmp_path / "twigma", **options)


def test_a_stage_that_has_not_seen_every_image_is_named(work, tmp_path):
    for stage in ("embed", "caption"):
        part = sorted((work / "columns" / stage).glob("*"))[0]
        table, mark = columns.read_arrow(part).replace_schema_metadata(), columns.made_from(part)
        columns.write_part(part, table.slice(3), mark)
        with pytest.raises(ValueError, match=f"columns/{stage} lacks 3 of .*run `twigma {stage}` again"):
            release(work, tmp_path / "twigma")
        columns.write_part(part, table, mark)
    columns.write_part(part, table, {"model": "another"})
    with pytest.raises(ValueError, match="more than one model"):
        release(work, tmp_path / "twigma")
    assert not (tmp_path / "twigma").exists()


def test_an_image_on_two_rows_asks_for_dedupe(work, tmp_path):
    part = work / "columns/dedupe/part.arrow"
    table = columns.read_arrow(part).replace_schema_metadata()
    clean = columns.add(table, duplicate_reason=pa.nulls(len(table), pa.string()))
    columns.write_part(part, clean, {})
    with pytest.raises(ValueError, match="stand on several rows: run `twigma dedupe`"):
        release(work, tmp_path / "twigma")


def test_a_model_in_a_folder_is_told_without_its_path(tmp_path):
    columns.write_part(
        tmp_path / "embed/a.arrow", pa.table({}), {"model": "/home/ada/tiny-clip", "shard": "1", "images": "f00d"}
    )
    assert models(tmp_path / "embed") == {"model": "tiny-clip"}


def test_images_added_by_hand_stand_on_no_post(tmp_path):
    releasing.make_work(tmp_path / "work", local=True)
    found = release(tmp_path / "work", tmp_path / "twigma")
    assert (found.released, found.posts, found.dropped) == (31, 0, {})
    table = pq.read_table(tmp_path / "twigma/metadata")
    assert table.schema.equals(columns.schema(columns.METADATA))
    assert table["id"].to_pylist() == table["image_name"].to_pylist()
    assert table["created_at"].null_count == table["like_count"].null_count == 31
    assert set(table["source"].to_pylist()) == {"local"}
    rows = datasets.load_dataset(str(tmp_path / "twigma"), split="train", cache_dir=tmp_path / "cache")
    assert len(rows) == 31 and rows.features["id"].dtype == "string"
    assert "No row has a date" in (tmp_path / "twigma/README.md").read_text()


def test_nothing_left_is_an_error(work, tmp_path):
    releasing.remove(work, *(str(releasing.FIRST + i) for i in range(30)))
    with pytest.raises(ValueError, match=r"no row of .* is left"):
        release(work, tmp_path / "twigma")


# ---------------------------------------------------------------- the scan


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("text", lambda t: t.append_column("text", pa.array(["words"] * len(t))), "are public"),
        ("author", lambda t: t.append_column("author_id", pa.array(["7"] * len(t))), "are public"),
        ("bytes", lambda t: t.set_column(0, "id", pa.array([b"\xff"] * len(t))), "is declared"),
        ("id", lambda t: t.set_column(0, "id", pa.array(["@ada"] * len(t))), "id is not an id: '@ada' and 25 more"),
        ("link", lambda t: columns.add(t, all_captions=["see https://t.co/x"] * len(t)), "holds a link"),
    ],
)
def test_the_scan_refuses_what_is_private(made, tmp_path, name, change, message):
    folder = shutil.copytree(made / "twigma", tmp_path / "twigma")
    scan(folder)
    path = next((folder / "metadata").glob("*.parquet"))
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(ValueError, match=message):
        scan(folder)


def test_the_scan_refuses_files_that_have_no_place(made, tmp_path):
    folder = shutil.copytree(made / "twigma", tmp_path / "twigma")
    image = releasing.jpeg("001")
    for name in ("twigma.py", "shards/00000.tar", "metadata/embeddings-train-00000-of-00001.parquet", ".hidden"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(image)
        with pytest.raises(ValueError, match="has no place in a release"):
            scan(folder)
        (folder / name).unlink()
    (folder / "link").symlink_to(made)
    with pytest.raises(ValueError, match="has no place in a release"):
        scan(folder)
    (folder / "link").unlink()
    (folder / "README.md").write_bytes(image)
    with pytest.raises(ValueError, match="is not text"):
        scan(folder)
    (folder / "README.md").write_text("![x](data:image/png;base64,AAAA)")
    with pytest.raises(ValueError, match="embedded image"):
        scan(folder)


def test_captions_that_are_the_posts_text_are_not_released(made, work, tmp_path):
    out = shutil.copytree(made / "twigma", tmp_path / "twigma")
    before = releasing.contents(out)
    texts = pq.read_table(work / "images.parquet", columns=["image_name", "text"]).to_pandas().set_index("image_name")
    for part in (work / "columns/caption").glob("*.arrow"):
        names = columns.read_arrow(part)["image_name"].to_pylist()
        copied = [texts["text"].groupby(level=0).first()[name] for name in names]
        columns.write_part(part, pa.table({"image_name": names, "all_captions": copied}), {"model": "leak"})
    with pytest.raises(ValueError, match="captions are the text of their post"):
        release(work, out)
    assert releasing.contents(out) == before and len(list(tmp_path.iterdir())) == 2


def test_no_private_value_is_in_any_byte_of_the_release(made):
    for name, data in releasing.contents(made / "twigma").items():
        assert not re.search(rb"secret words|pbs\.twimg\.com|\xff\xd8\xff", data), name
    for path in (made / "twigma").rglob("*.parquet"):
        for column in pq.read_table(path).columns:
            if pa.types.is_string(column.type):
                assert not {"900", "901", "902", "903"} & set(column.to_pylist())


# ---------------------------------------------------------------- the card


def test_the_header_is_the_schema(made):
    head = yaml.safe_load((made / "twigma/README.md").read_text().split("---")[1])
    infos = {info["config_name"]: info for info in head["dataset_info"]}
    found = datasets.Features._from_yaml_list(infos["metadata"]["features"])
    assert found == columns.features(columns.METADATA)
    vectors = datasets.Features._from_yaml_list(infos["embeddings"]["features"])
    assert vectors["embedding"] == datasets.List(datasets.Value("float16"), length=releasing.DIM)
    assert [config["config_name"] for config in head["configs"]] == ["metadata", "embeddings"]
    assert head["configs"][0]["default"] and "not-for-all-audiences" in head["tags"]
    assert all("splits" not in info for info in infos.values())
    assert head["size_categories"] == ["n<1K"] and head["license"] == "cc-by-4.0"


def test_the_card_states_every_column_and_count(made):
    card = (made / "twigma/README.md").read_text()
    for name in (*columns.METADATA, "embedding"):
        assert columns.COLUMNS[name].doc in card
    assert "| found: photos on posts | 31 |" in card and "| **released** | 26 |" in card
    assert "| left out: duplicate: pixels | -1 |" in card and "$" not in card
    assert "26 images on 25 posts, 2021-01 to 2021-04" in card and "halffloat>[16]" in card


def test_the_datasheet_has_the_numbers_of_the_release(made):
    sheet = (made / "twigma/DATASHEET.md").read_text()
    assert "$" not in sheet and "26 images on 25 posts" in sheet and "Posts are from 2021-01 to 2021-04." in sheet
    assert "| left out: duplicate: pixels | -1 |" in sheet and "| 1.0.0 | 26 |" in sheet
    for part in ("Motivation", "Composition", "Collection", "Preprocessing", "Uses", "Distribution", "Maintenance"):
        assert f"## {part}\n" in sheet


def test_a_new_version_says_what_it_changes_and_carries_the_history(work, tmp_path):
    out = tmp_path / "twigma"
    release(work, out)
    table = pq.read_table(work / "images.parquet")
    likes = [None if i == 3 else n for i, n in enumerate(table["like_count"].to_pylist())]
    columns.write_parquet(work / "images.parquet", columns.add(table, like_count=pa.array(likes, pa.int64())))
    releasing.remove(work, releasing.media_id(5), releasing.media_id(6))
    release(work, out, version="1.1.0")
    release(work, out, version="1.2.0", near_duplicates="keep")
    history = json.loads((out / "MANIFEST.json").read_text())["history"]
    assert history == [
        {"version": "1.2.0", "rows": 25, "added": 1, "removed": 0, "changed": 0},
        {"version": "1.1.0", "rows": 24, "added": 0, "removed": 2, "changed": 1},
        {"version": "1.0.0", "rows": 26},
    ]
    for name in ("README.md", "DATASHEET.md"):
        assert "| 1.1.0 | 24 | 0 | 2 | 1 |" in (out / name).read_text()
    release(work, out, version="1.2.0")
    again = json.loads((out / "MANIFEST.json").read_text())["history"]
    assert again == [{"version": "1.2.0", "rows": 24}, *history[1:]]


def test_the_recipes_of_the_card_run(made):
    card = (made / "twigma/README.md").read_text()
    recipes = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    with_ours = [recipe for recipe in recipes if "work" in recipe]
    recipes = [recipe for recipe in recipes if recipe not in with_ours]
    checks = ["assert len(metadata['train'] if 'train' in metadata else metadata) == 26"]
    checks += ["assert sum(n for _, n in by_month) == 25", "assert vectors.shape == (26, 16)"]
    checks += [
        "assert list(metadata['id'])[0] == '1490000000000000001'",
        "assert 'twigma' not in __import__('sys').modules",
    ]
    assert len(recipes) == 5
    releasing.run(made, "\n".join([*recipes, *checks]))
    checks = [
        "assert first['image'].size == (24, 16) and first['id'].startswith('149')",
        "assert image.size == (24, 16)",
    ]
    checks += ["assert len(pictures) >= 26"]
    checks += ["assert row.id.startswith('149') and sample['__key__'] in rows.index"]
    assert len(with_ours) == 3
    releasing.run(made, "\n".join([*with_ours, *checks]))


def test_croissant_is_valid_and_its_records_load(made):
    code = """
import mlcroissant
dataset = mlcroissant.Dataset(jsonld="twigma/croissant.json")
assert not dataset.metadata.ctx.issues.errors
first = next(iter(dataset.records("metadata")))
assert first["metadata/id"] == b"1490000000000000001" and str(first["metadata/created_at"])[:10] == "2021-01-31"
vectors = list(dataset.records("embeddings"))
assert len(vectors) == 26 and len(vectors[0]["embeddings/embedding"]) == 16
"""
    releasing.run(made, code)
    described = json.loads((made / "twigma/croissant.json").read_text())
    files = [each for each in described["distribution"] if each["@type"] == "cr:FileObject"]
    names = [Path(each["name"]).name for each in files]
    assert len(names) == len(set(names)) == 2
    for each in files:
        assert each["sha256"] == hashlib.sha256((made / "twigma" / each["contentUrl"]).read_bytes()).hexdigest()


def test_months_without_posts_are_zero():
    times = [datetime.datetime(2021, 11, 30, 23, 59), datetime.datetime(2022, 2, 1), datetime.datetime(2022, 2, 2)]
    table = pa.table({"id": ["1", "2", "2"], "created_at": pa.array(times, pa.timestamp("ms")), "source": ["x"] * 3})
    assert posts_per_month(table) == {"2021-11": 1, "2021-12": 0, "2022-01": 0, "2022-02": 1}
    frame = table.to_pandas().drop_duplicates("id").set_index("created_at").resample("MS")["id"].count()
    assert list(posts_per_month(table).values()) == list(frame)
    assert posts_per_month(table.slice(0, 0)) == {}
    facts = Facts("1", table, 0, 0, {}, {}, "drop", "me", "0" * 64)
    assert summary(facts).startswith("3 images on 2 posts, 2021-11 to 2022-02")


def test_size_and_sparkline():
    sizes = {1: "n<1K", 1000: "1K<n<10K", 99_999: "10K<n<100K", 100_000: "100K<n<1M", 5 * 10**9: "100M<n<1B"}
    assert {rows: size_category(rows) for rows in sizes} == sizes
    assert sparkline([0, 0]) == "▁▁" and sparkline([0, 1, 4, 8]) == "▁▂▅█"
