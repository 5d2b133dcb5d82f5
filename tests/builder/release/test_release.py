"""The release: who is in it and why others are not, its bytes, and what it refuses."""

import hashlib
import json
import re
import shutil
import threading
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import releasing

from twigma.builder.release import earlier_release, privacy_check, provenance
from twigma.builder.release import manifest as manifest_module
from twigma.builder.release.provenance import REVISION, stage_settings
from twigma.builder.release.release import release
from twigma.core import columns
from twigma.core.parts import read_part, read_provenance, write_part
from twigma.core.workspace import Workspace

OUT = {
    "duplicate: media_id": 1,
    "duplicate: near": 1,
    "duplicate: pixels": 1,
    "not decodable": 1,
}


def metadata(folder: Path) -> pd.DataFrame:
    return releasing.read(folder).to_pandas()


def test_every_row_is_released_or_has_one_reason(made):
    found = release(made / "work", made / "twigma")
    assert found.dropped == OUT | {"not fetched: gone": 1}
    assert found.rows == 31 == found.released + sum(found.dropped.values())
    assert (found.released, found.posts, found.embeddings) == (26, 25, 26)
    assert list(found.by_reason())[:2] == ["found", "not fetched: gone"]
    gone = {releasing.media_id(i) for i in (7, 8, 9, 10, 11)}
    expected = {releasing.media_id(i) for i in range(31)} - gone
    assert set(metadata(made / "twigma")["image_name"]) == expected


def test_pages_that_brought_no_posts_are_not_among_the_sources(work, tmp_path):
    """Counts before a search, and authors bought by themselves."""
    for kind in ("counts", "users", "search"):
        page = Workspace(work).page_file(kind)
        page.parent.mkdir(exist_ok=True)
        page.write_text("")
    release(work, tmp_path / "twigma")
    card = (tmp_path / "twigma/README.md").read_text("utf-8")
    assert "were found by a search for hashtags" in card


def test_rows_are_as_they_were_and_in_order(made):
    source = (
        pq.read_table(made / "work/images.parquet").to_pandas().set_index("image_name")
    )
    found = metadata(made / "twigma")
    assert list(found) == list(columns.METADATA)
    keys = list(zip(found["created_at"], found["id"], found["image_name"], strict=True))
    assert keys == sorted(keys)
    for name in ("id", "created_at", "like_count", "possibly_sensitive"):
        expected = source.groupby(level=0).first().loc[found["image_name"], name]
        pd.testing.assert_series_equal(
            found[name], expected.reset_index(drop=True), check_dtype=False
        )
    assert (found["all_captions"] == "a picture of " + found["image_name"]).all()
    assert (found["width"] == 24).all() and (found["height"] == 16).all()


def test_embeddings_are_bit_equal_and_in_the_same_order(made):
    parts = pa.concat_tables(
        [read_part(p) for p in sorted((made / "work/columns/embed").glob("*"))]
    )
    of = dict(
        zip(
            parts["image_name"].to_pylist(), parts["embedding"].to_pylist(), strict=True
        )
    )
    found = releasing.read(made / "twigma", "embeddings")
    assert found["image_name"].to_pylist() == list(
        metadata(made / "twigma")["image_name"]
    )
    assert found["embedding"].to_pylist() == [
        of[name] for name in found["image_name"].to_pylist()
    ]
    assert found.schema.field("embedding").type == pa.list_(pa.float16(), releasing.DIM)
    assert found["embedding"].null_count == 0


def test_parquet_is_written_for_the_hub(made):
    for config, codecs in (
        ("metadata", {"PLAIN", "RLE"}),
        ("embeddings", {"PLAIN", "RLE"}),
    ):
        path = next((made / "twigma").glob(f"{config}-*.parquet"))
        assert re.fullmatch(rf"{config}-train-00000-of-00001\.parquet", path.name)
        group = pq.ParquetFile(path).metadata.row_group(0)
        for at in range(group.num_columns):
            column = group.column(at)
            assert column.compression == "ZSTD" and column.has_offset_index
            if config == "embeddings":
                assert (
                    not column.has_dictionary_page and set(column.encodings) <= codecs
                )


