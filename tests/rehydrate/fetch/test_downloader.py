"""Our Downloader inside img2dataset's own distributor, and what its worker pool does with a decoder that crashes."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
from support.servers import Host
from support.worlds import name, photo, populate, slow

from twigma.core.pools.task_event import TaskEvent

DISTRIBUTED = """
import sys
from twigma.rehydrate.fetch.fetch_worker import skip_unused_imports
skip_unused_imports()
from img2dataset.distributor import multiprocessing_distributor
from img2dataset.reader import Reader
from twigma.rehydrate.fetch.downloader import Downloader

if __name__ == "__main__":
    table, out, url, host = sys.argv[1:]
    reader = Reader(table, "parquet", "url", None, None, None, ["image_name"], 6, set(), out)
    downloader = Downloader(out, rows_per_shard=6, image_base_url=url, allow=[host])
    multiprocessing_distributor(1, downloader, reader, None, 0)
"""

CRASHING = """
import os, sys
from pathlib import Path
from twigma.rehydrate.fetch import fetch_worker, worker_pool
fetch_worker.skip_unused_imports()
from twigma.rehydrate.fetch.downloader import Downloader

class Crashing(Downloader):
    def normalize(self, data):
        if data.endswith(b"crash"):
            os.abort()
        return super().normalize(data)

table, out, url, host = sys.argv[1:]
downloader = Crashing("", rows_per_shard=20, image_base_url=url, allow=[host], connections=4, buffer=20_000)
task = fetch_worker.Task(0, table, out)
worker_pool.Pool(downloader, sys.stdout, 4 << 30).run([task], 1)
"""


def run(code: str, work: Path, host: Host) -> str:
    """Run a script that imports img2dataset, so that its warnings stay out of the tests."""
    script = work / "script.py"
    script.write_text(code)
    arguments = [
        str(work / "images.parquet"),
        str(work / "out"),
        host.url,
        host.url.removeprefix("http://"),
    ]
    (work / "out").mkdir()
    environment = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"}
    command = [sys.executable, "-W", "ignore", str(script), *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_pickles_to_the_workers_of_img2datasets_own_distributor(
    tmp_path: Path,
) -> None:
    with Host() as host:
        populate(tmp_path, host, 12)
        host.answers["/media/n10"] = photo(10)
        run(DISTRIBUTED, tmp_path, host)
    sidecars = sorted((tmp_path / "out").glob("*.parquet"))
    assert [path.name for path in sidecars] == [
        "00000.parquet",
        "00001.parquet",
        "00002.parquet",
    ]
    rows = [row for path in sidecars for row in pq.read_table(path).to_pylist()]
    assert [row["image_name"] for row in rows] == [
        name(number) for number in [*range(12), 0]
    ]
    assert len({row["key"] for row in rows}) == 13


TARRED = """
import sys
from twigma.rehydrate.fetch.fetch_worker import skip_unused_imports
skip_unused_imports()
from twigma.rehydrate.fetch.downloader import _member

for length, size in ((5, 0), (24, 1), (100, 512), (30, 90_000), (30, 20_000_000)):
    sys.stdout.buffer.write(b"".join(_member("1" * (length - 4) + ".jpg", bytes(size))))
sys.stdout.buffer.write(bytes(1024))
"""


def test_tar_members_are_those_that_tarfile_writes(tmp_path: Path) -> None:
    script, ours, theirs = (
        tmp_path / "script.py",
        tmp_path / "ours.tar",
        tmp_path / "theirs.tar",
    )
    script.write_text(TARRED)
    with ours.open("wb") as file:
        subprocess.run(
            [sys.executable, "-W", "ignore", str(script)],
            stdout=file,
            timeout=120,
            check=True,
        )
    with tarfile.open(theirs, "w", format=tarfile.USTAR_FORMAT) as tar:
        for length, size in (
            (5, 0),
            (24, 1),
            (100, 512),
            (30, 90_000),
            (30, 20_000_000),
        ):
            member = tarfile.TarInfo("1" * (length - 4) + ".jpg")
            member.size, member.mode = size, 0o444
            tar.addfile(member, io.BytesIO(bytes(size)))
    assert ours.read_bytes() == theirs.read_bytes()[: ours.stat().st_size]


def test_an_image_that_crashes_the_decoder_becomes_a_failed_row(tmp_path: Path) -> None:
    with Host() as host:
        populate(tmp_path, host, 12)
        host.answers["/media/n10"] = photo(10)
        host.answers["/media/n0"] = slow(photo(0), 0.5)
        host.answers["/media/n11"] = photo(11) + b"crash"
        events = run(CRASHING, tmp_path, host)
    lines = [line for line in events.splitlines() if line.startswith("{")]
    kinds = [TaskEvent.from_json(line).kind for line in lines]
    assert kinds.count("lost") == 3 and kinds[-1] == "done"
    rows = {
        row["image_name"]: row
        for row in pq.read_table(tmp_path / "out" / "00000.parquet").to_pylist()
    }
    assert rows[name(11)]["status"] == "decode"
    assert "crashed" in rows[name(11)]["error"]
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        found = {
            member.name: tar.extractfile(member).read()
            for member in tar
            if "json" not in member.name
        }  # type: ignore[union-attr]
    assert list(found.values()) == [
        photo(number, "PNG" if number == 2 else "JPEG") for number in (0, 1, 2, 10)
    ]
