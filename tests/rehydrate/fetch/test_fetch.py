import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.odd_answers import captive_portal
from support.servers import Host
from support.worlds import (
    PLANTED,
    ROWS,
    alive,
    content,
    descendants,
    name,
    photo,
    populate,
    start,
    wait_until,
)

from twigma.core.workspace import Workspace
from twigma.rehydrate.fetch.fetch import fetch
from twigma.rehydrate.fetch.http.client import Limits
from twigma.rehydrate.images import shards

COUNT = 65


@pytest.fixture(scope="module")
def clean(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, Host, pa.Table]]:
    """A working folder fetched without any trouble, and the host it came from."""
    work = tmp_path_factory.mktemp("clean")
    with Host() as host:
        populate(work, host, COUNT)
        yield (
            work,
            host,
            fetch(work, image_base_url=host.url, rows_per_shard=ROWS, processes=2),
        )


def test_every_photo_has_one_row_with_the_class_it_was_given(
    clean: tuple[Path, Host, pa.Table],
) -> None:
    work, _, counts = clean
    rows = {row["image_name"]: row for row in shards.read_sidecars(work).to_pylist()}
    assert len(rows) == COUNT
    for number in range(COUNT):
        assert rows[name(number)]["status"] == PLANTED.get(number, "success"), number
        assert (rows[name(number)]["error"] is None) == (number not in PLANTED)
    assert dict(zip(*counts.to_pydict().values(), strict=True))[
        "success"
    ] == COUNT - len(PLANTED)


def test_bytes_are_those_of_the_host_and_blocks_follow_the_sidecar(
    clean: tuple[Path, Host, pa.Table],
) -> None:
    work, _, _ = clean
    found = [shards.read_images(shard, 4) for shard in shards.list_shards(work)]
    images = {
        row["image_name"]: row["image"]
        for blocks in found
        for block in blocks
        for row in block.to_pylist()
    }
    numbers = [number for number in range(COUNT) if number not in PLANTED]
    assert list(images) == [name(number) for number in numbers]
    assert all(
        images[name(n)] == photo(n, "PNG" if n % 7 == 2 and n != 10 else "JPEG")
        for n in numbers
    )


def test_a_second_run_asks_nothing_imports_nothing_heavy_and_is_quick(
    clean: tuple[Path, Host, pa.Table],
) -> None:
    work, host, counts = clean
    before, asked = content(work), len(host.log)
    started = time.monotonic()
    assert fetch(work, image_base_url=host.url, rows_per_shard=ROWS) == counts
    assert time.monotonic() - started < 0.5
    assert (content(work), len(host.log)) == (before, asked)
    assert "img2dataset" not in sys.modules


def test_leftovers_are_put_away(clean: tuple[Path, Host, pa.Table]) -> None:
    work, _, _ = clean
    assert {path.suffix or path.name for path in (work / "shards").iterdir()} == {
        ".tar",
        ".parquet",
        ".json",
        ".lock",
        "plan",
    }


def test_other_settings_and_edited_lists_are_refused(
    clean: tuple[Path, Host, pa.Table], tmp_path: Path
) -> None:
    work, host, _ = clean
    with pytest.raises(ValueError, match="was fetched with"):
        fetch(work, image_base_url=host.url, size="orig")
    with pytest.raises(ValueError, match="choose one of"):
        fetch(work, size="huge")
    copy = tmp_path / "copy"
    shutil.copytree(work, copy)
    listed = copy / "shards" / "plan" / "00001.parquet"
    pq.write_table(pq.read_table(listed).slice(1), listed)
    with pytest.raises(ValueError, match="is not the list"):
        fetch(copy, image_base_url=host.url)
    with pytest.raises(FileNotFoundError, match="no images table"):
        fetch(tmp_path)


def test_the_books_are_checked(
    clean: tuple[Path, Host, pa.Table], tmp_path: Path
) -> None:
    work, host, _ = clean
    copy = tmp_path / "copy"
    shutil.copytree(work, copy)
    for kind in ("tar", "parquet", "json"):
        shutil.copy(
            copy / "shards" / f"00001.{kind}", copy / "shards" / f"00009.{kind}"
        )
    with pytest.raises(RuntimeError, match=f"{ROWS} rows too many"):
        fetch(copy, image_base_url=host.url)
    for bad in ("../5", "1.5", "", None):
        pq.write_table(
            pa.table({"image_name": pa.array([bad], pa.string()), "url": ["u"]}),
            tmp_path / "images.parquet",
        )
        with pytest.raises(ValueError, match="is no media id"):
            fetch(tmp_path)
    pq.write_table(
        pa.table({"image_name": ["1"], "url": ["u"]}).slice(1),
        tmp_path / "images.parquet",
    )
    assert len(fetch(tmp_path)) == 0


