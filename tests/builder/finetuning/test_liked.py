"""The fine-tuning set: who is in it, its files as each trainer reads them, and what it refuses."""

import io
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


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A set of sixty images added by hand, all of them, with every split and tars; not to be changed."""
    place = tmp_path_factory.mktemp("whole")
    work = releasing.make_work(place / "work", posts=60, local=True)
    liked(work, place / "liked", everything=True, nsfw_threshold=1.0, webdataset=True)
    return place / "liked"


def rows(folder: Path, split: str = "train") -> list[dict]:
    return pq.read_table(folder / split / "metadata.parquet").to_pylist()


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


@pytest.fixture
def own(tmp_path):
    """A working folder of images added by hand: no likes, no dates, a text beside each but the first."""
    work = releasing.make_work(tmp_path / "work", local=True)
    path = work / "images.parquet"
    table = pq.read_table(path)
    texts = [None, *(f"  my\n picture {row} " for row in range(1, len(table)))]
    write_parquet(path, columns.add(table, text=pa.array(texts, pa.string())))
    return work


def test_images_of_your_own_need_no_acknowledgement(own, tmp_path):
    table = pq.read_table(own / "images.parquet")
    likes = pa.array(range(len(table)), pa.int64())
    write_parquet(own / "images.parquet", columns.add(table, like_count=likes))
    options = ALL | {"acknowledge_x_terms": False}
    made = liked(own, tmp_path / "liked", **options)
    assert sum(made.splits.values()) > 20
    assert made.dropped["no likes"] == 1


def test_all_takes_images_without_likes_and_x_alone_needs_the_acknowledgement(
    own, tmp_path
):
    options = {"nsfw_threshold": 1.0, "everything": True}
    with pytest.raises(ValueError, match=r"31 likes not known.*taken with --all"):
        liked(own, tmp_path / "liked", nsfw_threshold=1.0)
    made = liked(own, tmp_path / "liked", **options)
    assert not made.shares and "likes not known" not in made.dropped
    assert sum(made.splits.values()) == len(pq.read_table(own / "images.parquet"))
    path = own / "images.parquet"
    table = pq.read_table(path)
    sources = ["x"] * 5 + ["local"] * (len(table) - 5)
    write_parquet(path, columns.add(table, source=pa.array(sources)))
    made = liked(own, tmp_path / "liked", **options)
    assert made.dropped["from X, whose terms were not acknowledged"] == 5
    names = {row["image_name"] for row in rows(tmp_path / "liked")}
    assert names and not names & {"1", "2", "3", "4", "5"}
    data = datasets.load_dataset(
        str(tmp_path / "liked"), cache_dir=str(tmp_path / "cache")
    )
    assert data["train"]["like_count"][:2] == [None, None]
    title = (tmp_path / "liked/README.md").read_text().split("---\n")[2]
    assert title.startswith("# Images for fine-tuning\n")
    assert "twigma liked --all" in title and "Was the comparison fair" not in title


def test_captions_are_the_text_that_was_asked_for_after_the_trigger_word(own, tmp_path):
    shutil.rmtree(own / "columns/caption")  # BLIP need not run
    options = {"nsfw_threshold": 1.0, "everything": True}
    made = liked(own, tmp_path / "a", **options, captions="text", trigger="mystyle")
    assert made.dropped["no text"] == 1
    for row in rows(tmp_path / "a"):
        assert row["text"] == f"mystyle, my picture {int(row['image_name']) - 1}"
    with pytest.raises(
        ValueError, match=r"--captions prompt: no image .* has a prompt"
    ):
        liked(own, tmp_path / "b", **options, captions="prompt")
    path = own / "images.parquet"
    table = pq.read_table(path)
    prompts = pa.array([f"prompt {row}" for row in range(len(table))])
    write_parquet(path, table.append_column("prompt", prompts))
    liked(own, tmp_path / "b", **options, captions="prompt")
    assert all(row["text"].startswith("prompt ") for row in rows(tmp_path / "b"))
    assert "Captions are the prompts" in (tmp_path / "b/README.md").read_text()


def test_small_and_narrow_images_are_left_out(made, tmp_path):
    out = tmp_path / "liked"
    every = liked(made / "work", out, **ALL)
    names = {row["image_name"] for row in rows(out)}
    same = liked(made / "work", out, **ALL, min_side=16, max_aspect=1.5)
    assert same.splits == every.splits
    assert {row["image_name"] for row in rows(out)} == names  # 24 x 16 px, all of them
    # The images without likes have a shape as well.
    total = sum(every.splits.values()) + every.dropped["likes not known"]
    for options, reason in (
        ({"min_side": 17}, f"{total} a side under 17 px"),
        ({"max_aspect": 1.4}, f"{total} sides further apart than 1.4 to 1"),
    ):
        with pytest.raises(ValueError, match=reason):
            liked(made / "work", out, **ALL, **options)


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


@pytest.mark.parametrize("path", ["liked", "liked/train", "imagefolder"])
def test_datasets_reads_a_folder_wherever_it_is_given(path, whole, tmp_path):
    """The whole set and one split, by their README.md; and a split without it, as diffusers' scripts do."""
    cache = {"cache_dir": str(tmp_path)}
    if path == "imagefolder":
        data = datasets.load_dataset(
            "imagefolder", data_dir=str(whole / "train"), **cache
        )
    else:
        data = datasets.load_dataset(str(whole.parent / path), **cache)
    expected = {row["image_name"]: row["text"] for row in rows(whole)}
    found = {row["image_name"]: row["text"] for row in data["train"]}
    assert found == expected
    assert data["train"].features["image"] == datasets.Image()
    if path == "liked":
        for split in ("validation", "test"):
            assert len(data[split]) == len(rows(whole, split)) > 0
    splits = datasets.load_dataset("imagefolder", data_dir=str(whole), **cache)
    counts = {split: len(splits[split]) for split in splits}
    assert counts == twigma.read_liked(whole)["splits"]


