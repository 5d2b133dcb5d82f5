"""Own images with likes, from what a download tool wrote beside them, become a fine-tuning set."""

import io
import json
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
from click.testing import CliRunner
from PIL import Image
from support.worlds import photo

from twigma.builder.finetuning.liked import liked
from twigma.builder.finetuning.trainer_files import TrainingImage, write_tars
from twigma.cli import main
from twigma.core.parts import write_part
from twigma.core.workspace import Workspace
from twigma.rehydrate.sources.own_files.add_images import add_tars

COUNT = 40
DIM = 8


def add_downloads(work: Path, folder: Path, unliked_from: str = "3000") -> list[str]:
    """Pictures as gallery-dl stores them, each liked as often as its number; the names of the images.

    Those of a later date than `unliked_from` have no likes.
    """
    folder.mkdir()
    for number in range(COUNT):
        name = f"{number:03}.jpg"
        (folder / name).write_bytes(photo(number))
        post = {
            "date": f"2022-08-{1 + number % 28:02} 12:00:00",
            "author": {"id": number, "name": f"painter{number}"},
            "content": f"picture {number}",
            "favorite_count": number,
        }
        if post["date"] > unliked_from:
            del post["favorite_count"]
        (folder / f"{name}.json").write_text(json.dumps(post))
    add_tars(work, [folder])
    return list(Workspace(work).table()["image_name"].to_pylist())


def write_stages(work: Workspace, names: list[str]) -> None:
    """The parts of the stages that `liked` reads."""
    rng = np.random.default_rng(0)
    vectors = list(rng.normal(size=(len(names), DIM)).astype(np.float16))
    parts = {
        "embed": {"embedding": pa.array(vectors, pa.list_(pa.float16(), DIM))},
        "nsfw": {"nsfw_score": pa.array([0.0] * len(names), pa.float32())},
        "dedupe": {
            "id": names,
            "duplicate_of": pa.nulls(len(names), pa.string()),
            "duplicate_reason": pa.nulls(len(names), pa.string()),
        },
    }
    for stage, values in parts.items():
        table = pa.table({"image_name": names, **values})
        write_part(work.part(stage, "00000"), table, {"model": "tiny"})


def test_own_images_can_be_liked(tmp_path: Path) -> None:
    work = Workspace(tmp_path / "work")
    names = add_downloads(work.path, tmp_path / "downloads")
    write_stages(work, names)
    made = liked(work, tmp_path / "liked", quantile=0.8, captions="text")
    chosen = [path.stem for path in (tmp_path / "liked").rglob("*.jpg")]
    assert len(chosen) == sum(made.splits.values()) == COUNT // 5
    # From a month of posts by authors with as many followers: those with most likes.
    assert sorted(chosen) == [f"{number:03}" for number in range(32, 40)]
    text = next((tmp_path / "liked").rglob("039.txt")).read_text()
    assert text.strip() == "picture 39"


def test_datasets_reads_a_set_of_which_one_split_has_no_likes(tmp_path: Path) -> None:
    work = Workspace(tmp_path / "work")
    write_stages(work, add_downloads(work.path, tmp_path / "downloads", "2022-08-15"))
    out = tmp_path / "liked"
    made = liked(work, out, everything=True, captions="text")
    cache = str(tmp_path / "cache")
    for data in (
        datasets.load_dataset(str(out), cache_dir=cache),
        datasets.load_dataset("imagefolder", data_dir=str(out), cache_dir=cache),
    ):
        assert {split: len(data[split]) for split in data} == made.splits
        assert set(data["test"]["like_count"]) == {None}
        assert set(data["train"]["like_count"]) > {30, 31, None}
        assert len({str(data[split].features) for split in data}) == 1


def test_followers_that_are_not_known_are_not_spoken_of(tmp_path: Path) -> None:
    work = Workspace(tmp_path / "work")
    write_stages(work, add_downloads(work.path, tmp_path / "downloads"))
    out = tmp_path / "liked"
    words = ["liked", "--work", str(work), "--out", str(out), "--captions", "text"]
    printed = CliRunner().invoke(main, words)
    assert printed.exit_code == 0, printed.output
    assert "share chosen: 10.0% in the years\n" in printed.output
    assert "  followers are not known, so compared by time alone\n" in printed.output
    assert "left out: likes not in the top of posts at that time" in printed.output
    text = (out / "README.md").read_text()
    assert "with as many followers" not in text
    assert "by the year:" in text and "| all | 4 of 40 | 10.0% |" in text


def test_images_without_authors_and_dates_are_said_to_be_split_at_random(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "downloads"
    names = add_downloads(tmp_path / "first", folder)
    for path in folder.glob("*.json"):
        path.write_text(json.dumps({"content": "words"}))
    work = Workspace(tmp_path / "work")
    add_tars(work.path, [folder])
    write_stages(work, names)
    made = liked(work, tmp_path / "liked", everything=True, captions="text")
    sentence = "of 40 images, 40 have no author and 40 no date, and those with neither"
    assert any(sentence in warning for warning in made.warnings)
    text = (tmp_path / "liked/README.md").read_text()
    assert sentence in text and "known: of 40" in text


def test_datasets_reads_tars_of_pictures_of_several_formats(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    images = []
    for number, suffix in enumerate(["png", *["jpg"] * 5, "webp"]):
        likes = None if number < 6 else 7
        name = f"{number}.{suffix}"
        kind = {"jpg": "JPEG"}.get(suffix, suffix.upper())
        picture = Image.open(io.BytesIO(photo(number)))
        picture.save(tmp_path / "train" / name, kind)
        images.append(TrainingImage(str(number), "train", "a", likes, name, 9, 9))
    write_tars(tmp_path, images)
    tar = str(tmp_path / "webdataset/train-00000.tar")
    options = {"cache_dir": str(tmp_path / "cache"), "split": "train"}
    rows = datasets.load_dataset("webdataset", data_files=tar, **options)
    for row, image in zip(rows, images, strict=True):
        own = Image.open(tmp_path / "train" / image.file_name)
        assert np.array_equal(np.asarray(row["jpg"]), np.asarray(own))
        assert row["json"] == {"image_name": image.image_name}
