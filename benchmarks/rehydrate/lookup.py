"""Looking up 800,000 ids at the speed that the server allows, and making the images table: `twigma rehydrate --ids`.

The demo's platform answers from a process of its own, for posts that are made from their ids. It allows X's 3,500 calls
a window, and the window is shortened so that the run takes minutes. `python -m benchmarks.rehydrate.lookup [IDS
[WINDOW]]`.
"""

import base64
import contextlib
import datetime
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2
import pyarrow.parquet as pq

from benchmarks.harness.interleaved import memory
from twigma.demo.platform.server import LIMITS, LOOKUP, Platform
from twigma.demo.platform.x_responses import World
from twigma.rehydrate.sources.x.client import IDS_PER_CALL, XClient
from twigma.rehydrate.sources.x.dialects import FIELDS
from twigma.rehydrate.sources.x.lookup import Lookup, lookup

IDS, WINDOW = 800_000, 100  # posts, seconds
X_WINDOW = 900
PROBE = 200  # calls that tell how long the server itself takes
WARM = 0.1  # of the rows; memory is counted from there
FIRST, STEP = (
    1_300_000_000_000_000_000 >> 22,
    70_000,
)  # ms of the first post's id, and from one to the next
STATES = {
    3: "deleted",
    17: "deleted",
    31: "deleted",
    45: "protected",
    59: "suspended",
    73: "absent",
}
TEXT = "A portrait of the sea at dusk, oil on canvas, number {} #AIart #midjourney https://t.co/abcdefghij"


# ------------------------------------------------------------------ the world


class Made(Mapping[str, dict[str, Any]]):
    """A table of the world whose rows are made from their keys when asked for."""

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Posts(Made):
    """Post n: of a hundred, six are gone; every seventh of the rest has two photos, every fiftieth is a retweet."""

    def __getitem__(self, post: str) -> dict[str, Any]:
        n = number(post)
        counts = dict.fromkeys(
            ("like_count", "quote_count", "reply_count", "retweet_count"), n % 1000
        )
        made = datetime.datetime(2021, 1, 1) + datetime.timedelta(seconds=70 * n)
        text = ("RT @someone: " if is_retweet(n) else "") + TEXT.format(n)
        keys = [f"3_{post}"] + ([f"3_{int(post) + 1}"] if n % 7 == 0 else [])
        row = {
            "id": post,
            "author_id": str(n % 90_000),
            "created_at": made,
            "text": text,
            "lang": "en",
        }
        return (
            row
            | counts
            | {"possibly_sensitive": n % 9 == 0, "state": state(n), "media_keys": keys}
        )


class Media(Made):
    """The photo of a media key."""

    def __getitem__(self, key: str) -> dict[str, Any]:
        name = (
            base64.urlsafe_b64encode(int(key[2:]).to_bytes(8, "big")).decode()[:11]
            + "AbCd"
        )
        return {
            "media_key": key,
            "type": "photo",
            "name": name,
            "width": 1024,
            "height": 1024,
        }


def name_post(n: int) -> str:
    """The id of post n."""
    return str((FIRST + STEP * n) << 22 | n * 40_961 % (1 << 22))


def number(post: str) -> int:
    """Which post has this id."""
    return ((int(post) >> 22) - FIRST) // STEP


def state(n: int) -> str:
    """What the platform says of post n."""
    return STATES.get(n % 100, "live")


def is_retweet(n: int) -> bool:
    """Whether post n is a retweet, which has no row in the images table."""
    return n % 50 == 1


def truth(count: int) -> tuple[Counter[str], int]:
    """Outcomes of the first `count` posts, and how many photos they have, counted off the rules."""
    names = {"live": "found", "deleted": "not_found", "protected": "unauthorized"}
    outcomes = Counter(names.get(state(n), state(n)) for n in range(count))
    photos = sum(
        1 + (n % 7 == 0)
        for n in range(count)
        if state(n) == "live" and not is_retweet(n)
    )
    return outcomes, photos