def test_the_manifest_says_what_is_there(made):
    folder = made / "twigma"
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    found = releasing.contents(folder)
    assert set(found) == {*manifest["files"], "MANIFEST.json"}
    for name, facts in manifest["files"].items():
        assert facts["sha256"] == hashlib.sha256(found[name]).hexdigest() and facts[
            "bytes"
        ] == len(found[name])
        if name.endswith(".parquet"):
            assert facts["rows"] == 26
    assert manifest["models"]["embed"] == {"model": "tiny", "revision": "abc"}
    assert manifest["counts"]["released"] == 26
    assert not re.search(rb"20\d\d-\d\d-\d\dT|secret|author", found["MANIFEST.json"])


def test_equal_input_gives_equal_bytes_and_is_left_alone(made, work, tmp_path):
    release(work, tmp_path / "twigma")
    assert releasing.contents(tmp_path / "twigma") == releasing.contents(
        made / "twigma"
    )
    before = (tmp_path / "twigma").stat().st_ino
    again = release(work, tmp_path / "twigma")
    assert (
        not again.written
        and again.by_reason() == release(made / "work", made / "twigma").by_reason()
    )
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
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "twigma",
        "work",
    ]  # nothing private is left


def test_another_revision_of_the_code_writes_the_release_again(
    work, tmp_path, monkeypatch, caplog
):
    """As a stricter privacy check needs it: "up to date" would let pass what it refuses."""
    out = tmp_path / "twigma"
    release(work, out)
    assert json.loads((out / "MANIFEST.json").read_text())["revision"] == REVISION
    for module in (provenance, earlier_release, manifest_module):
        monkeypatch.setattr(module, "REVISION", REVISION + 1)
    monkeypatch.setattr(privacy_check, "LINK", "a picture of")
    with pytest.raises(ValueError, match="a caption holds a link"):
        release(work, out)
    monkeypatch.undo()
    assert not release(work, out).written
    for module in (provenance, earlier_release, manifest_module):
        monkeypatch.setattr(module, "REVISION", REVISION + 1)
    caplog.clear()
    assert release(work, out).written
    assert f"revision {REVISION} of the release, this is revision" in caplog.text
    assert not release(work, out).written


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
        with pytest.raises(
            ValueError, match=r"not a TWIGMA release.*; it is left as it is"
        ):
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


def test_a_file_saved_while_the_release_is_made_stays(work, tmp_path):
    out = tmp_path / "twigma"
    release(work, out)
    done = threading.Event()

    def save():
        """Wait for the new folder that is made beside, then save into the old one."""
        while not list(tmp_path.glob(".twigma.*/new/*")):
            if done.wait(0.0005):
                return
        (out / "thesis.txt").write_text("mine")

    saver = threading.Thread(target=save)
    saver.start()
    release(work, out, version="1.1.0")
    done.set()
    saver.join()
    assert (out / "thesis.txt").read_text() == "mine"
    assert "Version 1.1.0" in (out / "README.md").read_text()
    (out / "thesis.txt").unlink()
    assert release(work, out, version="1.2.0").written


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
    assert (
        strict.released + sum(strict.dropped.values()) == 31
        and strict.dropped["nsfw_score above 0.5"] > 3
    )


