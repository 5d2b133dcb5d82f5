"""Tables of an ImageFolder and the prompts of DiffusionDB, in folders, zips, tars and among single files.

The rows of ImageFolders are compared with those that `datasets` itself reads.
"""

import gc
import json
import shutil
import tarfile
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support.worlds import photo

from twigma.cli import main
from twigma.core.workspace import Workspace
from twigma.rehydrate.sources.own_files.add_images import add_tars
from twigma.rehydrate.sources.pictures.metadata import (
    NAMELESS,
    REPEATED,
    UNMATCHED,
    UNREADABLE,
)

from .test_add_folders import left_out, totals

ROWS: list[dict[str, Any]] = [
    {"file_name": "deep/0.png", "text": "zero", "likes": 3, "artist": "ada"},
    {"file_name": "deep/1.png", "text": "one, two", "likes": 5, "artist": "bo"},
    {"file_name": "2.png", "text": "é", "likes": None, "artist": "ada"},
]


def image_folder(folder: Path, ending: str, rows: list[dict[str, Any]] = ROWS) -> Path:
    (folder / "deep").mkdir(parents=True)
    for at, name in enumerate(("deep/0.png", "deep/1.png", "2.png")):
        (folder / name).write_bytes(photo(at))
    table = folder / f"metadata.{ending}"
    if ending == "jsonl":
        table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif ending == "csv":
        pd.DataFrame(rows).to_csv(table, index=False)
    else:
        pd.DataFrame(rows).to_parquet(table)
    return folder


def packed(folder: Path, target: Path) -> Path:
    """A zip or tar of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w") as archive:
            for path in files:
                archive.write(path, path.relative_to(folder))
    else:
        mode: Any = "w:gz" if target.suffix == ".gz" else "w"
        with tarfile.open(target, mode) as tar:
            tar.add(folder, ".")  # members are called ./deep/0.png
    return target


def columns(work: Path, *names: str) -> dict[str, tuple[Any, ...]]:
    """Values of the images table by the original path, without what the picture was in."""
    found = {}
    for row in Workspace(work).table().to_pylist():
        path = row["path"].partition("/")[2].removeprefix("./")
        found[path] = tuple(row.get(name) for name in names)
    return found


def expected(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Text, likes and artist as `datasets` reads the folder."""
    split = datasets.load_dataset("imagefolder", data_dir=str(folder), split="train")
    split = split.cast_column("image", datasets.Image(decode=False))
    rows = {}
    for row in split:
        name = Path(row["image"]["path"]).relative_to(folder).as_posix()
        likes = None if row["likes"] is None else int(row["likes"])
        rows[name] = (row["text"], likes, row["artist"])
    # `datasets` leaves tables open: their warnings belong to this test.
    del split
    gc.collect()
    return rows