def test_lost_damaged_and_doubled_shards(
    clean: tuple[Path, Host, pa.Table], tmp_path: Path
) -> None:
    """New posts go to a new shard; a shard whose manifest is empty is made again; finished ones stay as they are."""
    work, host, _ = clean
    copy = tmp_path / "copy"
    shutil.copytree(work, copy)
    before = content(copy)
    (copy / "shards" / "00002.json").write_text(
        ""
    )  # img2dataset takes an empty file for a finished shard
    table = pq.read_table(copy / "images.parquet")
    new = pa.table(
        {
            "id": ["5", "6"],
            "image_name": ["5", "6"],
            "url": ["https://pbs.twimg.com/media/n0.jpg", None],
        }
    )
    pq.write_table(pa.concat_tables([new, table]), copy / "images.parquet")
    host.answers["/media/n10"] = photo(10)
    counts = fetch(
        copy, image_base_url=host.url, rows_per_shard=ROWS, image_size=None, processes=1
    )
    after = content(copy)
    assert set(after) - set(before) == {"00007.tar", "00007.parquet"}
    assert {key: after[key] for key in before} == before
    assert sum(counts["images"].to_pylist()) == COUNT + 2
    rows = {
        row["image_name"]: row["status"]
        for row in shards.read_sidecars(copy).to_pylist()
    }
    assert (rows["5"], rows["6"]) == ("success", "refused")


def test_passing_failures_are_tried_again_in_a_new_shard(tmp_path: Path) -> None:
    with Host() as host:
        populate(tmp_path, host, ROWS)
        host.answers["/media/n0"] = 500
        options = {
            "image_base_url": host.url,
            "rows_per_shard": ROWS,
            "limits": Limits(retries=0),
            "processes": 1,
        }
        assert "http_5xx" in fetch(tmp_path, **options)["status"].to_pylist()
        host.answers["/media/n0"] = photo(0)
        first = content(tmp_path)
        counts = fetch(tmp_path, retry=["failed"], image_size=None, **options)
    assert "http_5xx" not in counts["status"].to_pylist()
    rows = shards.read_sidecars(tmp_path)
    assert sorted(rows["image_name"].to_pylist()) == [
        name(number) for number in range(ROWS)
    ]
    assert content(tmp_path).items() > first.items()
    assert sorted(set(content(tmp_path)) - set(first)) == ["00001.parquet", "00001.tar"]


BLOCKED = {0: 401, 1: 403, 2: 451, 3: 408, 4: 425, 5: captive_portal}


