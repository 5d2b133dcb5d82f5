"""Real commands as processes: the table they start from, their memory watched, and what they leave behind."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ..support.worlds import descendants

TWIGMA = str(Path(sys.executable).with_name("twigma"))
MB = 1 << 20
Watch = Callable[[list[int]], None]  # of process ids


class Run(NamedTuple):
    """How a command ended: exit code, seconds, most memory of it and its children in MB, and what it printed."""

    code: int
    seconds: float
    peak: int
    text: str


def twigma(
    *arguments: object,
    env: Mapping[str, str] | None = None,
    watch: Watch | None = None,
    timeout: float = 600,
) -> Run:
    """Run the command to its end (-9 where it had to be ended); `watch` is shown its processes ten times a second."""
    began, peaks = time.monotonic(), [0]

    def look(pids: list[int]) -> None:
        peaks.append(sum(map(_high_water, pids)))
        if watch:
            watch(pids)

    command, env = [TWIGMA, *map(str, arguments)], os.environ | dict(env or {})
    pipes = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
        "errors": "replace",
    }
    with (
        subprocess.Popen(command, env=env, **pipes) as process,
        _shown(process.pid, look),
    ):
        try:
            text = process.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            text = process.communicate()[0]
    return Run(process.returncode, time.monotonic() - began, max(peaks) >> 20, text)


def fetch(work: Path, *allowed: str, timeout: float = 600, **options: object) -> Run:
    """`twigma rehydrate` over the images table of `work`; `allowed` are URLs of private hosts."""
    hosts = ",".join(url.removeprefix("http://") for url in allowed)
    given = [
        part
        for name, value in options.items()
        for part in (f"--{name.replace('_', '-')}", value)
    ]
    env = {"TWIGMA_ALLOW_HOSTS": hosts}
    return twigma("rehydrate", "--work", work, *given, env=env, timeout=timeout)


def write_table(work: Path, urls: Mapping[str, str]) -> None:
    """The images table of photos given as `image_name` -> URL."""
    work.mkdir(parents=True, exist_ok=True)
    ids = [str(10**18 + at) for at in range(len(urls))]
    pq.write_table(
        pa.table({"id": ids, "image_name": list(urls), "url": list(urls.values())}),
        work / "images.parquet",
    )


def names(count: int) -> list[str]:
    """Media ids."""
    return [str(15 * 10**17 + at) for at in range(count)]


class Left(NamedTuple):
    """What a fetch left: the status of each photo, the image members of its tars, and what breaks invariant L."""

    statuses: dict[str, str]
    members: dict[str, bytes]
    faults: list[str]

    @property
    def counts(self) -> str:
        """Photos per status, as a phrase."""
        return ", ".join(
            f"{n:,} {status}"
            for status, n in Counter(self.statuses.values()).most_common()
        )


def left_by(work: Path, wanted: Iterable[str]) -> Left:
    """Read a working folder with nothing of ours: every photo in one row, every success in a tar as its hash says."""
    rows: list[dict[str, str]] = []
    members: dict[str, bytes] = {}
    faults = []
    for manifest in sorted((work / "shards").glob("[0-9]*.json")):
        facts, tar = json.loads(manifest.read_text()), manifest.with_suffix(".tar")
        if hashlib.sha256(tar.read_bytes()).hexdigest() != facts["sha256"]:
            faults.append(f"{tar.name} is not what its manifest says")
        rows += pq.read_table(manifest.with_suffix(".parquet")).to_pylist()
        members |= _images(tar)
    said = Counter(row["image_name"] for row in rows)
    faults += [f"{name} has {said[name]} rows" for name in wanted if said[name] != 1]
    faults += [f"{name} was not asked for" for name in said.keys() - set(wanted)]
    hashes = {
        row["member"]: row["sha256"] for row in rows if row["status"] == "success"
    }
    if hashes != {
        name: hashlib.sha256(data).hexdigest() for name, data in members.items()
    }:
        faults.append("the tars do not hold the successes")
    images = {name.partition(".")[0]: data for name, data in members.items()}
    return Left({row["image_name"]: row["status"] for row in rows}, images, faults[:5])


def _images(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {
            m.name: tar.extractfile(m).read()
            for m in tar
            if not m.name.endswith(".json")
        }  # type: ignore[union-attr]


@contextmanager
def _shown(pid: int, look: Watch) -> Iterator[None]:
    """While it lasts, show a process and its descendants to a function."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(0.1):
            look([pid, *descendants(pid)])

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _high_water(pid: int) -> int:
    """The most memory a process has held, in bytes."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) << 10 if found else 0