@pytest.mark.filterwarnings("ignore:Exception ignored in. <_io.FileIO")
@pytest.mark.parametrize(
    ("holder", "ending"),
    [
        ("folder", "jsonl"),
        ("folder", "csv"),
        ("zip", "parquet"),
        ("tar", "jsonl"),
        ("tar.gz", "csv"),
    ],
)
def test_an_image_folder_is_read_as_datasets_reads_it(
    holder: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = image_folder(tmp_path / "photos", ending)
    path = folder
    if holder != "folder":
        path = packed(folder, tmp_path / f"photos.{holder}")
    report = add_tars(tmp_path / "w", [path], "artist")
    assert totals(report) == (3, 0, 0)
    assert left_out(report) == {}
    found = columns(tmp_path / "w", "text", "like_count", "group")
    assert found == expected(folder)


def test_single_files_take_their_rows_and_nothing_is_said_of_the_others(
    tmp_path: Path,
) -> None:
    folder = image_folder(tmp_path / "photos", "jsonl")
    report = add_tars(tmp_path / "w", [folder / "2.png"])
    assert left_out(report) == {}
    assert Workspace(tmp_path / "w").table()["text"].to_pylist() == ["é"]
    # As a shell writes `photos/*`.
    report = add_tars(tmp_path / "v", sorted(folder.iterdir()))
    assert totals(report) == (3, 0, 0)


def test_the_nearer_table_counts_and_json_beside_a_picture_before_it(
    tmp_path: Path,
) -> None:
    folder = image_folder(tmp_path / "photos", "jsonl")
    near = "file_name,caption\n0.png,nearer\n1.png,nearer too\n"
    (folder / "deep" / "metadata.csv").write_text(near)
    (folder / "deep" / "1.json").write_text('{"caption": "its own"}')
    add_tars(tmp_path / "w", [folder])
    assert columns(tmp_path / "w", "text", "like_count") == {
        "deep/0.png": ("nearer", None),
        "deep/1.png": ("its own", None),
        "2.png": ("é", None),
    }


def test_damaged_lines_and_names_of_no_picture_are_counted_and_named(
    tmp_path: Path,
) -> None:
    folder = image_folder(tmp_path / "photos", "jsonl")
    table = folder / "metadata.jsonl"
    more = [
        '{"file_name": "gone.png", "text": "x"}',
        '{"file_name": "../photos/2.png", "text": "x"}',
        "{broken",
        '{"text": "of no file"}',
        "[1]",
        '{"file_name": "2.png", "text": "again"}',
    ]
    table.write_text(table.read_text() + "\n".join(more))
    (folder / "deep" / "metadata.csv").write_text("name,text\n0.png,x\n")
    answer = CliRunner().invoke(
        main, ["add", "--work", str(tmp_path / "w"), str(folder)]
    )
    assert answer.exit_code == 0
    assert answer.output.splitlines() == [
        f"{folder}: 3 images, 0 failed",
        f"  left out: 2 {UNMATCHED}, such as gone.png of metadata.jsonl",
        f"  left out: 1 {REPEATED}, such as 2.png of metadata.jsonl",
        f"  left out: 3 {UNREADABLE}, such as metadata.jsonl, line 6: not JSON",
        f"  left out: 1 {NAMELESS}, such as deep/metadata.csv",
    ]
    assert columns(tmp_path / "w", "text")["2.png"] == ("é",)


def test_a_table_that_is_cut_off_is_named_and_the_pictures_are_added(
    tmp_path: Path,
) -> None:
    folder = image_folder(tmp_path / "photos", "parquet")
    table = folder / "metadata.parquet"
    table.write_bytes(table.read_bytes()[:-20])
    tar = packed(folder, tmp_path / "photos.tar")
    for at, (path, name) in enumerate(((folder, "photos"), (tar, "photos.tar/."))):
        words = rf"^{name}/metadata\.parquet: expected a complete parquet file"
        with pytest.raises(ValueError, match=words):
            add_tars(tmp_path / f"w{at}", [path])
        assert Workspace(tmp_path / f"w{at}").table().num_rows == 3


def test_a_parquet_of_that_name_with_the_pictures_in_it_is_read_as_before(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    rows = [{"image": {"bytes": photo(at), "path": None}} for at in range(2)]
    pd.DataFrame(rows).to_parquet(folder / "metadata.parquet")
    assert "bytes" in str(pq.read_schema(folder / "metadata.parquet"))
    assert totals(add_tars(tmp_path / "w", [folder])) == (2, 0, 0)


def test_names_of_windows_and_accents_of_macos(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    name = unicodedata.normalize("NFD", "café.png")
    (folder / "deep" / name).write_bytes(photo(1))
    row = {"image_file_name": "deep\\café.png", "text": "a café"}
    (folder / "metadata.jsonl").write_text(json.dumps(row))
    report = add_tars(tmp_path / "w", [folder])
    assert left_out(report) == {}
    assert Workspace(tmp_path / "w").table()["text"].to_pylist() == ["a café"]


# ------------------------------------------------------------------ DiffusionDB


def part(folder: Path, number: int, images: dict[str, str]) -> Path:
    """A part of DiffusionDB, unpacked: pictures, and the JSON with prompt, seed, cfg, steps and sampler of each."""
    folder.mkdir(parents=True)
    settings = {}
    for at, (name, prompt) in enumerate(images.items()):
        (folder / name).write_bytes(photo(100 * number + at))
        settings[name] = {"p": prompt, "se": 7, "c": 7.5, "st": 50, "sa": "k_lms"}
    (folder / f"part-{number:06}.json").write_text(json.dumps(settings))
    return folder


def test_parts_of_diffusiondb_bring_their_prompts_zipped_or_not(tmp_path: Path) -> None:
    parts = tmp_path / "images"
    one = part(parts / "part-000001", 1, {"a.png": "a fox", "b.png": "a hill"})
    two = part(parts / "part-000002", 2, {"c.png": "a fox"})
    prompts = {"a": "a fox", "b": "a hill", "c": "a fox"}
    zips = tmp_path / "zips"
    zips.mkdir()
    for folder in (one, two):
        packed(folder, zips / f"{folder.name}.zip")
    for at, path in enumerate((parts, zips)):
        work = tmp_path / f"w{at}"
        report = add_tars(work, [path], "prompt")
        assert totals(report) == (3, 0, 0)
        assert left_out(report) == {}
        table = Workspace(work).table()
        names = table["image_name"].to_pylist()
        assert dict(zip(names, table["text"].to_pylist(), strict=True)) == prompts
        assert table["group"].to_pylist() == table["text"].to_pylist()
    shutil.rmtree(tmp_path / "w0")
    with zipfile.ZipFile(zips / "part-000001.zip") as archive:
        only = {name: archive.read(name) for name in ("a.png", "part-000001.json")}
    with zipfile.ZipFile(tmp_path / "part-000001.zip", "w") as archive:
        for name, data in only.items():
            archive.writestr(name, data)
    report = add_tars(tmp_path / "w0", [tmp_path / "part-000001.zip"])
    assert left_out(report) == {UNMATCHED: 1}