def test_of_several_reasons_the_first_counts(work, tmp_path):
    """Photo 7 was not fetched, 8 has no embedding, 9 and 10 repeat others, and each has all later reasons as well."""
    several = [releasing.media_id(i) for i in (7, 8, 9, 10)]
    part = work / "columns/dedupe/part.arrow"
    table = read_part(part).replace_schema_metadata()
    pairs = zip(
        table["image_name"].to_pylist(),
        table["duplicate_reason"].to_pylist(),
        strict=True,
    )
    reasons = ["near" if name in several else reason for name, reason in pairs]
    write_part(
        part, columns.add(table, duplicate_reason=pa.array(reasons, pa.string())), {}
    )
    sensitive = {*several, releasing.media_id(12)}
    for part in (work / "columns/nsfw").glob("*.arrow"):
        names = read_part(part)["image_name"].to_pylist()
        scores = pa.array(
            [0.9 if name in sensitive else 0.1 for name in names], pa.float32()
        )
        write_part(
            part,
            pa.table({"image_name": names, "nsfw_score": scores}),
            {"model": "detector"},
        )
    releasing.remove(work, several[0])
    assert release(work, tmp_path / "first", nsfw_threshold=0.5).dropped == {
        "removed on request": 1, "not decodable": 1, "duplicate: media_id": 1, "duplicate: near": 2,
        "nsfw_score above 0.5": 1,
    }  # fmt: skip
    releasing.remove(work, several[2])
    found = release(work, tmp_path / "second", nsfw_threshold=0.5).dropped
    assert list(found.items()) == [
        ("removed on request", 1), ("not fetched: gone", 1), ("not decodable", 1), ("duplicate: media_id", 1),
        ("duplicate: near", 1), ("nsfw_score above 0.5", 1),
    ]  # fmt: skip


def test_a_removed_row_leaves_most_bytes_as_they_were(tmp_path, monkeypatch):
    """So the Hub sends little: content-defined chunks begin and end where the values say, not where rows count."""
    monkeypatch.setattr(releasing, "DIM", 768)
    work = releasing.make_work(tmp_path / "work", posts=3000)
    release(work, tmp_path / "before")
    releasing.remove(work, releasing.media_id(20))
    release(work, tmp_path / "after")
    before, after = (_bytes(tmp_path / name) for name in ("before", "after"))
    blocks = [before[at : at + 4096] for at in range(0, len(before), 4096)]
    kept = sum(block in after for block in blocks)
    assert kept > 0.5 * len(blocks)


def _bytes(folder):
    return next(folder.glob("embeddings-*.parquet")).read_bytes()


def test_removals_are_left_out_and_listed(work, tmp_path):
    post, image = str(releasing.FIRST + 2), releasing.media_id(20)
    releasing.remove(work, post, image, "77")
    found = release(work, tmp_path / "twigma")
    assert found.dropped["removed on request"] == 2 and found.released == 24
    table = metadata(tmp_path / "twigma")
    assert post not in set(table["id"]) and image not in set(table["image_name"])
    assert (
        image
        not in releasing.read(tmp_path / "twigma", "embeddings")[
            "image_name"
        ].to_pylist()
    )
    lines = (tmp_path / "twigma/removals.txt").read_text().splitlines()
    heading, listed = (
        [line for line in lines if line.startswith("#")],
        [line for line in lines if line[0] != "#"],
    )
    assert (
        heading[-1] == "# salt: s"
        and "2**15" in "".join(heading)
        and "earlier release" in "".join(heading)
    )
    fast = [
        hashlib.sha256(f"s{name}".encode()).hexdigest() for name in (post, image, "77")
    ]
    slow = [
        hashlib.scrypt(
            one.encode(), salt=b"s", n=2**15, r=8, p=1, maxmem=2**26, dklen=32
        ).hex()
        for one in fast
    ]
    assert listed == sorted(slow) and not set(listed) & set(fast)
    (work / "removed.json").write_text("{")
    with pytest.raises(ValueError, match=r"removed\.json is damaged"):
        release(work, tmp_path / "twigma")


def test_a_version_below_the_last_one_is_named(work, tmp_path, capsys):
    out = tmp_path / "twigma"
    release(work, out, version="1.9.0")
    release(work, out, version="1.10.0")
    assert "was version" not in capsys.readouterr().err
    release(work, out)
    assert "twigma was version 1.10.0, and becomes version 1.0.0" in (
        capsys.readouterr().err
    )
    before = releasing.contents(out)
    with pytest.raises(
        ValueError, match=r"1\.9\.0 was an earlier version: name a new one"
    ):
        release(work, out, version="1.9.0")
    assert releasing.contents(out) == before


