"""Folders and archives of pictures: every file in one class, nothing twice, and what stands beside a picture."""

import io
import json
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support.worlds import photo

from twigma.cli import main
from twigma.core.installing import install_command
from twigma.core.workspace import Workspace
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.image_index import Images
from twigma.rehydrate.sources.own_files import pack_images
from twigma.rehydrate.sources.own_files.add_images import add_tars
from twigma.rehydrate.sources.own_files.tar_samples import AFTER_END
from twigma.rehydrate.sources.pictures import kinds
from twigma.rehydrate.sources.pictures.contents import EMPTY, LONE, OTHER
from twigma.rehydrate.sources.pictures.inputs import NESTED, OTHER_TABLE
from twigma.rehydrate.sources.pictures.tables import WITHOUT_IMAGE
from twigma.rehydrate.sources.pictures.trees import (
    HIDDEN,
    INNER_LINK,
    LINK,
    REPEATED,
)

from ...images.test_decode import encoded, picture
from ...images.test_shards import tar_of

CASES = Path(__file__).parent / "cases"
POST = {
    "url": "https://images.lab/1.jpg",
    "content": "my castle",
    "favorite_count": 12,
    "author": {"id": 7, "name": "ada"},
    "date": "2022-08-23 12:00:00",
}


def totals(report: pa.Table) -> tuple[int, int, int]:
    """Images, failures and known ones of a whole report."""
    names = ("images", "failed", "known")
    images, failed, known = (sum(report[name].to_pylist()) for name in names)
    return images, failed, known


def left_out(report: pa.Table) -> dict[str, int]:
    counts: dict[str, int] = {}
    for rows in report["left_out"].to_pylist():
        for each in rows:
            counts[each["reason"]] = counts.get(each["reason"], 0) + each["count"]
    return counts


def table_of(work: Path) -> dict[str, dict[str, Any]]:
    rows = Workspace(work).table().to_pylist()
    return {row["image_name"]: row for row in rows}


def folder_of(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:03}.jpg").write_bytes(photo(number))
    return folder


# ------------------------------------------------------------------ every file in one class


def test_every_file_of_a_folder_is_in_one_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heic = kinds.Converted("HEIC", "HEIF", "no_such_package")
    monkeypatch.setitem(kinds.CONVERTED, "heic", heic)
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(photo(99))
    jpegs = ("a.jpg", "b.jfif", "c.jpe", "d.jpg_large", "e.jpg:large", "no ending")
    files = {name: photo(at) for at, name in enumerate(jpegs)}
    files |= {
        "f.avif": (CASES / "picture.avif").read_bytes(),
        "g.tif": encoded(picture(seed=1), "TIFF"),
        "h.bmp": encoded(picture(seed=2), "BMP"),
        "wrong.png": photo(20),
        "page.jpg": b"<!doctype html>",
        "a.json": json.dumps(POST).encode(),
        "notes.txt": b"not beside any picture",
        "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "film.mp4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
        "report.docx": b"PK\3\4 a document",
        "empty": b"",
        "._a.jpg": photo(30),
        ".DS_Store": b"x",
        "__MACOSX/._b.jpg": photo(31),
        ".thumbnails/c.jpg": photo(32),
        "img2dataset.parquet": b"",
    }
    folder = tmp_path / "photos"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    pq.write_table(pa.table({"url": ["u"]}), folder / "img2dataset.parquet")
    (folder / "link.jpg").symlink_to(outside)
    (folder / "deep").mkdir()
    (folder / "again").symlink_to(folder / "deep", target_is_directory=True)
    report = add_tars(tmp_path / "w", [folder])
    assert totals(report) == (10, 1, 0)
    assert left_out(report) == {
        HIDDEN: 4,
        LINK: 1,
        INNER_LINK: 1,
        LONE: 1,
        OTHER: 2,
        EMPTY: 1,
        OTHER_TABLE: 1,
        f"HEIC, which needs {install_command('formats')}": 1,
    }
    # Pictures, failures, what is beside one, and what is left out: together, every file and link.
    assert 10 + 1 + 1 + sum(left_out(report).values()) == len(files) + 2
    rows = {
        row["path"]: row for row in shards.read_sidecars(tmp_path / "w").to_pylist()
    }
    assert rows["photos/page.jpg"]["status"] == "not_an_image"
    assert rows["photos/f.avif"]["note"] == "converted from AVIF"
    assert rows["photos/g.tif"]["note"] == "converted from TIFF"
    stored = Images(tmp_path / "w")
    np.testing.assert_array_equal(stored["h"], picture(seed=2))
    assert stored.read("wrong") == photo(20)