def test_blocked_photos_are_tried_again_and_final_ones_only_by_name(
    tmp_path: Path,
) -> None:
    with Host() as host:
        populate(tmp_path, host, 11)
        host.answers.update({f"/media/n{n}": code for n, code in BLOCKED.items()})
        options: dict[str, Any] = {
            "image_base_url": host.url,
            "limits": Limits(retries=0),
            "processes": 1,
        }
        before = by_status(fetch(tmp_path, **options))
        assert {"http_401", "http_403", "http_408", "http_425"} < set(before)
        populate(tmp_path, host, 11)
        host.answers["/media/n9"] = photo(9)
        host.answers["/media/n8"] = photo(8)
        host.answers["/media/n10"] = photo(10)
        after = by_status(fetch(tmp_path, retry=["failed"], **options))
        # 3 and 4 answer 404 and 410 now, 5 a page, 6 half an image; 7 is in a private network, 8 was opted out.
        final = {"http_404": 1, "http_410": 1, "not_an_image": 1, "refused": 1}
        assert after == {"success": 5, "decode": 1, "noai": 1} | final
        once_more = by_status(fetch(tmp_path, retry=["noai"], **options))
        assert once_more == {"success": 6, "decode": 1} | final
        with pytest.raises(
            ValueError, match=r"classes of failure.*http_451.*found gone"
        ):
            fetch(tmp_path, retry=["gone"], **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_base_url": "images.lab"}, "TWIGMA_IMAGE_URL.*'images.lab'"),
        ({"allow_hosts": ["http://images.lab"]}, "TWIGMA_ALLOW_HOSTS.*'http://im"),
    ],
)
def test_an_address_that_is_none_is_refused_before_a_photo_is_marked(
    options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with Host() as host:
        populate(tmp_path, host, 3)
        with pytest.raises(ValueError, match=words):
            fetch(tmp_path, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["images.parquet"]


def by_status(counts: pa.Table) -> dict[str, int]:
    return dict(zip(*counts.to_pydict().values(), strict=True))


def test_larger_images_can_be_shrunk_and_keep_their_turn(tmp_path: Path) -> None:
    with Host() as host:
        populate(tmp_path, host, 3)
        fetch(tmp_path, image_base_url=host.url, image_size=80, processes=1)
    rows = shards.read_sidecars(tmp_path).to_pylist()
    assert {(row["width"], row["height"], row["member"][-4:]) for row in rows} == {
        (80, 60, ".jpg")
    }


def folder_is_clean_run(work: Path, host: Host, clean: Path) -> None:
    before = len(host.log)
    fetch(work, image_base_url=host.url, rows_per_shard=ROWS, processes=2)
    assert content(work) == content(clean)
    assert not (work / "shards" / ".attempts").exists()
    assert len(host.log) - before <= COUNT + 5


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_ended_at_any_moment_it_leaves_no_orphans_and_goes_on(
    number: signal.Signals, clean: tuple[Path, Host, pa.Table], tmp_path: Path
) -> None:
    rng = random.Random(number)
    with Host() as host:
        populate(tmp_path, host, COUNT, pause=0.05)
        for _ in range(2 if number == signal.SIGKILL else 1):
            asked = len(host.log) + rng.randrange(1, COUNT // 2)
            process = start(tmp_path, host)
            wait_until(lambda asked=asked: len(host.log) >= asked)
            below = descendants(process.pid)
            assert len(below) >= 2
            process.send_signal(number)
            assert process.wait(5) != 0
            wait_until(lambda below=below: not any(map(alive, below)), 5)
        host.answers["/media/n10"] = photo(10)
        folder_is_clean_run(tmp_path, host, clean[0])


def test_killed_workers_and_a_killed_pool_are_replaced(
    clean: tuple[Path, Host, pa.Table], tmp_path: Path
) -> None:
    with Host() as host:
        populate(tmp_path, host, COUNT, pause=0.05)
        host.answers["/media/n10"] = photo(10)
        process = start(tmp_path, host)
        for asked in (5, 20):
            wait_until(lambda asked=asked: len(host.log) >= asked)
            pool = [pid for pid in descendants(process.pid) if os.getpgid(pid) == pid]
            workers = descendants(pool[0])
            os.kill(workers[-1], signal.SIGKILL)
        wait_until(lambda: len(host.log) >= 40)
        os.kill(pool[0], signal.SIGKILL)
        assert process.wait(60) == 0
    assert content(tmp_path) == content(clean[0])


def test_a_second_run_on_one_folder_ends_at_once(
    clean: tuple[Path, Host, pa.Table],
) -> None:
    work, host, _ = clean
    with (
        Workspace(work).lock_shards(),
        pytest.raises(RuntimeError, match="another process"),
    ):
        fetch(work, image_base_url=host.url)


def test_a_full_disk_is_said_and_the_run_can_go_on(tmp_path: Path) -> None:
    """On a real file system of 2 MB; needs the right to mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=1200k none {disk} 2>/dev/null"):
        pytest.skip("no right to mount a small file system here")
    try:
        with Host() as host:
            populate(disk / "work", host, ROWS)
            noise = bytes(random.Random(1).randbytes(400_000))
            ballast = disk / "ballast"
            ballast.write_bytes(noise)
            with pytest.raises(OSError, match="MB free"):
                fetch(
                    disk / "work",
                    image_base_url=host.url,
                    rows_per_shard=100,
                    processes=1,
                )
            ballast.unlink()
            for number in (
                0,
                1,
                2,
            ):  # larger than the estimate: the disk fills in the middle of the tar
                host.answers[f"/media/n{number}"] = photo(number) + noise
            with pytest.raises(OSError, match="disk is full"):
                fetch(
                    disk / "work",
                    image_base_url=host.url,
                    rows_per_shard=ROWS,
                    processes=1,
                )
            assert not list((disk / "work" / "shards").glob("*.tar"))
            os.system(f"mount -o remount,size=8m {disk}")
            counts = fetch(
                disk / "work", image_base_url=host.url, rows_per_shard=ROWS, processes=1
            )
            assert sum(counts["images"].to_pylist()) == ROWS
    finally:
        os.system(f"umount {disk}")
