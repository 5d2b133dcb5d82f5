"""The fine-tuning set: who is in it, its files as each trainer reads them, and what it refuses."""

import json
import shutil
import tomllib
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from click.testing import CliRunner
from support import releasing

import twigma
from twigma.builder.finetuning.liked import liked
from twigma.cli import main
from twigma.core import columns
from twigma.core.files import file_sha256, write_parquet
from twigma.core.workspace import Workspace

ALL = {"quantile": 0.0, "nsfw_threshold": 1.0, "acknowledge_x_terms": True}


@pytest.fixture(scope="module")
def made(made, tmp_path_factory):
    """The shared folder, copied, since its images are read here and so get their index."""
    return shutil.copytree(made, tmp_path_factory.mktemp("own") / "made")


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory):
    """A set of liked images with tars; not to be changed."""
    out = tmp_path_factory.mktemp("set") / "liked"
    liked(made / "work", out, **ALL, webdataset=True)
    return out


def rows(folder: Path, split: str = "train") -> list[dict]:
    return [
        json.loads(line)
        for line in (folder / split / "metadata.jsonl").read_text().splitlines()
    ]


def test_every_row_is_in_a_split_or_has_one_reason(made, tmp_path):
    found = liked(made / "work", tmp_path / "liked", **ALL)
    assert sum(found.splits.values()) + sum(found.dropped.values()) == len(
        pq.read_table(made / "work/images.parquet")
    )
    assert found.dropped["marked as possibly sensitive"] == len(
        {0, 7, 14, 21, 28, 30} - {7}
    )  # 7 was not fetched
    assert found.dropped["likes not known"] == len(
        {5, 10, 15, 20, 25} - {10}
    )  # 10 is a duplicate
    assert found.dropped["duplicate: near"] == found.dropped["duplicate: pixels"] == 1


def test_the_gates_hold_for_every_image(made, folder):
    work = made / "work"
    table = (
        Workspace(work)
        .table("caption", "nsfw", "dedupe")
        .to_pandas()
        .set_index("image_name")
    )
    for row in rows(folder):
        source = table.loc[[row["image_name"]]].iloc[0]
        assert not source["possibly_sensitive"] and source["duplicate_of"] is None
        assert (
            row["text"] == source["all_captions"]
            and row["like_count"] == source["like_count"]
        )


def test_nothing_from_x_without_acknowledging_its_terms(made, tmp_path):
    with pytest.raises(
        ValueError, match=r"terms were not acknowledged.*forbids.*--acknowledge-x-terms"
    ):
        liked(made / "work", tmp_path / "liked", **ALL | {"acknowledge_x_terms": False})
    assert not (tmp_path / "liked").exists()


def test_images_of_your_own_need_no_acknowledgement(tmp_path):
    work = releasing.make_work(tmp_path / "work", local=True)
    table = pq.read_table(work / "images.parquet")
    likes = pa.array(range(len(table)), pa.int64())
    write_parquet(work / "images.parquet", columns.add(table, like_count=likes))
    found = liked(work, tmp_path / "liked", **ALL | {"acknowledge_x_terms": False})
    assert sum(found.splits.values()) > 20


def test_pictures_are_the_stored_bytes_with_the_caption_beside(made, folder):
    for row in rows(folder):
        picture = folder / "train" / row["file_name"]
        assert picture.read_bytes() == releasing.jpeg(row["image_name"])
        assert picture.with_suffix(".txt").read_text() == row["text"] + "\n"


def test_datasets_reads_it_by_folder_and_by_name_alike(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder.parent)
    cache = {"split": "train", "cache_dir": str(tmp_path)}
    by_folder = datasets.load_dataset("./liked", **cache)
    by_name = datasets.load_dataset("twigma", "liked", **cache)
    stream = list(
        datasets.load_dataset("twigma", "liked", split="train", streaming=True)
    )
    images = datasets.load_dataset(
        "imagefolder", data_files={"train": str(folder / "train" / "**")}, **cache
    )
    key = "image_name"
    expected = {row[key]: row for row in rows(folder)}
    for found in (by_folder, by_name, stream, images):
        assert {row[key]: (row["text"], row["like_count"]) for row in found} == {
            name: (row["text"], row["like_count"]) for name, row in expected.items()
        }
    pixels = {row[key]: np.asarray(row["image"]) for row in by_folder}
    assert all((np.asarray(row["image"]) == pixels[row[key]]).all() for row in by_name)