def serve(window: int) -> None:
    """Serve the world until standard input ends; the first line printed is the address."""
    with Platform(World(Posts(), Media(), {}), window=window) as platform:
        print(platform.api_url, flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def serving(window: int) -> Iterator[str]:
    """The address of a platform in a process of its own."""
    command = [sys.executable, __file__, "serve", str(window)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


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

    work: Path
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
            parts = len(list((self.work / "pages" / "parsed").glob("[a-z]*.arrow")))
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

    def lookup(self, ids: Any, followers: bool = False) -> dict[str, Any]:
        """As XClient does."""
        page = super().lookup(ids, followers)
        self.asked += len(ids)
        return page


def growth(samples: list[Sample], done: list[int], rows: int) -> float:
    """MB of memory per 10,000 rows: from the first tenth to the highest point after it."""
    warm = next(at for at, n in enumerate(done) if n >= WARM * done[-1])
    return (
        (max(sample.memory for sample in samples[warm:]) - samples[warm].memory)
        / (rows * (1 - WARM))
        * 10_000
    )


def server_seconds() -> float:
    """How long the server itself takes for a call, by a client that throws the answer away."""
    with (
        serving(X_WINDOW) as url,
        httpx2.Client(headers={"Authorization": "Bearer token"}) as bare,
    ):
        ids = [name_post(n) for n in range(IDS_PER_CALL)]
        start = time.perf_counter()
        for _ in range(PROBE):
            bare.get(
                url + LOOKUP, params={"ids": ",".join(ids), **FIELDS["legacy"]}
            ).raise_for_status()
        return (time.perf_counter() - start) / PROBE


# ------------------------------------------------------------------ the runs


def first_run(work: Path, ids: list[str], window: int) -> None:
    """Everything is asked; print what it took."""
    calls, call = -(-len(ids) // IDS_PER_CALL), server_seconds()
    with (
        serving(window) as url,
        CountingClient(url, "token") as client,
        Watch(work, client) as watch,
    ):
        found = lookup(work, ids, client)
    asking, parsing = watch.samples[: watch.switch + 1], watch.samples[watch.switch :]
    seconds = asking[-1].time - asking[0].time
    windows, rest = (
        (calls - 1) // LIMITS[LOOKUP],
        ((calls - 1) % LIMITS[LOOKUP] + 1) * call,
    )
    real = seconds + windows * (X_WINDOW - window)
    print(
        f"look-up  {len(ids):,} ids in {calls:,} calls, {LIMITS[LOOKUP]:,} a window of {window} s"
    )
    allowed = f"{(windows * window + rest) / seconds:.1%} of the speed allowed"
    print(
        f"         {seconds:.1f} s, {len(ids) / seconds:,.0f} ids/s: {allowed}:",
        end=" ",
    )
    print(
        f"{windows} windows, then {rest:.1f} s, {1000 * call:.1f} ms a call of the server"
    )
    print(
        f"         in windows of {X_WINDOW} s these times come to {(windows * X_WINDOW + rest) / real:.1%}"
    )
    report(asking, [sample.asked for sample in asking], len(ids), "ids")
    rows = pq.read_metadata(work / "images.parquet").num_rows
    print(f"parsing  {rows:,} photos in {parsing[-1].time - parsing[0].time:.1f} s")
    report(parsing, [sample.parts for sample in parsing], rows, "photos")
    judge(found, len(ids), rows)


def report(samples: list[Sample], done: list[int], rows: int, what: str) -> None:
    """Print CPU and memory of one part of a run."""
    cpu, top = (
        samples[-1].cpu - samples[0].cpu,
        max(sample.memory for sample in samples),
    )
    grown = growth(samples, done, rows)
    print(
        f"         {cpu:.1f} s CPU, {top:,.0f} MB at most, {grown:+.2f} MB per 10,000 {what} after the first tenth"
    )


def judge(found: Lookup, count: int, rows: int) -> None:
    """Print whether every id and every photo is where the world's rules put it."""
    outcomes, photos = truth(count)
    given = {name: n for name, n in found.outcomes.items() if n}
    right = given == dict(outcomes) and rows == photos
    print(
        f"counts   {given}, sum {sum(given.values()):,}; {rows:,} photos: {'as planted' if right else 'WRONG'}"
    )
    assert right, f"expected {outcomes} and {photos:,} photos"


def second_run(work: Path, ids: list[str]) -> None:
    """Nothing is left to do; print what that takes."""
    before, start, cpu = (
        (work / "images.parquet").read_bytes(),
        time.perf_counter(),
        time.process_time(),
    )
    with XClient("http://127.0.0.1:9", "token") as nowhere:
        assert lookup(work, ids, nowhere).asked == 0
    seconds, spent = time.perf_counter() - start, time.process_time() - cpu
    same = (work / "images.parquet").read_bytes() == before
    print(
        f"again    nothing to ask or parse: {seconds:.1f} s, {spent:.1f} s CPU; the table unchanged: {same}"
    )


def main(count: int = IDS, window: int = WINDOW) -> None:
    """Print the figures of both runs."""
    ids = [name_post(n) for n in range(count)]
    random.Random(0).shuffle(ids)
    with tempfile.TemporaryDirectory() as folder:
        first_run(Path(folder), ids, window)
        sizes = [
            Path(folder, name).stat().st_size / 1e6
            for name in ("pages/lookup.jsonl", "images.parquet")
        ]
        print(
            f"disk     {sizes[0]:,.0f} MB of pages, {sizes[1]:,.0f} MB of images table"
        )
        second_run(Path(folder), ids)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]))
    else:
        main(*map(int, sys.argv[1:]))