@pytest.mark.filterwarnings("ignore:unclosed file")
def test_every_reader_finds_as_many_images(whole, tmp_path):
    counts = twigma.read_liked(whole)["splits"]
    assert sum(counts.values()) == 61 and min(counts.values()) >= 5
    for split, count in counts.items():
        tars = [str(path) for path in (whole / "webdataset").glob(f"{split}-*.tar")]
        assert len(list(webdataset.WebDataset(tars, shardshuffle=False))) == count
        data = twigma.load_dataset(
            "liked", liked=str(whole), split=split, cache_dir=str(tmp_path)
        )
        assert len(data) == count
        assert len(list((whole / split).glob("*.jpg"))) == count
        assert len(list((whole / split).glob("*.txt"))) == count


def test_a_split_is_one_flat_folder_of_pictures_and_their_captions(whole):
    for split in ("train", "validation", "test"):
        names = {path.name for path in (whole / split).iterdir()}
        listed = set()
        for row in rows(whole, split):
            picture = Path(row["file_name"])
            assert picture.parent == Path()
            listed |= {picture.name, picture.with_suffix(".txt").name}
        assert names == listed | {"metadata.parquet", "README.md"}


def test_no_file_of_the_set_has_a_path_of_this_machine(folder):
    for name in ("README.md", "kohya.toml", "kohya.jsonl", "train/README.md"):
        assert str(folder.parent) not in (folder / name).read_text()


