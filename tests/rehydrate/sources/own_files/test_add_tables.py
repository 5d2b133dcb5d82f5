"""Tables of an ImageFolder and the prompts of DiffusionDB, in folders, zips, tars and among single files.

The rows of ImageFolders are compared with those that `datasets` itself reads.
"""

import gc
import json
import shutil
import tarfile
import unicodedata
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support.worlds import photo

from twigma.cli import main
from twigma.core.columns import require
from twigma.core.workspace import Workspace
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.sources.own_files.add_images import add_tars
from twigma.rehydrate.sources.pictures.beside import DAMAGED
from twigma.rehydrate.sources.pictures.metadata import (
    UNMATCHED,
    UNREADABLE,
)

from ...images.test_decode import picture
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
        "  left out: 1 row of metadata on a picture that an earlier row is on, such as 2.png of metadata.jsonl",
        f"  left out: 3 {UNREADABLE}, such as metadata.jsonl, line 6: not JSON",
        "  left out: 1 table without a column file_name, such as deep/metadata.csv",
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


# ------------------------------------------------------------------ values


def pictures_with(folder: Path, header: str, cells: list[str]) -> Path:
    """A folder with a picture for each row of a metadata.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"file_name,{header}"]
    for at, cell in enumerate(cells):
        (folder / f"{at}.png").write_bytes(photo(at))
        lines.append(f"{at}.png,{cell}")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


def unread(report: Any) -> list[tuple[str, int, str]]:
    return [
        (field["field"], field["count"], field["example"])
        for row in report.to_pylist()
        for field in row["unread"]
    ]


def values_of(work: Path, name: str) -> list[Any]:
    """A column of the images table, by path."""
    rows = sorted(Workspace(work).table().to_pylist(), key=lambda row: row["path"])
    return [row.get(name) for row in rows]


def test_values_that_cannot_be_read_are_counted_and_named(tmp_path: Path) -> None:
    cells = [
        '2023/05/01,"1,234"',
        "5/1/2023 10:00,7",
        "1.6828992e9,many",
        "3023-05-01,8",
        "1970-01-01,9",
        '05.01.2023,"12,345,678"',
    ]
    folder = pictures_with(tmp_path / "photos", "created_at,likes", cells)
    (folder / "0.json").write_text("{bad")
    (folder / "1.json").write_text("[1]")
    arguments = ["add", "--work", str(tmp_path / "w"), str(folder)]
    answer = CliRunner().invoke(main, arguments)
    assert answer.output.splitlines() == [
        f"{folder}: 6 images, 0 failed",
        f"  left out: 2 {DAMAGED}, such as 0.json",
        "  created_at: 2 values of created_at could not be read and are empty, such as "
        "'3023-05-01': expected a time from 2000 on that is not to come",
        "  created_at: 3 values of created_at could not be read and are empty, such as "
        "'5/1/2023 10:00': expected a time such as 2023-05-01 or 2023-05-01 10:00:00 "
        "(UTC), or seconds since 1970",
        "  like_count: 1 value of likes could not be read and is empty, "
        "'many': expected a whole number from 0 on, such as 1234",
    ]
    times = values_of(tmp_path / "w", "created_at")
    assert times == [datetime(2023, 5, 1), *[None] * 5]
    likes = values_of(tmp_path / "w", "like_count")
    assert likes == [1234, 7, None, 8, 9, 12_345_678]
    # The same facts as JSON, once more when nothing is new.
    answer = CliRunner().invoke(main, [*arguments, "--json"])
    (row,) = json.loads(answer.output)["files"]
    assert (row["known"], row["updated"]) == (6, 0)
    assert [field["count"] for field in row["unread"]] == [2, 3, 1]
    assert [each["count"] for each in row["left_out"]] == [2]


@pytest.mark.parametrize("holder", ["zip", "tar", "tar.gz"])
def test_archives_name_what_cannot_be_read_as_folders_do(
    tmp_path: Path, holder: str
) -> None:
    folder = pictures_with(tmp_path / "photos", "date,likes", ["soon,1", "now,x"])
    (folder / "0.json").write_text("{bad")
    picture((40, 30)).save(folder / "2.bmp")  # is converted
    (folder / "2.json").write_text("{bad")
    report = add_tars(tmp_path / "w", [packed(folder, tmp_path / f"photos.{holder}")])
    assert sum(report["images"].to_pylist()) == 3
    assert left_out(report) == {DAMAGED: 2}
    assert unread(report) == [("date", 2, "'soon'"), ("likes", 1, "'x'")]


def test_commas_part_thousands_only_where_all_of_a_column_do(tmp_path: Path) -> None:
    cells = ['"1,234"', '"1,5"', "6"]
    folder = pictures_with(tmp_path / "photos", "likes", cells)
    report = add_tars(tmp_path / "w", [folder])
    assert values_of(tmp_path / "w", "like_count") == [None, None, 6]
    assert unread(report) == [("likes", 2, "'1,234'")]


# ------------------------------------------------------------------ metadata that came later


def test_metadata_that_is_written_later_is_filled_in(tmp_path: Path) -> None:
    work = tmp_path / "w"
    folder = pictures_with(tmp_path / "photos", "note", ["a", "b", "c"])
    add_tars(work, [folder])
    assert "text" not in Workspace(work).table().column_names
    cells = ["zero,3,2023-05-03,ada", "one,,2023-05-02,bo", ",,,"]
    pictures_with(folder, "text,likes,created_at,artist", cells)
    arguments = ["add", "--work", str(work), "--group", "artist", str(folder)]
    answer = CliRunner().invoke(main, arguments)
    assert answer.output.splitlines() == [
        f"{folder}: 0 images, 0 failed, 3 were here already",
        f"{folder}: 2 images that were here already have new metadata",
    ]
    assert values_of(work, "text") == ["zero", "one", None]
    assert values_of(work, "like_count") == [3, None, None]
    assert values_of(work, "group") == ["ada", "bo", None]
    # In the order of the table, and with the columns as declared.
    table = Workspace(work).table()
    assert table["image_name"].to_pylist() == ["1", "0", "2"]
    require(table, table.column_names, "test")
    written = Workspace(work).images_file.read_bytes()
    assert CliRunner().invoke(main, arguments).output.splitlines() == [
        f"{folder}: 0 images, 0 failed, 3 were here already"
    ]
    assert Workspace(work).images_file.read_bytes() == written
    # A release and the images table of posts keep it.
    write_images_table(work)
    assert values_of(work, "text") == ["zero", "one", None]


def test_a_correction_counts_for_the_same_path_only(tmp_path: Path) -> None:
    """A copy of the picture elsewhere fills in what is missing, and changes nothing."""
    work = tmp_path / "w"
    folder = pictures_with(tmp_path / "photos", "text,likes", ["zero,", "one,1"])
    add_tars(work, [folder])
    copy = pictures_with(tmp_path / "copy", "text,likes", ["other,5", "other,6"])
    report = add_tars(work, [packed(copy, tmp_path / "copy.tar")])
    assert report["updated"].to_pylist() == [1]
    assert values_of(work, "text") == ["zero", "one"]
    assert values_of(work, "like_count") == [5, 1]
    pictures_with(folder, "text,likes", ["null,", "one,2"])
    report = add_tars(work, [folder])
    assert report["updated"].to_pylist() == [2]
    assert values_of(work, "text") == ["null", "one"]
    assert values_of(work, "like_count") == [5, 2]


def test_pictures_that_are_stored_twice_take_their_own_metadata(tmp_path: Path) -> None:
    folder = pictures_with(tmp_path / "photos", "note", ["a", "b"])
    shutil.copy(folder / "0.png", folder / "9.png")
    add_tars(tmp_path / "w", [folder])
    lines = ["file_name,text", "9.png,nine", "0.png,zero"]
    (folder / "metadata.csv").write_text("\n".join(lines))
    report = add_tars(tmp_path / "w", [folder])
    assert report["updated"].to_pylist() == [2]
    assert values_of(tmp_path / "w", "text") == ["zero", None, "nine"]


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