def test_what_was_left_out_is_printed_with_an_example(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 2)
    (folder / "._000.jpg").write_bytes(photo(9))
    (folder / "notes.pdf").write_bytes(b"%PDF")
    words = ["add", "--work", str(tmp_path / "w"), str(folder)]
    answer = CliRunner().invoke(main, words)
    assert answer.output.splitlines() == [
        f"{folder}: 2 images, 0 failed",
        f"  left out: 1 hidden, or made by the system, such as {folder}/._000.jpg",
        "  left out: 1 of another kind, such as notes.pdf",
    ]
    again = CliRunner().invoke(main, words)
    assert again.output.splitlines()[0] == (
        f"{folder}: 0 images, 0 failed, 2 were here already"
    )


def test_members_of_a_tar_are_in_one_class_each(tmp_path: Path) -> None:
    members = {
        "a.jpg": photo(1),
        "b.jfif": photo(2),
        "c.avif": (CASES / "picture.avif").read_bytes(),
        "c.json": json.dumps(POST).encode(),
        "d": photo(3),
        "__MACOSX/._a.jpg": photo(4),
        "notes.md": b"x",
        "lone.txt": b"x",
    }
    tar = tar_of(tmp_path / "mine.tar", members)
    report = add_tars(tmp_path / "w", [tar])
    assert totals(report) == (4, 0, 0)
    assert left_out(report) == {HIDDEN: 1, OTHER: 1, LONE: 1}
    rows = table_of(tmp_path / "w")
    assert rows["c"]["path"] == "mine.tar/c.avif"
    assert rows["c"]["like_count"] == 12
    # Registered where they are; only what was converted is stored once more.
    tars = [shard.tar for shard in shards.list_shards(tmp_path / "w")]
    assert [path == tar.resolve() for path in tars] == [True, False]
    assert totals(add_tars(tmp_path / "w", [tar])) == (0, 0, 4)


def test_what_follows_the_end_mark_of_a_tar_is_counted(tmp_path: Path) -> None:
    first = tar_of(tmp_path / "1.tar", {"1.jpg": photo(1)}).read_bytes()
    second = tar_of(tmp_path / "2.tar", {"2.jpg": photo(2), "3.jpg": photo(3)})
    joined = tmp_path / "joined.tar"
    joined.write_bytes(first + second.read_bytes())
    report = add_tars(tmp_path / "w", [joined])
    assert totals(report) == (1, 0, 0)
    assert left_out(report) == {AFTER_END: 2}
    joined.write_bytes(first + b"no member" * 100)
    assert left_out(add_tars(tmp_path / "v", [joined])) == {AFTER_END: 1}


def test_the_names_and_the_empty_tar_of_the_wild(tmp_path: Path) -> None:
    """A name of over 100 bytes, an upper-case ending, `.jfif`; and a tar of img2dataset without any member."""
    report = add_tars(tmp_path / "w", [CASES / "empty.tar", CASES / "names.tar"])
    assert totals(report) == (3, 0, 0)
    with tarfile.open(CASES / "names.tar") as tar:
        tar.extractall(tmp_path / "names", filter="data")
    assert totals(add_tars(tmp_path / "v", [tmp_path / "names"])) == (3, 0, 0)


# ------------------------------------------------------------------ nothing twice


def test_what_comes_with_a_folder_is_not_added_once_more(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 3)
    deep = folder_of(folder / "deep", 1)
    (folder / ".hidden.jpg").write_bytes(photo(50))
    named = [folder / "001.jpg", deep, folder, folder / ".." / "photos", folder]
    assert totals(add_tars(tmp_path / "w", named)) == (4, 0, 0)
    assert totals(add_tars(tmp_path / "v", [deep, deep / "000.jpg"])) == (1, 0, 0)
    # A hidden file is taken where it is named itself.
    named = [folder, folder / ".hidden.jpg"]
    assert totals(add_tars(tmp_path / "u", named)) == (5, 0, 0)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_members_of_a_zip_with_one_name_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", photo(1))
        archive.writestr("a.jpg", photo(2))
    report = add_tars(tmp_path / "w", [path])
    assert totals(report) == (1, 0, 0)
    assert left_out(report) == {REPEATED: 1}
    assert Images(tmp_path / "w").read("a") == photo(2)


