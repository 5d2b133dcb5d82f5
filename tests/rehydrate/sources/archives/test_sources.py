"""Files, folders and zips, packed in every way: each archive is read alone, and a bad one stops no other."""

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support.archived import Row, archive, image, post, v1, write

from twigma.cli import main
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.sources.archives import import_archives as module
from twigma.rehydrate.sources.archives.import_archives import import_archives
from twigma.rehydrate.sources.archives.sources import find_files, is_archive_name

POSTS = [post(n) for n in range(3)]
LINES = b"".join(json.dumps(v1(one)).encode() + b"\n" for one in POSTS)


def names(work: Path) -> list[str]:
    return pq.read_table(work / "images.parquet")["image_name"].to_pylist()


def zstandard(data: bytes) -> bytes:
    return pa.compress(data, "zstd", asbytes=True)


EXPECTED = [str(image(10 * n)) for n in range(3)]
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard,
}


# With smaller blocks, several of them are before a cut in a file of a megabyte.
QUICK: dict[str, Callable[[bytes], bytes]] = {
    "bzip2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("pieces", [1, 3])
def test_a_packed_file_is_recognised_by_its_first_bytes(
    packer: str, pieces: int, tmp_path: Path
) -> None:
    pack = PACKERS[packer]
    lines = LINES.splitlines(keepends=True)
    file = tmp_path / "any.json"
    if pieces == 1:
        file.write_bytes(pack(LINES))
    else:  # as `cat a.gz b.gz` writes them
        file.write_bytes(b"".join(map(pack, lines)))
    result = import_archives(tmp_path / "w", [file])
    assert result.imported[file].records == 3
    assert names(tmp_path / "w") == EXPECTED


@pytest.mark.parametrize("packer", [name for name in PACKERS if name != "plain"])
def test_a_packed_file_that_is_cut_off_gives_what_is_before(
    packer: str, tmp_path: Path
) -> None:
    many = b"".join(
        json.dumps(v1(post(n)) | {"filler": os.urandom(40).hex()}).encode() + b"\n"
        for n in range(4000)
    )
    packed = QUICK.get(packer, PACKERS[packer])(many)
    file = tmp_path / "a.jsonl"
    file.write_bytes(packed[: len(packed) * 3 // 4])
    one = import_archives(tmp_path / "w", [file]).imported[file]
    assert 1000 < one.records < 4000
    assert one.skipped in (1, 2)  # the place of the cut, and the line it is in
    assert one.quarantine is not None
    reasons = one.quarantine.read_text()
    assert "the compressed file is cut off or damaged here: get it again" in reasons


def test_the_members_of_a_zip_are_archives_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "upload.bin"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("in/a.jsonl", json.dumps(v1(POSTS[0])))
        pack.writestr("in/b.jsonl.gz", gzip.compress(json.dumps(v1(POSTS[1])).encode()))
        pack.writestr("in/bad.json", "{}")
        pack.writestr("z.ndjson", json.dumps(v1(POSTS[2])))
        pack.writestr("__MACOSX/in/._a.jsonl", b"\x00\x05")
        pack.writestr("readme.txt", "hello")
    result = import_archives(tmp_path / "w", [file])
    assert list(result.imported) == [
        file / name for name in ("in/a.jsonl", "in/b.jsonl.gz", "z.ndjson")
    ]
    assert list(result.failures) == [file / "in/bad.json"]
    assert names(tmp_path / "w") == EXPECTED
    again = import_archives(tmp_path / "w", [file])
    assert all(one.before for one in again.imported.values())


def test_an_account_archive_gives_the_posts_that_are_still_there(
    tmp_path: Path,
) -> None:
    """`tweets.js`, and neither what the account deleted nor its messages."""
    file = tmp_path / "twitter-archive.zip"
    old = v1(POSTS[0])
    del old["user"]
    with zipfile.ZipFile(file, "w") as pack:
        for name, posts in (("tweets", [old]), ("deleted-tweets", [v1(POSTS[1])])):
            records = json.dumps([{"tweet": one} for one in posts], indent=2)
            part = name.replace("-", "_")
            pack.writestr(f"data/{name}.js", f"window.YTD.{part}.part0 = {records}")
        message = {
            "messageCreate": {"id": POSTS[2]["id"], "text": "x", "senderId": "1"}
        }
        conversation = {
            "dmConversation": {"conversationId": "1-2", "messages": [message]}
        }
        part = f"window.YTD.direct_messages.part0 = {json.dumps([conversation])}"
        pack.writestr("data/direct-messages.js", part)
    result = import_archives(tmp_path / "w", [file])
    assert list(result.imported) == [file / "data/tweets.js"]
    assert result.imported[file / "data/tweets.js"][:3] == (1, 1, 0)
    assert names(tmp_path / "w") == EXPECTED[:1]


def test_a_folder_of_academictwitter_pages(tmp_path: Path) -> None:
    """`data_ID.json` lists the posts of a page, `users_ID.json` is what came beside them."""
    folder = tmp_path / "data"
    folder.mkdir()
    for n in (1, 2):
        data, media, users = [], [], []
        for one in (post(2 * n), post(2 * n + 1)):
            media += one.pop("media")
            users.append(one.pop("author"))
            data.append(one)
        beside: Row = {"users": users, "tweets": []}
        if n == 1:  # media only where somebody expanded them
            beside["media"] = media
        name = data[-1]["id"]
        (folder / f"data_{name}.json").write_text(json.dumps(data))
        (folder / f"users_{name}.json").write_text(json.dumps(beside))
    (folder / "query").write_text("#aiart")
    result = import_archives(tmp_path / "w", [folder])
    assert len(result.imported) == 2 and not result.failures
    assert names(tmp_path / "w") == [str(image(20)), str(image(30))]
    table = pq.read_table(tmp_path / "w/images.parquet")
    assert table["follower_count"].to_pylist() == [102, 100]
    assert result.photos_unknown == 2
    with Ledger(tmp_path / "w") as ledger:
        assert ledger.not_looked_up() == [post(4)["id"], post(5)["id"]]


def test_one_bad_file_stops_no_other_and_the_command_says_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("a.jsonl"), archive("v1.1", POSTS[:1]))
    write(Path("b.jsonl"), ["{}"])
    Path("c.zip").write_bytes(b"PK\x03\x04 and nothing else")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as pack:
        pack.add("a.jsonl")
    Path("d.tar.gz").write_bytes(buffer.getvalue())
    Path("empty").mkdir()
    write(Path("z.jsonl"), archive("v1.1", POSTS[1:]))
    arguments = ["a.jsonl", "b.jsonl", "c.zip", "d.tar.gz", "empty", "none", "z.jsonl"]
    printed = CliRunner().invoke(main, ["import", *arguments])
    assert printed.exit_code == 1
    assert names(tmp_path / "work") == EXPECTED
    for line in (
        "a.jsonl: 1 record of posts, 1 id new to work",
        "z.jsonl: 2 records of posts, 2 ids new to work",
        "found line 1: no post: expected an id and a text, found nothing",
        "twigma: c.zip: expected a complete zip, found one that is cut off or damaged; get it again",
        "twigma: d.tar.gz: expected an archive of posts, found a tar: unpack it, and pass the folder",
        "twigma: empty: expected archives (.jsonl, .ndjson, .json, .csv or .tsv, each also packed), found 0 other",
        "twigma: no archive at none",
        "next: twigma rehydrate --work work",
    ):
        assert line in printed.output, line
    assert "5 of 7 archives cannot be used" in printed.output


def test_a_damaged_member_of_a_zip_is_named_and_stops_no_other(tmp_path: Path) -> None:
    files = {name: tmp_path / f"in/{name}.zip" for name in ("header", "page")}
    (tmp_path / "in").mkdir()
    write(tmp_path / "in/z.jsonl", archive("v1.1", POSTS))
    page = json.dumps([post(1)]) * 9
    for place, (name, file) in zip((30, 60), files.items(), strict=True):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
            pack.writestr("data_1.json", page)
            if name == "page":
                pack.writestr("users_1.json", json.dumps({"users": []}))
        damaged = bytearray(file.read_bytes())
        damaged[place] ^= 0xFF
        file.write_bytes(damaged)
    result = import_archives(tmp_path / "w", [tmp_path / "in"])
    assert names(tmp_path / "w") == EXPECTED
    damage = "the compressed file is cut off or damaged here: get it again"
    members = [file / "data_1.json" for file in files.values()]
    assert result.failures == {path: f"{path}: {damage}" for path in members}


def test_a_table_is_written_though_every_archive_is_bad(tmp_path: Path) -> None:
    import_archives(tmp_path, [write(tmp_path / "a.jsonl", archive("v1.1", POSTS))])
    (tmp_path / "images.parquet").unlink()
    result = import_archives(tmp_path, [write(tmp_path / "b.jsonl", ["{}"])])
    assert len(result.failures) == 1
    assert names(tmp_path) == EXPECTED


def test_a_full_disk_ends_the_import_and_the_table_has_what_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = write(tmp_path / "a.jsonl", archive("v1.1", POSTS[:1]))
    other = write(tmp_path / "b.jsonl", archive("v1.1", POSTS[1:]))
    import_archives(tmp_path / "w", [one])
    (tmp_path / "w/images.parquet").unlink()
    monkeypatch.setattr("twigma.rehydrate.posts.page_store.FREE_SPACE", 1 << 62)
    with pytest.raises(OSError, match="make room"):
        module.import_archives(tmp_path / "w", [other])
    assert names(tmp_path / "w") == EXPECTED[:1]


@pytest.mark.parametrize(
    ("name", "is_archive"),
    [
        ("a.jsonl", True),
        ("A.JSON.GZ", True),
        ("a.csv.zst", True),
        ("a.zip", True),
        ("data_12.json", True),
        ("users_12.json", False),
        ("tweets-part2.js", True),
        ("deleted-tweets.js", False),
        ("direct-messages.js", False),
        (".hidden.json", False),
        ("notes.txt", False),
    ],
)
def test_which_files_of_a_folder_are_archives(name: str, is_archive: bool) -> None:
    assert is_archive_name(name) == is_archive


def test_folders_that_our_commands_wrote_are_left_out_below_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("a.jsonl"), ["{", *archive("v1.1", POSTS)])
    Path("more").mkdir()
    write(Path("more/b.jsonl"), archive("twarc pages", POSTS[:1]))
    first = CliRunner().invoke(main, ["import", "a.jsonl"])
    assert first.exit_code == 0 and "  1 line skipped: work/quarantine-" in first.output
    manifest = {"dataset": "twigma", "files": {"croissant.json": {}}}
    for name, mark in (("release", manifest), ("own", {"dataset": "mine"})):
        Path(name).mkdir()
        write(Path(name, "posts.jsonl"), archive("v1.1", POSTS[:1]))
        Path(name, "MANIFEST.json").write_text(json.dumps(mark))
    found = [str(path) for path in find_files(Path())]
    assert found == [
        "a.jsonl",
        "more/b.jsonl",
        "own/MANIFEST.json",
        "own/posts.jsonl",
    ]
    again = CliRunner().invoke(main, ["import", "."])
    assert "work was written by twigma: no archive in it is imported" in again.stderr
    assert "release was written by twigma" in again.stderr
    assert "work/" not in again.stdout.replace("work/images.parquet", "")


@pytest.mark.parametrize("lines", [["id", "17", "18"], ["17", "18"], ['"17"'], ["17"]])
def test_a_file_of_ids_alone_is_a_list(lines: list[str], tmp_path: Path) -> None:
    file = tmp_path / "only.csv"
    file.write_text("\n".join(lines))
    result = import_archives(tmp_path / "w", [file])
    (reason,) = result.failures.values()
    assert reason.endswith(
        "found a list of ids alone: pass it to `twigma rehydrate --ids`"
    )
