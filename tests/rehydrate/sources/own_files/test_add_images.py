import io
import json
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support.worlds import photo

from twigma.cli import main
from twigma.core import columns
from twigma.core.safety.failures import Failures
from twigma.core.workspace import Workspace
from twigma.rehydrate.images import shards
from twigma.rehydrate.sources.own_files.add_images import add_tars
from twigma.rehydrate.sources.own_files.report import Added
from twigma.rehydrate.sources.own_files.tar_samples import UNSAFE
from twigma.rehydrate.sources.pictures.contents import OTHER
from twigma.rehydrate.sources.pictures.inputs import find_inputs, pictures_of
from twigma.rehydrate.sources.pictures.trees import LINK, NO_FILE, REPEATED

from ...images.test_shards import images, tar_of

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data" / "real"


def names(work: Path) -> list[str]:
    table = Workspace(work).table()
    assert table["id"].equals(table["image_name"])
    assert set(table["source"].to_pylist()) == {"local"}
    return list(table["image_name"].to_pylist())


def reasons(row: dict[str, Any]) -> dict[str, int]:
    """How many files were left out, by reason."""
    return {each["reason"]: each["count"] for each in row["left_out"]}


@pytest.mark.skipif(not SHARED.exists(), reason="the shared real tars are not here")
def test_real_foreign_tars_and_photographs(tmp_path: Path) -> None:
    tars = [SHARED / f"webdataset_{number}.tar" for number in (1, 2, 3)]
    report = add_tars(tmp_path, tars)
    assert report["images"].to_pylist() == [4, 3, 2]
    assert {"123_456", "456_123", "webdataset_3.123_456", "webdataset_3.208_495"} < set(
        names(tmp_path)
    )
    for shard, tar in zip(shards.list_shards(tmp_path), tars, strict=True):
        assert shard.tar == tar.resolve()  # not copied
        with tarfile.open(tar) as members:
            assert list(images(shard).values()) == [
                members.extractfile(m).read() for m in members
            ]  # type: ignore[union-attr]
    again = add_tars(tmp_path, tars)
    assert again["images"].to_pylist() == [0, 0, 0]
    assert again["known"].to_pylist() == [4, 3, 2]
    assert len(names(tmp_path)) == 9
    packed = add_tars(tmp_path, [SHARED])
    assert sum(packed["images"].to_pylist()) == 7
    again = add_tars(tmp_path, [SHARED])
    assert sum(again["images"].to_pylist()) == 0
    assert sum(again["known"].to_pylist()) == 16
    assert len(names(tmp_path)) == 16
    assert len(shards.read_sidecars(tmp_path)) == 16


def test_groups_come_from_the_json_members_in_either_order(tmp_path: Path) -> None:
    text = {
        n: json.dumps({"artist": artist}).encode()
        for n, artist in ((1, "Monet"), (2, 7), (3, None))
    }
    members = {
        "1.jpg": photo(1),
        "1.json": text[1],
        "2.json": text[2],
        "2.jpg": photo(2),
        "3.jpg": photo(3),
    }
    members |= {
        "3.json": text[3],
        "4.jpg": photo(4),
        "4.json": b"{not json",
        "5.jpg": photo(5),
        "5.json": b"[" * 99_999,
    }
    tar = tar_of(tmp_path / "paintings.tar", members)
    add_tars(tmp_path / "w", [tar], group_key="artist")
    table = Workspace(tmp_path / "w").table()
    assert table["group"].to_pylist() == ["Monet", "7", None, None, None]
    assert shards.read_sidecars(tmp_path / "w")["group"].to_pylist() == [
        "Monet",
        "7",
        None,
        None,
        None,
    ]


def test_a_tar_of_yours_among_the_shards_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "w" / "shards").mkdir(parents=True)
    mine = tar_of(tmp_path / "w" / "shards" / "00001.tar", {"1.jpg": photo(1)})
    before = mine.read_bytes()
    add_tars(tmp_path / "w", [mine])
    (tmp_path / "2.jpg").write_bytes(photo(2))
    add_tars(tmp_path / "w", [tmp_path / "2.jpg"])
    assert mine.read_bytes() == before
    assert (
        names(tmp_path / "w") == ["1", "2"]
        and len(shards.list_shards(tmp_path / "w")) == 2
    )


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.trace}",)