def test_an_archive_without_anything_in_it_has_a_line(tmp_path: Path) -> None:
    path = tmp_path / "empty.zip"
    with zipfile.ZipFile(path, "w"):
        pass
    words = ["add", "--work", str(tmp_path / "w"), str(path)]
    answer = CliRunner().invoke(main, words)
    assert (answer.exit_code, answer.output) == (0, f"{path}: 0 images, 0 failed\n")


def test_a_folder_with_one_more_picture_adds_one(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 5)
    (folder / "twice.jpg").write_bytes(photo(0))
    (folder / "page.jpg").write_bytes(b"<!doctype html>")
    (folder / "t.tif").write_bytes(encoded(picture(), "TIFF"))
    assert totals(add_tars(tmp_path / "w", [folder])) == (7, 1, 0)
    assert totals(add_tars(tmp_path / "w", [folder])) == (0, 0, 8)
    (folder / "new.jpg").write_bytes(photo(5))
    assert totals(add_tars(tmp_path / "w", [folder])) == (1, 0, 8)
    # Known by its bytes, whatever it is called and wherever it is.
    tar = tar_of(tmp_path / "a.tar", {"x.jpg": photo(1), "y.jpg": photo(6)})
    assert totals(add_tars(tmp_path / "w", [tar])) == (1, 0, 1)
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "z.jpg").write_bytes(photo(6))
    assert totals(add_tars(tmp_path / "w", [tmp_path / "moved"])) == (0, 0, 1)
    assert len(table_of(tmp_path / "w")) == 10


def test_one_that_failed_can_be_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "photos", 2)
    monkeypatch.setenv("TWIGMA_MAX_PIXELS", "10")
    assert totals(add_tars(tmp_path / "w", [folder])) == (0, 2, 0)
    assert totals(add_tars(tmp_path / "w", [folder])) == (0, 0, 2)
    monkeypatch.delenv("TWIGMA_MAX_PIXELS")
    assert totals(add_tars(tmp_path / "w", [folder])) == (2, 0, 0)
    assert sorted(table_of(tmp_path / "w")) == ["000", "001"]
    statuses = shards.read_sidecars(tmp_path / "w").filter(
        pa.compute.equal(shards.read_sidecars(tmp_path / "w")["status"], "success")
    )
    assert sorted(statuses["image_name"].to_pylist()) == ["000", "001"]


# ------------------------------------------------------------------ shards


def test_a_folder_becomes_shards_of_a_thousand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pack_images.PER_SHARD == 1000
    monkeypatch.setattr(pack_images, "PER_SHARD", 3)
    report = add_tars(tmp_path / "w", [folder_of(tmp_path / "photos", 8)])
    assert report["images"].to_pylist() == [3, 3, 2]
    assert report["shard"].to_pylist() == ["00000", "00001", "00002"]
    sizes = [len(rows) for rows in map(_rows, shards.list_shards(tmp_path / "w"))]
    assert sizes == [3, 3, 2]


def _rows(shard: shards.Shard) -> list[Any]:
    return [row for table in shards.read_images(shard) for row in table.to_pylist()]


SLOW = """
import sys, time
from pathlib import Path
from twigma.rehydrate.sources.own_files import add_images, pack_images
pack_images.PER_SHARD = 3
pack_images.BLOCK = 1
def wait(row):
    print(row["shard"], flush=True)
    if row["shard"] == "00001":
        time.sleep(600)
add_images.add_tars(sys.argv[1], [Path(sys.argv[2])], on_row=wait)
"""


def test_a_killed_run_resumes_and_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "photos", 10)
    (folder / "twice.jpg").write_bytes(photo(0))
    script = [sys.executable, "-c", SLOW, tmp_path / "w", folder]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert [run.stdout.readline().strip() for _ in range(2)] == ["00000", "00001"]
        run.send_signal(signal.SIGKILL)
    monkeypatch.setattr(pack_images, "PER_SHARD", 3)
    report = add_tars(tmp_path / "w", [folder])
    images, _, known = totals(report)
    assert (images + known, images > 0, known >= 6) == (11, True, True)
    add_tars(tmp_path / "clean", [folder])
    assert table_of(tmp_path / "w") == table_of(tmp_path / "clean")
    assert not (tmp_path / "w" / "shards" / ".attempts").exists()
    tars = sorted(path.name for path in (tmp_path / "w" / "shards").glob("*.tar"))
    assert len(tars) == len(shards.list_shards(tmp_path / "w"))