def test_what_kohya_is_given(folder, made, tmp_path):
    arguments = tomllib.loads((folder / "kohya.toml").read_text())
    assert arguments["resolution"] == "1024,1024" and arguments["enable_bucket"]
    assert arguments["dataset_repeats"] == 1
    lines = (folder / "kohya.jsonl").read_text().splitlines()
    listed = [json.loads(line) for line in lines]
    assert [each["image_path"] for each in listed] == [
        row["file_name"] for row in rows(folder)
    ]
    assert [each["caption"] for each in listed] == [row["text"] for row in rows(folder)]
    assert {tuple(each["image_size"]) for each in listed} == {(24, 16)}
    out = tmp_path / "liked"
    liked(made / "work", out, **ALL, resolution=512, repeats=7)
    arguments = tomllib.loads((out / "kohya.toml").read_text())
    assert arguments["resolution"] == "512,512" and arguments["dataset_repeats"] == 7
    assert (arguments["min_bucket_reso"], arguments["max_bucket_reso"]) == (128, 1024)
    readme = (out / "README.md").read_text()
    assert "--resolution 512" in readme and "num_repeats: 7" in readme


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
    for wrong in (
        {"quantile": 1.0},
        {"per_author": 0},
        {"nsfw_threshold": 2.0},
        {"captions": "tags"},
        {"trigger": "two\nlines"},
        {"min_side": -1},
        {"max_aspect": 0.5},
        {"resolution": 500},
        {"repeats": 0},
    ):
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
    assert (
        "share chosen: " in done.output and "in the tenths by followers" in done.output
    )
    both = CliRunner().invoke(main, [*words, "--all", "--quantile", "0.5"])
    assert both.exit_code == 2 and "--quantile compares likes" in both.stderr


def test_the_manifest_has_the_settings_and_the_share_of_every_stratum(folder):
    manifest = twigma.read_liked(folder)
    assert manifest["settings"]["quantile"] == 0 and manifest["settings"]["webdataset"]
    shares = manifest["shares"]
    assert sum(each["written"] for each in shares) == sum(manifest["splits"].values())
    for each in shares:
        assert each["share"] == round(each["chosen"] / each["images"], 4)
    readme = (folder / "README.md").read_text()
    assert "## Was the comparison fair?" in readme
    assert f"{shares[0]['chosen']} of {shares[0]['images']}" in readme


def test_a_picture_that_exif_turns_is_written_upright(work, tmp_path):
    """Trainers ignore EXIF."""
    from PIL import Image
    from support.staging import make_shard

    picture = Image.new("RGB", (16, 8), (200, 0, 0))
    picture.paste((0, 0, 200), (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95, exif=exif)
    shutil.rmtree(work / "shards")
    names = set(pq.read_table(work / "images.parquet")["image_name"].to_pylist())
    names -= {releasing.media_id(7)}
    make_shard(work, "00000", dict.fromkeys(names, buffer.getvalue()))
    out = tmp_path / "liked"
    liked(work, out, **ALL)
    written = Image.open(out / "train" / rows(out)[0]["file_name"])
    assert written.size == (8, 16) and not written.getexif()
    red, _, blue = written.convert("RGB").getpixel((4, 2))
    assert blue > red
    line = json.loads((out / "kohya.jsonl").read_text().splitlines()[0])
    assert line["image_size"] == [8, 16]


@pytest.mark.filterwarnings("ignore:unclosed file")
def test_webdataset_reads_names_with_dots_and_long_ones(tmp_path):
    from twigma.builder.finetuning.trainer_files import TrainingImage, write_tars

    names = ["tar.7.key", "tar.7.other", "n" * 150]
    images = []
    (tmp_path / "train").mkdir()
    for name in names:
        images.append(TrainingImage(name, "train", "words", 3, f"{name}.jpg", 24, 16))
        (tmp_path / "train" / f"{name}.jpg").write_bytes(releasing.jpeg("123"))
    write_tars(tmp_path, images)
    tar = str(tmp_path / "webdataset/train-00000.tar")
    samples = list(webdataset.WebDataset([tar], shardshuffle=False))
    assert [json.loads(each["json"])["image_name"] for each in samples] == names
    assert {each["txt"] for each in samples} == {b"words"}
    assert {each["jpg"] for each in samples} == {releasing.jpeg("123")}