def test_hostile_members_are_passed_over(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    bomb = pickle.dumps(Bomb(trace))
    members = {f"1.{kind}": bomb for kind in ("pickle", "pyd", "pth", "npy", "pt")}
    members |= {
        "../../escape.jpg": photo(1),
        "/tmp/absolute.jpg": photo(2),
        "1.jpg": photo(3),
        "2.jpg": bomb,
    }
    members |= {
        "ok/é 4.png": photo(4, "PNG"),
        "1.cls": b"5",
        "1.txt": b"x",
        "README": b"no key",
    }
    tar = tar_of(tmp_path / "hostile.tar", members)
    with tarfile.open(tar, "a") as archive:
        link = tarfile.TarInfo("5.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    report = add_tars(tmp_path / "w", [tar]).to_pylist()[0]
    assert (report["images"], report["failed"]) == (2, 1)
    assert reasons(report) == {
        OTHER: 6,
        UNSAFE: 2,
        NO_FILE: 1,
    }
    rows = {
        row["image_name"]: row["status"]
        for row in shards.read_sidecars(tmp_path / "w").to_pylist()
    }
    assert rows == {"1": "success", "2": "not_an_image", "ok_4": "success"}
    assert images(shards.list_shards(tmp_path / "w")[0]) == {
        "1": photo(3),
        "ok_4": photo(4, "PNG"),
    }
    assert not trace.exists()


@pytest.mark.parametrize(
    "path", ["pipe:touch canary", "http://127.0.0.1/a.tar", "s3://b/a.tar"]
)
def test_commands_and_addresses_are_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a file"):
        add_tars(tmp_path, [Path(path)])


def test_of_members_of_a_tar_with_one_name_the_last_counts(tmp_path: Path) -> None:
    """As when it is unpacked, and as in a zip; in a tar that was appended to, say."""
    tar = tmp_path / "a.tar"
    members = (
        ("1.jpg", photo(1)),
        ("1.json", b'{"caption": "old"}'),
        ("2.jpg", photo(2)),
        ("1.jpg", photo(3)),
        ("1.json", b'{"caption": "new"}'),
    )
    with tarfile.open(tar, "w") as writer:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            writer.addfile(info, io.BytesIO(data))
    report = add_tars(tmp_path / "w", [tar]).to_pylist()
    assert [row["images"] for row in report] == [2]
    assert report[0]["left_out"] == [
        {"reason": REPEATED, "count": 2, "example": "1.jpg"}
    ]
    shard = shards.list_shards(tmp_path / "w")[0]
    assert images(shard) == {"2": photo(2), "1": photo(3)}
    rows = Workspace(tmp_path / "w").table().to_pylist()
    assert {row["image_name"]: row.get("text") for row in rows}["1"] == "new"
    again = add_tars(tmp_path / "w", [tar]).to_pylist()
    assert [(row["images"], row["known"]) for row in again] == [(0, 2)]


def test_damaged_tars_register_nothing(tmp_path: Path) -> None:
    tar = tar_of(tmp_path / "a.tar", {f"{n}.jpg": photo(n) for n in range(4)})
    good = tar.read_bytes()
    header = list(shards.tar_members(tar))[2].offset
    for damaged in (
        good[:header],
        good[: len(good) // 2],
        b"not a tar" * 200,
        good[:header] + b"x" * 512 + good[header + 512 :],
    ):
        tar.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"a\.tar"):
            add_tars(tmp_path / "w", [tar])
        assert not list((tmp_path / "w" / "shards").glob("*.json"))


def test_the_others_are_added_where_some_tars_are_empty_damaged_or_missing(
    tmp_path: Path,
) -> None:
    tars = [tar_of(tmp_path / "0.tar", {"a.jpg": photo(1)})]
    # As img2dataset writes one when every URL of a shard failed.
    tars.append(tar_of(tmp_path / "1.tar", {}))
    tars.append(tar_of(tmp_path / "2.tar", {"b.jpg": photo(2), "c.jpg": photo(3)}))
    tars[2].write_bytes(tars[2].read_bytes()[:1000])
    tars.append(tmp_path / "3.tar")
    tars.append(tar_of(tmp_path / "4.tar", {"d.jpg": photo(4)}))
    words = ["add", "--work", str(tmp_path / "w"), *map(str, tars)]
    answer = CliRunner().invoke(main, words[:-2] + words[-1:])
    assert answer.exit_code == 1
    for number, count in ((0, "1 image"), (1, "0 images"), (4, "1 image")):
        assert f"{tars[number]}: {count}, 0 failed\n" in answer.stdout
    assert f"{tars[2]} is cut short" in answer.stderr
    assert names(tmp_path / "w") == ["a", "d"]
    with pytest.raises(OSError, match=r"2 failed: no file.*3\.tar; .*2\.tar is cut"):
        add_tars(tmp_path / "v", tars)
    assert names(tmp_path / "v") == ["a", "d"]
    # With the bad one whole again, the same command adds the rest.
    tar_of(tars[2], {"b.jpg": photo(2), "c.jpg": photo(3)})
    tar_of(tars[3], {"e.jpg": photo(5)})
    add_tars(tmp_path / "v", tars)
    assert sorted(names(tmp_path / "v")) == ["a", "b", "c", "d", "e"]


def test_a_stop_leaves_rows_for_what_was_added(
    tmp_path: Path,
) -> None:
    tars = [tar_of(tmp_path / f"{n}.tar", {f"{n}.jpg": photo(n)}) for n in range(3)]

    def stop(row: Added) -> None:
        if row["path"] == str(tars[1]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_tars(tmp_path / "w", tars, on_row=stop)
    assert names(tmp_path / "w") == ["0", "1"]
    add_tars(tmp_path / "w", tars)
    assert names(tmp_path / "w") == ["0", "1", "2"]


def test_a_file_that_cannot_be_read_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}.jpg").write_bytes(photo(number))
    # Gone between the look at the folder and its turn.
    gone = tmp_path / "in" / "1.jpg"
    inputs = find_inputs([tmp_path / "in"], Failures())
    gone.unlink()
    failures = Failures()
    pictures = pictures_of(inputs[0], failures, tmp_path, None, None)
    assert [picture.path for picture in pictures] == ["in/0.jpg", "in/2.jpg"]
    with pytest.raises(FileNotFoundError, match=r"1\.jpg"):
        failures.raise_any()


def test_names_of_any_length_are_packed(tmp_path: Path) -> None:
    long = "a" * 130
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{long}.jpg").write_bytes(photo(1))
    add_tars(tmp_path / "w", [tmp_path / "in"])
    longest = "b" * 240
    (tmp_path / "in" / f"{longest}.jpg").write_bytes(photo(2))
    add_tars(tmp_path / "w", [tmp_path / "in"])
    stored: dict[str, bytes] = {}
    for shard in shards.list_shards(tmp_path / "w"):
        stored |= images(shard)
    # A release takes no longer names; the path has all of it.
    assert stored == {long: photo(1), "b" * 140: photo(2)}
    table = Workspace(tmp_path / "w").table()
    assert table["path"].to_pylist() == [f"in/{long}.jpg", f"in/{longest}.jpg"]


def test_a_tar_that_changed_after_it_was_added_is_refused(tmp_path: Path) -> None:
    tar = tar_of(tmp_path / "a.tar", {"1.jpg": photo(1)})
    add_tars(tmp_path / "w", [tar])
    tar_of(tar, {"1.jpg": photo(2)})
    with pytest.raises(ValueError, match="was changed"):
        add_tars(tmp_path / "w", [tar])


def test_nothing_to_add_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        add_tars(tmp_path / "w", [tmp_path / "absent.tar"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no tars or images"):
        add_tars(tmp_path / "w", [tmp_path / "empty"])
    with pytest.raises(ValueError, match="holds no images"):
        add_tars(tmp_path / "w", [tar_of(tmp_path / "a.tar", {"a.txt": b"x"})])
    text = tmp_path / "a.txt"
    text.write_text("x")
    with pytest.raises(ValueError, match="1 text or JSON beside no picture"):
        add_tars(tmp_path / "w", [text])
    text = tmp_path / "a.pdf"
    text.write_text("%PDF")
    with pytest.raises(ValueError, match="of no kind that can be added"):
        add_tars(tmp_path / "w", [text])


def test_loose_images_keep_their_json_and_posts_keep_their_rows(tmp_path: Path) -> None:
    folder, work = tmp_path / "in", tmp_path / "w"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(photo(1))
    (folder / "a.json").write_text('{"prompt": "a cat"}')
    (folder / "deep" / "a.png").write_bytes(photo(2, "PNG"))
    work.mkdir()
    post = pa.table(
        {
            "id": ["9"],
            "image_name": ["8"],
            "like_count": pa.array([3], pa.int64()),
            "source": ["x"],
        }
    )
    pq.write_table(post, work / "images.parquet")
    add_tars(work, [folder], group_key="prompt")
    table = Workspace(work).table()
    rows = {row["image_name"]: row for row in table.to_pylist()}
    assert rows["8"]["like_count"] == 3
    assert rows["a"]["group"] == "a cat"
    assert len(rows) == 3
    columns.require(
        table, ("id", "image_name", "group", "source", "like_count"), "images.parquet"
    )


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    private, folder = tmp_path / "private", tmp_path / "photos"
    (private / "deep").mkdir(parents=True)
    folder.mkdir()
    (private / "passport.jpg").write_bytes(photo(1))
    (private / "deep" / "letter.png").write_bytes(photo(2, "PNG"))
    (private / "b.json").write_text('{"secret": 1}')
    tar_of(private / "diary.tar", {"9.jpg": photo(9)})
    (folder / "a.jpg").write_bytes(photo(3))
    (folder / "b.jpg").write_bytes(photo(4))
    (folder / "again.jpg").symlink_to("a.jpg")
    (folder / "b.json").symlink_to(private / "b.json")
    (folder / "x.jpg").symlink_to(private / "passport.jpg")
    (folder / "x.tar").symlink_to(private / "diary.tar")
    (folder / "album").symlink_to(private, target_is_directory=True)
    (folder / "nothing.jpg").symlink_to(tmp_path / "nothing.jpg")
    (folder / "pipe.tar").mkdir()
    report = add_tars(tmp_path / "w", [folder]).to_pylist()
    assert [row["images"] for row in report] == [3]
    assert reasons(report[0]) == {LINK: 5}
    assert sorted(names(tmp_path / "w")) == ["a", "again", "b"]
    with tarfile.open(shards.list_shards(tmp_path / "w")[0].tar) as tar:
        assert sorted(tar.getnames()) == ["a.jpg", "again.jpg", "b.jpg"]
    said = CliRunner().invoke(main, ["add", "--work", str(tmp_path / "v"), str(folder)])
    assert (
        f"left out: 5 links out of the folder, not followed, such as {folder / 'album'}"
        in said.output
    )


def test_a_link_that_is_given_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.jpg").write_bytes(photo(1))
    (tmp_path / "folder").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "b.jpg").symlink_to(tmp_path / "real" / "a.jpg")
    assert add_tars(tmp_path / "v", [tmp_path / "folder"])["images"].to_pylist() == [1]
    assert add_tars(tmp_path / "w", [tmp_path / "b.jpg"])["images"].to_pylist() == [1]


def test_only_links_are_said(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.jpg").write_bytes(photo(1))
    (tmp_path / "folder" / "a.jpg").symlink_to(tmp_path / "a.jpg")
    with pytest.raises(
        ValueError,
        match=r"no tars or images in .*; 1 links out of the folder, not followed",
    ):
        add_tars(tmp_path / "w", [tmp_path / "folder"])


def test_a_member_larger_than_any_image_is_a_failed_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "twigma.rehydrate.sources.own_files.tar_samples.MAX_IMAGE", 100_000
    )
    tar = tar_of(
        tmp_path / "a.tar", {"1.jpg": photo(1), "2.jpg": photo(1) + bytes(100_000)}
    )
    assert add_tars(tmp_path / "w", [tar]).to_pylist()[0]["failed"] == 1
    rows = {
        row["image_name"]: row["status"]
        for row in shards.read_sidecars(tmp_path / "w").to_pylist()
    }
    assert rows == {"1": "success", "2": "too_large"}