# ------------------------------------------------------------------ beside a picture


def test_paths_and_facts_come_into_the_images_table(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "2022").mkdir(parents=True)
    odd = folder / "2022" / "日本語 image (1).jpg"
    odd.write_bytes(photo(1))
    (folder / "2022" / "日本語 image (1).jpg.json").write_text(json.dumps(POST))
    (folder / "b.jpg").write_bytes(photo(2))
    (folder / "b.txt").write_text("a fox, 4k")
    (folder / "c.jpg").write_bytes(photo(3))
    (folder / "c.json").write_text('{"like_count": "many", "caption": "c"}')
    add_tars(tmp_path / "w", [folder])
    rows = table_of(tmp_path / "w")
    first = rows["image_1"]
    assert first["path"] == "photos/2022/日本語 image (1).jpg"
    assert (first["like_count"], first["author_id"]) == (12, "7")
    assert first["created_at"].isoformat() == "2022-08-23T12:00:00"
    assert (first["text"], first["url"]) == ("my castle", "https://images.lab/1.jpg")
    assert (rows["b"]["path"], rows["b"]["text"]) == ("photos/b.jpg", "a fox, 4k")
    assert (rows["c"]["text"], rows["c"]["like_count"]) == ("c", None)
    notes = {
        row["image_name"]: row["note"]
        for row in shards.read_sidecars(tmp_path / "w").to_pylist()
    }
    assert notes == {
        "image_1": None,
        "b": None,
        "c": "like_count beside it cannot be read: 'many'",
    }


def test_single_files_bring_what_stands_beside_them(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 1)
    (folder / "000.json").write_text(json.dumps(POST))
    add_tars(tmp_path / "w", [folder / "000.jpg"])
    row = table_of(tmp_path / "w")["000"]
    assert (row["path"], row["like_count"]) == ("000.jpg", 12)


def test_members_beside_those_of_a_tar_come_too(tmp_path: Path) -> None:
    members = {
        "1.jpg": photo(1),
        "1.json": json.dumps({"url": "u", "caption": "from img2dataset"}).encode(),
        "2.jpg": photo(2),
        "2.txt": b"from a trainer",
        "3.jpg": photo(3),
        "3.json": b"[1]",
    }
    add_tars(tmp_path / "w", [tar_of(tmp_path / "00000.tar", members)])
    rows = table_of(tmp_path / "w")
    assert [rows[name]["text"] for name in "123"] == [
        "from img2dataset",
        "from a trainer",
        None,
    ]
    assert rows["1"]["path"] == "00000.tar/1.jpg"


def test_an_unpacked_part_of_diffusiondb_brings_its_prompts(tmp_path: Path) -> None:
    folder = tmp_path / "part-000001"
    folder.mkdir()
    prompts = {}
    for number in range(3):
        (folder / f"{number}.png").write_bytes(photo(number, "PNG"))
        prompts[f"{number}.png"] = {"p": f"prompt {number}", "se": number}
    (folder / "part-000001.json").write_text(json.dumps(prompts))
    report = add_tars(tmp_path / "w", [folder], group_key="prompt")
    assert left_out(report) == {}
    rows = table_of(tmp_path / "w")
    assert [rows[name]["group"] for name in "012"] == [f"prompt {n}" for n in range(3)]


# ------------------------------------------------------------------ archives and tables


