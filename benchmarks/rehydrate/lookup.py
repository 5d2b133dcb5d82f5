"""Looking up 800,000 ids at the speed that the server allows, and making the images table: `twigma rehydrate --ids`.

The demo's platform answers from a process of its own, for posts that are made from their ids. It allows X's 3,500 calls
a window, and the window is shortened so that the run takes minutes. `python -m benchmarks.rehydrate.lookup [IDS
[WINDOW]]`.
"""

import csv
import math
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx2
import pyarrow.parquet as pq

from benchmarks.harness.interleaved import memory
from benchmarks.harness.invented_posts import name_post, serving, truth
from twigma.core.workspace import Workspace
from twigma.demo.platform.x_api import LIMITS, LOOKUP
from twigma.rehydrate.sources.x.client import IDS_PER_CALL, XClient
from twigma.rehydrate.sources.x.dialects import FIELDS
from twigma.rehydrate.sources.x.lookup import Lookup, lookup

IDS, WINDOW = 800_000, 100  # posts, seconds
X_WINDOW = 900
PROBE = 200  # calls that tell how long the server itself takes
WARM = 0.1  # of the rows; memory is counted from there


# ------------------------------------------------------------------ measuring


@dataclass(frozen=True)
class Sample:
    """How a run stands: seconds, CPU seconds, MB of memory, ids asked, parts of pages parsed."""

    time: float
    cpu: float
    memory: float
    asked: int
    parts: int


@dataclass
class Watch:
    """Samples of a run in this process, taken five times a second by a thread."""

    work: Workspace
    client: "CountingClient"
    samples: list[Sample] = field(default_factory=list)

    def __enter__(self) -> "Watch":
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            parts = len(list(self.work.parsed_pages.glob("[a-z]*.arrow")))
            now = Sample(
                time.perf_counter(),
                time.process_time(),
                memory("VmRSS"),
                self.client.asked,
                parts,
            )
            self.samples.append(now)
            if self._end.wait(0.2):
                return

    @cached_property
    def switch(self) -> int:
        """The first sample after the last call."""
        last = self.samples[-1].asked
        return next(
            at for at, sample in enumerate(self.samples) if sample.asked == last
        )


class CountingClient(XClient):
    """The client, with the ids it has asked counted."""

    asked = 0

    def lookup(self, ids: Any, *options: Any, **named: Any) -> dict[str, Any]:
        """As XClient does."""
        page = super().lookup(ids, *options, **named)
        self.asked += len(ids)
        return page


def growth(samples: list[Sample], done: list[int], rows: int) -> float:
    """MB of memory per 10,000 rows: from the first tenth to the highest point after it."""
    warm = next(at for at, n in enumerate(done) if n >= WARM * done[-1])
    highest = max(sample.memory for sample in samples[warm:])
    grown = highest - samples[warm].memory
    return grown / (rows * (1 - WARM)) * 10_000


def server_seconds() -> float:
    """How long the server itself takes for a call, by a client that throws the answer away."""
    with (
        serving(X_WINDOW) as url,
        httpx2.Client(headers={"Authorization": "Bearer token"}) as bare,
    ):
        ids = ",".join(name_post(n) for n in range(IDS_PER_CALL))
        params = {"ids": ids, **FIELDS["legacy"]}
        start = time.perf_counter()
        for _ in range(PROBE):
            bare.get(url + LOOKUP, params=params).raise_for_status()
        return (time.perf_counter() - start) / PROBE


# ------------------------------------------------------------------ the runs


def first_run(work: Workspace, ids: list[str], window: int) -> None:
    """Everything is asked; print what it took."""
    calls = math.ceil(len(ids) / IDS_PER_CALL)
    call = server_seconds()
    with (
        serving(window) as url,
        CountingClient(url, "token") as client,
        Watch(work, client) as watch,
    ):
        found = lookup(work, ids, client)
    asking, parsing = watch.samples[: watch.switch + 1], watch.samples[watch.switch :]
    seconds = asking[-1].time - asking[0].time
    # The allowed time: whole windows of waiting, then the last calls at the server's own speed.
    limit = LIMITS[LOOKUP]
    windows, last_calls = divmod(calls - 1, limit)
    rest = (last_calls + 1) * call
    real = seconds + windows * (X_WINDOW - window)
    allowed = (windows * window + rest) / seconds
    allowed_by_x = (windows * X_WINDOW + rest) / real
    speed = len(ids) / seconds
    print(
        f"look-up  {len(ids):,} ids in {calls:,} calls, {limit:,} a window of {window} s"
    )
    print(
        f"         {seconds:.1f} s, {speed:,.0f} ids/s: {allowed:.1%} of the speed allowed:",
        end=" ",
    )
    print(
        f"{windows} windows, then {rest:.1f} s, {1000 * call:.1f} ms a call of the server"
    )
    print(f"         in windows of {X_WINDOW} s these times come to {allowed_by_x:.1%}")
    report(asking, [sample.asked for sample in asking], len(ids), "ids")
    rows = pq.read_metadata(work.images_file).num_rows
    print(f"parsing  {rows:,} photos in {parsing[-1].time - parsing[0].time:.1f} s")
    report(parsing, [sample.parts for sample in parsing], rows, "photos")
    judge(found, len(ids), rows)


def report(samples: list[Sample], done: list[int], rows: int, what: str) -> None:
    """Print CPU and memory of one part of a run."""
    cpu = samples[-1].cpu - samples[0].cpu
    top = max(sample.memory for sample in samples)
    grown = growth(samples, done, rows)
    print(
        f"         {cpu:.1f} s CPU, {top:,.0f} MB at most, {grown:+.2f} MB per 10,000 {what} after the first tenth"
    )


def judge(found: Lookup, count: int, rows: int) -> None:
    """Print whether every id and every photo is where the world's rules put it."""
    outcomes, photos = truth(count)
    counts = {name: n for name, n in found.outcomes.items() if n}
    right = counts == dict(outcomes) and rows == photos
    verdict = "as planted" if right else "WRONG"
    total = sum(counts.values())
    print(f"counts   {counts}, sum {total:,}; {rows:,} photos: {verdict}")
    assert right, f"expected {outcomes} and {photos:,} photos"


def second_run(work: Workspace) -> None:
    """Nothing is left to do of all ids but those that X passed over, which are asked again; print what that takes."""
    before = work.images_file.read_bytes()
    with work.outcomes_file.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        ids = [row["id"] for row in rows if row["outcome"] != "absent"]
    start, cpu = time.perf_counter(), time.process_time()
    with XClient("http://127.0.0.1:9", "token") as nowhere:
        assert lookup(work, ids, nowhere).asked == 0
    seconds, spent = time.perf_counter() - start, time.process_time() - cpu
    same = work.images_file.read_bytes() == before
    times = f"{seconds:.1f} s, {spent:.1f} s CPU"
    print(f"again    nothing to ask or parse: {times}; the table unchanged: {same}")


def main(count: int = IDS, window: int = WINDOW) -> None:
    """Print the figures of both runs."""
    ids = [name_post(n) for n in range(count)]
    random.Random(0).shuffle(ids)
    with tempfile.TemporaryDirectory() as folder:
        work = Workspace(folder)
        first_run(work, ids, window)
        pages = work.page_file("lookup").stat().st_size / 1e6
        table = work.images_file.stat().st_size / 1e6
        print(f"disk     {pages:,.0f} MB of pages, {table:,.0f} MB of images table")
        second_run(work)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