def test_kohya_finds_every_picture_and_its_caption(folder):
    config = tomllib.loads((folder / "kohya.toml").read_text())
    found = []
    for subset in config["datasets"][0]["subsets"]:
        pictures = [
            p
            for p in (folder.parent / subset["image_dir"]).iterdir()
            if p.suffix in (".jpg", ".png", ".webp")
        ]
        assert all(
            p.with_suffix(config["general"]["caption_extension"]).exists()
            for p in pictures
        )
        found += [p.stem for p in pictures]
    assert sorted(found) == sorted(row["image_name"] for row in rows(folder))


@pytest.mark.filterwarnings(
    "ignore:unclosed file"
)  # webdataset leaves the last tar to the garbage collector
def test_webdataset_reads_the_tars(folder):
    tars = sorted(str(path) for path in (folder / "webdataset").glob("train-*.tar"))
    found = {
        sample["__key__"]: (
            sample["jpg"],
            sample["txt"].decode(),
            json.loads(sample["json"])["like_count"],
        )
        for sample in webdataset.WebDataset(tars, shardshuffle=False)
    }
    expected = {
        r["image_name"]: (releasing.jpeg(r["image_name"]), r["text"], r["like_count"])
        for r in rows(folder)
    }
    assert found == expected


def test_the_manifest_names_every_file_and_equal_input_gives_equal_bytes(
    made, folder, tmp_path
):
    manifest = twigma.read_liked(folder)
    files = {
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
    } - {"MANIFEST.json"}
    assert {name: facts["sha256"] for name, facts in manifest["files"].items()} == {
        name: file_sha256(folder / name) for name in files
    }
    again = liked(made / "work", tmp_path / "liked", **ALL, webdataset=True)
    assert again.sha256 == file_sha256(folder / "MANIFEST.json")
    assert releasing.contents(tmp_path / "liked") == releasing.contents(folder)


def test_a_set_that_stands_there_is_left_and_one_from_other_settings_replaced(
    made, tmp_path
):
    out = tmp_path / "liked"
    first = liked(made / "work", out, **ALL)
    before = (out / "MANIFEST.json").stat().st_mtime_ns
    assert liked(made / "work", out, **ALL) == first
    assert (out / "MANIFEST.json").stat().st_mtime_ns == before
    assert liked(made / "work", out, **ALL | {"quantile": 0.5}).sha256 != first.sha256


def test_a_picture_no_trainer_opens_becomes_png(work, tmp_path):
    from PIL import Image
    from support.staging import encode, make_shard

    shutil.rmtree(work / "shards")
    names = set(pq.read_table(work / "images.parquet")["image_name"].to_pylist()) - {
        releasing.media_id(7)
    }
    make_shard(
        work,
        "00000",
        {name: encode(Image.new("RGB", (8, 8), (9, 99, 199)), "GIF") for name in names},
    )
    out = tmp_path / "liked"
    liked(work, out, **ALL)
    first = Image.open(out / "train" / rows(out)[0]["file_name"])
    assert first.format == "PNG" and first.convert("RGB").getpixel((3, 3)) == (
        9,
        99,
        199,
    )


def test_a_folder_of_something_else_and_wrong_options_are_refused(made, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="not a set of liked images"):
        liked(made / "work", tmp_path / "mine", **ALL)
    for wrong in ({"quantile": 1.0}, {"per_author": 0}, {"nsfw_threshold": 2.0}):
        with pytest.raises(ValueError, match="expected"):
            liked(made / "work", tmp_path / "liked", **ALL | wrong)
    with pytest.raises(ValueError, match="not a set of liked images"):
        twigma.load_dataset("liked", liked=str(tmp_path / "mine"))


def test_the_command_says_where_every_row_went_and_why_x_is_barred(made, tmp_path):
    words = [
        "liked",
        "--work",
        str(made / "work"),
        "--out",
        str(tmp_path / "liked"),
        "--nsfw-threshold",
        "1",
    ]
    barred = CliRunner().invoke(main, words)
    assert barred.exit_code == 1 and "--acknowledge-x-terms" in barred.stderr
    done = CliRunner().invoke(
        main, [*words, "--acknowledge-x-terms", "--quantile", "0"]
    )
    assert done.exit_code == 0, done.output
    assert "left out: likes not known" in done.output and "train" in done.output