def archives(folder: Path) -> Iterator[Path]:
    """The same two pictures with their facts, as a zip, a packed tar, a table and a dataset."""
    facts = json.dumps(POST).encode()
    members = {"a.jpg": photo(1), "a.json": facts, "b.jpg": photo(2), "x.md": b"x"}
    with zipfile.ZipFile(folder / "mine.zip", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    yield folder / "mine.zip"
    with tarfile.open(folder / "mine.tar.gz", "w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    yield folder / "mine.tar.gz"
    columns: dict[str, Any] = {
        "image_name": ["a", "b"],
        "image": [{"bytes": photo(1), "path": None}, {"bytes": photo(2), "path": None}],
        "like_count": [12, None],
        "author": ["7", None],
        "text": ["my castle", None],
    }
    pq.write_table(pa.table(columns), folder / "mine.parquet")
    yield folder / "mine.parquet"
    features = datasets.Features(
        image_name=datasets.Value("string"),
        image=datasets.Image(),
        like_count=datasets.Value("int64"),
        author=datasets.Value("string"),
        text=datasets.Value("string"),
    )
    dataset = datasets.Dataset.from_dict(columns, features=features)
    dataset.save_to_disk(folder / "mine")
    yield folder / "mine"
    split = datasets.DatasetDict({"train": dataset.select([1, 0])})
    split.save_to_disk(folder / "splits")
    yield folder / "splits"


def test_archives_and_tables_come_to_the_same_rows(tmp_path: Path) -> None:
    for number, path in enumerate(archives(tmp_path)):
        work = tmp_path / f"w{number}"
        report = add_tars(work, [path])
        assert totals(report) == (2, 0, 0), path
        rows = table_of(work)
        assert sorted(rows) == ["a", "b"], path
        a = rows["a"]
        assert (a["like_count"], a["author_id"], a["text"]) == (12, "7", "my castle")
        assert rows["b"]["text"] is None
        stored = Images(work)
        assert [stored.read(name) for name in "ab"] == [photo(1), photo(2)]
        assert totals(add_tars(work, [path])) == (0, 0, 2), path


def test_archives_in_a_folder_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    list(archives(folder))
    tar_of(folder / "mine.tar", {"c.jpg": photo(3)})
    report = add_tars(tmp_path / "w", [folder])
    assert totals(report) == (11, 0, 0)


def test_damaged_archives_stop_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    list(archives(folder))
    for name in ("mine.zip", "mine.tar.gz", "mine.parquet"):
        path = folder / name
        path.write_bytes(path.read_bytes()[:-40])
    (folder / "mine" / "data-00000-of-00001.arrow").write_bytes(b"no table")
    (folder / "good.jpg").write_bytes(photo(9))
    with pytest.raises(ValueError, match="4 failed: ") as raised:
        add_tars(tmp_path / "w", [folder])
    for name in ("mine.zip", "mine.tar.gz", "mine.parquet", "mine"):
        assert f"{folder / name} " in str(raised.value)
    assert sorted(table_of(tmp_path / "w")) == ["a", "b", "good"]


def test_a_bomb_of_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"{number}.jpg", bytes(40_000_000))
    with pytest.raises(ValueError, match=r"z\.zip would unpack to over"):
        add_tars(tmp_path / "w", [tmp_path / "z.zip"])


def test_rows_without_an_image_and_nested_archives_are_counted(tmp_path: Path) -> None:
    images = [{"bytes": photo(1), "path": "a"}, {"bytes": None, "path": "b"}, None]
    pq.write_table(pa.table({"image": images}), tmp_path / "t.parquet")
    report = add_tars(tmp_path / "w", [tmp_path / "t.parquet"])
    assert totals(report) == (1, 0, 0)
    assert left_out(report) == {WITHOUT_IMAGE: 2}
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.jpg", photo(2))
        archive.write(tmp_path / "t.parquet", "t.parquet")
    report = add_tars(tmp_path / "w", [tmp_path / "z.zip"])
    assert left_out(report) == {NESTED: 1}


def test_a_table_without_images_or_with_other_columns_says_so(tmp_path: Path) -> None:
    pq.write_table(pa.table({"url": ["u"]}), tmp_path / "t.parquet")
    with pytest.raises(
        ValueError, match=r"expected a column of images.*found \['url'\]"
    ):
        add_tars(tmp_path / "w", [tmp_path / "t.parquet"])
    pq.write_table(pa.table({"image": [{"bytes": photo(1)}]}), tmp_path / "i.parquet")
    with pytest.raises(ValueError, match="no column 'artist' to group by"):
        add_tars(tmp_path / "w", [tmp_path / "i.parquet"], group_key="artist")


def test_a_shard_holds_as_many_pictures_as_asked_for(tmp_path):
    (tmp_path / "photos").mkdir()
    for n in range(5):
        (tmp_path / "photos" / f"{n}.jpg").write_bytes(photo(n))
    words = ["add", str(tmp_path / "photos"), "--work", str(tmp_path / "work")]
    done = CliRunner().invoke(main, [*words, "--shard-size", "2"])
    assert done.exit_code == 0, done.output
    work = tmp_path / "work"
    rows = [shards.read_manifest(each).rows for each in shards.manifests(work)]
    assert rows == [2, 2, 1]