def test_stages_may_be_left_out_but_not_forgotten(work, tmp_path):
    shutil.rmtree(work / "columns/cluster")
    with pytest.raises(FileNotFoundError, match="run `twigma cluster`"):
        release(work, tmp_path / "twigma")
    release(work, tmp_path / "twigma", without=["cluster", "embed"])
    table = releasing.read(tmp_path / "twigma")
    assert (
        table["UMAP_dim_1"].null_count == len(table) == 27
    )  # without embeddings nobody knows what has none
    assert not list((tmp_path / "twigma").glob("embeddings*"))
    assert (
        "embeddings" not in (tmp_path / "twigma/README.md").read_text().split("---")[1]
    )
    shutil.rmtree(work / "columns/dedupe")
    with pytest.raises(FileNotFoundError, match="run `twigma dedupe`"):
        release(work, tmp_path / "twigma", without=["cluster"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"without": ["dedupe"]}, "found .'dedupe'."),
        ({"version": ""}, "as 1.1.0, found ''"),
        ({"version": "banana"}, "found 'banana'"),
        ({"version": "1.0.0\n"}, "found '1.0.0"),
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
        table, mark = read_part(part).replace_schema_metadata(), read_provenance(part)
        write_part(part, table.slice(3), mark)
        with pytest.raises(
            ValueError,
            match=f"columns/{stage} is incomplete: 3 of .*run `twigma {stage}` again",
        ):
            release(work, tmp_path / "twigma")
        write_part(part, table, mark)
    write_part(part, table, {"model": "another"})
    with pytest.raises(ValueError, match="mixes two models: another in"):
        release(work, tmp_path / "twigma")
    assert not (tmp_path / "twigma").exists()


def test_an_image_on_two_rows_asks_for_dedupe(work, tmp_path):
    part = work / "columns/dedupe/part.arrow"
    table = read_part(part).replace_schema_metadata()
    clean = columns.add(table, duplicate_reason=pa.nulls(len(table), pa.string()))
    write_part(part, clean, {})
    with pytest.raises(ValueError, match="are on several rows: run `twigma dedupe`"):
        release(work, tmp_path / "twigma")


def test_a_model_in_a_folder_is_named_without_its_path(tmp_path):
    write_part(
        Workspace(tmp_path).part("embed", "a"),
        pa.table({}),
        {"model": "/home/ada/tiny-clip", "shard": "1", "images": "f00d"},
    )
    assert stage_settings(Workspace(tmp_path), "embed") == {"model": "tiny-clip"}


def test_images_added_by_hand_stand_on_no_post(tmp_path):
    releasing.make_work(tmp_path / "work", local=True)
    found = release(tmp_path / "work", tmp_path / "twigma")
    assert (found.released, found.posts, found.dropped) == (31, 0, {})
    table = releasing.read(tmp_path / "twigma")
    assert table.schema.equals(columns.schema(columns.METADATA))
    assert table["id"].to_pylist() == table["image_name"].to_pylist()
    assert table["created_at"].null_count == table["like_count"].null_count == 31
    assert set(table["source"].to_pylist()) == {"local"}
    rows = datasets.load_dataset(
        str(tmp_path / "twigma"), split="train", cache_dir=tmp_path / "cache"
    )
    assert len(rows) == 31 and rows.features["id"].dtype == "string"
    assert "No row has a date" in (tmp_path / "twigma/README.md").read_text()


def test_nothing_left_is_an_error(work, tmp_path):
    releasing.remove(work, *(str(releasing.FIRST + i) for i in range(30)))
    with pytest.raises(ValueError, match=r"no row of .* is left"):
        release(work, tmp_path / "twigma")
