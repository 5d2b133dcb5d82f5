"""A mirror and its store: what comes, what goes, who wins, and what a stopped or refused run leaves."""

import contextlib
import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gcp_storage_emulator.server import create_server
from support.object_store import contents, serving
from support.staging import encode, make_shard, pixels

from twigma.core.files import write_json
from twigma.core.storage import mirrors, object_store
from twigma.core.storage.address import mirror_folder, parse
from twigma.core.storage.mirrors import (
    is_mirrored,
    local_copy,
    mirrored,
    reading,
    size_of,
)
from twigma.core.storage.pull import Pull
from twigma.rehydrate.images.shards import is_finished, list_shards, read_images

WORK = "s3://lab/teams/ai-images"
KEY = "teams/ai-images"


@pytest.fixture
def store(monkeypatch, tmp_path):
    with serving(monkeypatch, tmp_path / "here") as server:
        yield server


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Makes this process another machine until it is called again."""
    machines = [tmp_path / "there", tmp_path / "here"]

    def move():
        monkeypatch.setenv("TWIGMA_MIRRORS", str(machines[0]))
        machines.reverse()

    return move


def test_what_is_finished_here_is_there_and_on_another_machine(store, elsewhere):
    with mirrored(WORK) as work:
        assert is_mirrored(work) and work.name == "ai-images"
        (work / "columns" / "embed").mkdir(parents=True)
        write_json(work / "models" / "pins.json", {"a": 1})
        (work / "columns" / "embed" / "00000.arrow").write_bytes(b"part")
        (work / ".embed.lock").touch()
        (work / "ledger.sqlite").write_bytes(b"ours")
        (work / "pages").mkdir()
        (work / "pages" / "posts.jsonl").write_bytes(b"bought")
    assert not is_mirrored(work)
    sent = {"models/pins.json", "columns/embed/00000.arrow", "pages.json"}
    assert set(store.files(KEY)) == sent
    elsewhere()
    with mirrored(WORK) as other:
        assert other != work and set(contents(other)) == sent
    with (
        pytest.raises(RuntimeError, match=f"are on .* below {work.parent}: run this"),
        mirrored(WORK, pages=True),
    ):
        pass


def test_the_other_machine_needs_the_lock_of_nobody(store, elsewhere):
    with mirrored(WORK):
        elsewhere()
        with mirrored(WORK):
            pass
        elsewhere()
        with (
            pytest.raises(RuntimeError, match="another command of this machine"),
            mirrored(WORK),
        ):
            pass
        with local_copy(WORK) as folder:
            assert is_mirrored(folder)


def test_changes_come_and_go(store):
    with mirrored(WORK) as work:
        write_json(work / "a.json", 1)
        write_json(work / "b.json", 1)
    store.put(f"{KEY}/a.json", b"2000")
    store.put(f"{KEY}/new/c.csv", b"new")
    store.delete(f"{KEY}/b.json")
    with mirrored(WORK) as work:
        assert contents(work) == {"a.json": b"2000", "new/c.csv": b"new"}
        (work / "new" / "c.csv").unlink()
    assert store.files(KEY) == {"a.json": b"2000"}


def test_nothing_is_copied_twice(store):
    with mirrored(WORK) as work:
        write_json(work / "a.json", 1)
    store.requests.clear()
    with mirrored(WORK):
        pass
    assert not [key for _, key in store.requests if key.endswith("a.json")]


def test_a_file_changed_on_both_sides_is_named_and_none_is_lost(store):
    with mirrored(WORK) as work:
        write_json(work / "images.json", 1)
        (work / "columns" / "embed").mkdir(parents=True)
        (work / "columns" / "embed" / "1.arrow").write_bytes(b"1")
    store.put(f"{KEY}/images.json", b"theirs")
    store.put(f"{KEY}/columns/embed/1.arrow", b"theirs")
    (work / "images.json").write_bytes(b"ours, longer")
    (work / "columns" / "embed" / "1.arrow").write_bytes(b"ours")
    with (
        pytest.raises(RuntimeError, match=r"^images.json was changed both in s3://"),
        mirrored(WORK),
    ):
        pass
    assert (work / "images.json").read_bytes() == b"ours, longer"
    assert store.files(KEY)["images.json"] == b"theirs"
    # Of a part either will do: its provenance says whether it is current.
    assert (work / "columns" / "embed" / "1.arrow").read_bytes() == b"theirs"
    (work / "images.json").unlink()
    with mirrored(WORK):
        assert (work / "images.json").read_bytes() == b"theirs"


def test_a_file_that_another_machine_wrote_meanwhile_is_not_overwritten(store, capsys):
    with (
        pytest.raises(RuntimeError, match="was changed by another machine while"),
        mirrored(WORK) as work,
    ):
        store.put(f"{KEY}/images.parquet", b"theirs")
        work.mkdir()
        (work / "images.parquet").write_bytes(b"ours")
    assert store.files(KEY) == {"images.parquet": b"theirs"}
    with pytest.raises(RuntimeError, match="changed both"), mirrored(WORK):
        pass
    with local_copy(WORK):  # read as it is
        assert "images.parquet was changed both in s3://" in capsys.readouterr().err


def deleted_before_it_is_read(store, monkeypatch):
    """Have another machine delete each file between its listing and its being read."""
    read = object_store.ObjectStore.read

    def gone(self, name, size, target):
        store.delete(f"{KEY}/{name}")
        read(self, name, size, target)

    monkeypatch.setattr(object_store.ObjectStore, "read", gone)


def test_a_file_that_is_deleted_since_it_was_listed_is_gone_here_too(
    store, monkeypatch
):
    with mirrored(WORK) as work:
        write_json(work / "a.json", 1)
    (work / "mine.json").write_bytes(b"ours")
    for name in ("a.json", "b.json", "mine.json"):
        store.put(f"{KEY}/{name}", b"theirs")
    deleted_before_it_is_read(store, monkeypatch)
    with mirrored(WORK) as work:
        assert contents(work) == {"mine.json": b"ours"}
    assert store.files(KEY) == {"mine.json": b"ours"}


def test_a_file_that_is_deleted_while_both_are_compared_is_sent(store, monkeypatch):
    deleted_before_it_is_read(store, monkeypatch)
    with mirrored(WORK) as work:
        store.put(f"{KEY}/images.parquet", b"theirs")
        work.mkdir()
        (work / "images.parquet").write_bytes(b"ours")
    assert store.files(KEY) == {"images.parquet": b"ours"}


def test_of_a_race_the_files_that_came_first_are_taken_together(
    store, elsewhere, capsys
):
    fit = {"columns/cluster/all.arrow", "models/cluster/centroids.arrow"}
    ours = {"models/cluster/crosswalk.csv"}
    sentence = "columns/cluster/all.arrow, .* were changed by another machine while"
    with pytest.raises(RuntimeError, match=sentence), mirrored(WORK) as work:
        elsewhere()
        with mirrored(WORK) as other:
            for name in fit:
                write(other / name, b"first")
        for name in fit | ours:
            write(work / name, b"second")
        write(work / "columns/embed/00000.arrow", b"part")
    capsys.readouterr()
    elsewhere()
    with mirrored(WORK):
        pass
    assert "another machine made columns/cluster/all" in capsys.readouterr().err
    assert contents(work) == store.files(KEY)
    assert contents(work) == dict.fromkeys(fit, b"first") | {
        "columns/embed/00000.arrow": b"part"
    }


def test_of_two_releases_the_one_that_came_first_is_taken(store, elsewhere):
    out = "s3://lab/released/twigma"
    names = ("MANIFEST.json", "metadata-1.parquet")
    with (
        pytest.raises(RuntimeError, match="changed by another machine while"),
        mirrored(out) as release,
    ):
        elsewhere()
        with mirrored(out) as other:
            for name in names:
                write(other / name, b"first")
        write(release / "MANIFEST.json", b"second")
        write(release / "metadata-2.parquet", b"second")
    elsewhere()
    with mirrored(out):
        assert (release / "MANIFEST.json").read_bytes() == b"first"
    files = store.files("released/twigma")
    assert files == dict.fromkeys(names, b"first")


def test_what_was_made_of_removed_images_is_not_sent(store, elsewhere):
    part, fit = Path("columns/embed/00000.arrow"), Path("models/cluster/map.arrow")
    with (
        pytest.raises(RuntimeError, match="images were removed from s3://lab/teams"),
        mirrored(WORK) as work,
    ):
        elsewhere()
        with mirrored(WORK) as other:
            write_json(other / "removed.json", 1)
        for name in (part, fit):
            write(work / name, b"made of them")
    assert set(store.files(KEY)) == {"removed.json"}
    assert not (work / part).exists() and not (work / fit).exists()


def test_what_was_sent_while_images_were_removed_is_taken_back(
    store, elsewhere, monkeypatch
):
    with mirrored(WORK) as work:
        write(work / "columns/embed/00000.arrow", b"part")
        mirror = mirrors._OPENED[work].mirror
        send = mirror.store.write

        def send_late(source, name):
            mark = send(source, name)
            store.put(f"{KEY}/removed.json", b"now")
            return mark

        monkeypatch.setattr(mirror.store, "write", send_late)
        with pytest.raises(RuntimeError, match="images were removed"):
            mirror.send("columns/embed/00000.arrow")
        assert set(store.files(KEY)) == {"removed.json"}
        Pull(mirror).run(to_read=False)


def test_what_a_killed_run_left_before_a_removal_is_discarded(store, elsewhere):
    with mirrored(WORK) as work:
        write(work / "columns/embed/00000.arrow", b"sent")
    write(work / "columns/embed/00000.arrow", b"made again, not sent")
    write(work / "columns/embed/00001.arrow", b"not sent")
    write(work / "columns/embed/.00002.checkpoint/0.arrow", b"begun")
    (work / "notes.txt").write_bytes(b"ours")
    elsewhere()
    with mirrored(WORK) as other:
        write_json(other / "removed.json", 1)
    elsewhere()
    with mirrored(WORK):
        write(work / "columns/embed/00003.arrow", b"new")
    names = {"columns/embed/00000.arrow", "columns/embed/00003.arrow"}
    assert set(store.files(KEY)) == {*names, "removed.json", "notes.txt"}
    assert store.files(KEY)["columns/embed/00000.arrow"] == b"sent"
    assert not (work / "columns/embed/.00002.checkpoint").exists()


def test_a_release_of_removed_images_is_not_sent(store, elsewhere):
    out = "s3://lab/released/twigma"
    with (
        pytest.raises(RuntimeError, match="images were removed from s3://lab/teams"),
        mirrored(WORK),
        mirrored(out) as release,
    ):
        elsewhere()
        with mirrored(WORK) as other:
            write_json(other / "removed.json", 1)
        write(release / "metadata.parquet", b"of them")
        write(release / "MANIFEST.json", b"{}")
    assert store.files("released/twigma") == {}
    with mirrored(out) as folder:
        assert contents(folder) == {}


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_the_same_file_from_another_machine_is_no_conflict(store):
    with mirrored(WORK) as work:
        work.mkdir()
        store.put(f"{KEY}/models/pins.json", b"1\n")
        write_json(work / "models" / "pins.json", 1)
    with mirrored(WORK) as work:
        assert contents(work) == {"models/pins.json": b"1\n"} == store.files(KEY)


def test_what_was_sent_and_not_noted_is_no_conflict(store):
    with mirrored(WORK) as work:
        write_json(work / "a.json", 1)
    for file in work.parent.glob(".store.sqlite*"):  # as after a kill, or a lost disk
        file.unlink()
    with mirrored(WORK):
        assert contents(work) == store.files(KEY)


def test_an_empty_bucket_empties_no_mirror(store):
    with mirrored(WORK) as work:
        write_json(work / "a.json", 1)
    store.delete(f"{KEY}/a.json")
    with (
        pytest.raises(RuntimeError, match=r"is empty, and had 1 files: check the"),
        mirrored(WORK),
    ):
        pass
    assert (work / "a.json").exists()


def test_a_mirror_that_is_deleted_meanwhile_deletes_nothing_there(store):
    with mirrored(WORK) as work:
        write_json(work / "a.json", 1)
    with (
        pytest.raises(RuntimeError, match="was deleted while this command ran"),
        mirrored(WORK) as work,
    ):
        shutil.rmtree(work)
    with mirrored(WORK) as work:
        assert set(contents(work)) == {"a.json"} == set(store.files(KEY))


def test_what_could_not_be_sent_is_sent_by_the_next_run(store):
    store.refuses = "00001"
    with (
        pytest.raises(OSError, match=r"00001\.\w+: access is denied"),
        mirrored(WORK) as work,
    ):
        make_shard(work, "00000", {"a": encode(pixels(1))})
        make_shard(work, "00001", {"b": encode(pixels(2))})
    there = set(store.files(KEY))
    assert "shards/00000.json" in there and "shards/00001.json" not in there
    store.refuses = ""
    store.requests.clear()
    with mirrored(WORK) as work:
        shards = list_shards(work)
        assert [shard.name for shard in shards] == ["00000", "00001"]
        assert all(map(is_finished, shards))
        assert not list(work.glob("shards/*.tar"))
        names = [read_images(shard) for shard in shards]
        assert [next(blocks)["image_name"].to_pylist() for blocks in names] == [
            ["a"],
            ["b"],
        ]
    assert store.reads(".tar") == {
        f"{KEY}/shards/00000.tar": 1,
        f"{KEY}/shards/00001.tar": 1,
    }
    assert not list(work.glob("shards/*.tar"))


def test_a_manifest_is_sent_after_its_tar(store):
    store.requests.clear()
    with mirrored(WORK) as work:
        make_shard(work, "00000", {"a": encode(pixels(1))})
    order = [
        key.rpartition("/")[2] for method, key in store.requests if method == "PUT"
    ]
    assert order == ["00000.tar", "00000.parquet", "00000.json"]


def test_a_freed_tar_goes_in_the_store(store):
    with mirrored(WORK) as work:
        make_shard(work, "00000", {"a": encode(pixels(1))})
        manifest = work / "shards" / "00000.json"
        write_json(manifest, json.loads(manifest.read_text()) | {"freed": "2026-11-30"})
        (work / "shards" / "00000.tar").unlink(missing_ok=True)
    assert set(store.files(KEY)) == {"shards/00000.json", "shards/00000.parquet"}


def test_a_tar_is_fetched_once_and_read_in_large_pieces(store, tmp_path):
    data = bytes(range(256)) * 80_000  # three requests
    with mirrored(WORK) as work:
        tar = work / "shards" / "00000.tar"
        tar.parent.mkdir(parents=True)
        tar.write_bytes(data)
    with mirrored(WORK) as work:
        assert not tar.exists() and size_of(tar) == len(data)
        store.requests.clear()
        with reading(tar), reading(tar):
            assert tar.read_bytes() == data
        assert not tar.exists()
    assert store.reads(".tar") == {f"{KEY}/shards/00000.tar": 3}


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("s3://nobody/work", "s3://nobody/work: there is no such bucket: create it"),
        (
            "s3://lab",
            "expected s3://BUCKET/FOLDER or gs://BUCKET/FOLDER, found s3://lab",
        ),
        (
            "s3://KEY:hidden@lab/work",
            "found one with a user or a key before the bucket",
        ),
        ("s3://lab/run#2", "found s3://lab/run with # after it"),
    ],
)
def test_an_address_that_cannot_be_used(store, address, sentence):
    with (
        pytest.raises((ValueError, OSError), match=sentence) as caught,
        mirrored(address),
    ):
        pass
    assert "hidden" not in str(caught.value)


def test_a_store_that_cannot_be_reached(store):
    with (
        pytest.raises(OSError, match="it cannot be reached: check the network"),
        mirrored(WORK) as work,
    ):
        store.close()
        write_json(work / "a.json", 1)
    assert (work / "a.json").exists()


def test_a_store_whose_scheme_is_missing(store, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url.removeprefix("http://"))
    with (
        pytest.raises(ValueError, match="expected AWS_ENDPOINT_URL to begin with http"),
        mirrored(WORK),
    ):
        pass


def test_a_store_that_is_slow_to_answer_is_named(store, monkeypatch, capsys):
    monkeypatch.setattr(object_store, "PATIENCE", 0)
    store.slow = 0.3
    with local_copy(WORK):
        pass
    assert f"waiting for {WORK} to answer" in capsys.readouterr().err


def test_mirrors_of_folders_in_each_other_are_apart():
    outer = mirror_folder(parse("s3://lab/a"))
    inner = mirror_folder(parse("s3://lab/a/b"))
    assert not inner.is_relative_to(outer) and outer.name == "a" and inner.name == "b"


@pytest.mark.parametrize("chunk", [100, 10], ids=["small", "large"])
def test_a_full_disk_here_is_no_error_of_the_store(store, tmp_path, monkeypatch, chunk):
    there = object_store.ObjectStore(parse(WORK))
    (tmp_path / "file").write_bytes(bytes(50))
    mark = there.write(tmp_path / "file", "images.parquet")
    monkeypatch.setattr(object_store, "CHUNK", chunk)
    with pytest.raises(OSError) as raised:
        there.read("images.parquet", mark.size, Path("/dev/full"))
    assert raised.value.errno == errno.ENOSPC
    assert "s3://" not in str(raised.value)


def test_google_cloud_storage(monkeypatch, tmp_path):
    monkeypatch.setenv("TWIGMA_MIRRORS", str(tmp_path / "here"))
    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="lab")
    server.start()
    port = server._api._httpd.server_port
    place = f"gs://anonymous@lab/ai/work?scheme=http&endpoint_override=127.0.0.1:{port}"
    try:
        with mirrored(place) as work:
            shard = make_shard(work, "00000", {"a": encode(pixels(1))})
            write_json(work / "a.json", 1)
            write_json(work / "b.json", 1)
        assert not shard.tar.exists() and is_mirrored(work) is False
        monkeypatch.setenv("TWIGMA_MIRRORS", str(tmp_path / "there"))
        with mirrored(place) as other:
            assert (
                next(read_images(*list_shards(other)))["image_name"][0].as_py() == "a"
            )
            (other / "a.json").unlink()
        monkeypatch.setenv("TWIGMA_MIRRORS", str(tmp_path / "here"))
        with mirrored(place) as work:
            assert {path.name for path in work.glob("*.json")} == {"b.json"}
    finally:
        server.stop()


CLOSED_WHILE_READ = """
import sys, threading
from pathlib import Path
from twigma.core.storage.catalogue import Catalogue, ClosedError

def read(catalogue, ends):
    try:
        while True:
            catalogue.find("a")
    except ClosedError:
        ends.append("closed")

for _ in range(50):
    catalogue, ends = Catalogue(Path(sys.argv[1]), "s3://a/b"), []
    readers = [threading.Thread(target=read, args=(catalogue, ends)) for _ in range(8)]
    for reader in readers:
        reader.start()
    catalogue.close()
    for reader in readers:
        reader.join()
    assert ends == ["closed"] * 8
"""


def test_a_catalogue_is_closed_while_threads_read_it(tmp_path):
    # In a process of its own, which Python 3.11 would crash.
    subprocess.run([sys.executable, "-c", CLOSED_WHILE_READ, tmp_path], check=True)


def test_a_file_is_sent_while_another_mirror_is_closed(store):
    with mirrored(WORK) as work, contextlib.ExitStack() as stack:
        stack.enter_context(mirrored("s3://lab/derived"))
        removals = mirrors._removals()
        stack.close()
        assert [each.learnt() for each in removals] == [0, 0]
        for each in removals:
            each.require_known()
        write_json(work / "models" / "pins.json", {"a": 1})
    assert "models/pins.json" in store.files(KEY)
