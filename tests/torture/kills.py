"""Processes that are killed, stopped and doubled: rows 2 to 7."""

import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pyarrow.parquet as pq

from twigma.demo.platform.server import Platform
from twigma.demo.platform.x_api import LOOKUP
from twigma.rehydrate.images import shards

from ..support.worlds import descendants, wait_until
from .runs import SECONDS, Process, ended, last_words, left, settle, start, told, wrong
from .steps import Steps, chosen, compiled
from .table import Measured, row

POSTS = 400  # 1,173 photos: two shards
KILLS_A_RUN = 4  # of workers; a shard is given up after six


@row(
    2,
    "kill -9 main at random times",
    "L; content equals a clean run",
    quick=None,
    default=10,
    long=200,
)
def killed_at_any_time(count: int, folder: Path) -> Measured:
    """Half of the kills at a random second, half at a random photo."""
    town, rng = settle(folder, POSTS), Random(2)
    kills, in_fetch, runs, faults = 0, 0, 0, []
    with town.platform() as platform:
        while kills < count:
            work, runs = folder / f"work{runs}", runs + 1
            while kills < count:
                photos = platform.hits["media"]
                seconds = rng.uniform(0.05, town.seconds) if kills % 2 else SECONDS
                last = photos + rng.randrange(town.requests)
                if not _killed(
                    start(work, platform, town.ids_file), seconds, platform, last
                ):
                    break
                kills, in_fetch = (
                    kills + 1,
                    in_fetch + (platform.hits["media"] > photos),
                )
            faults += wrong(work, platform, town)
        again = len(platform.asked) - runs * town.calls
    if again > kills:
        faults.append(f"{again} calls made again after {kills} kills")
    figures = f"{kills} kills ({in_fetch} while photos came) over {runs} folders; {again} calls were in flight"
    return Measured(not faults, told(figures, faults))


def _killed(process: Process, seconds: float, platform: Platform, photos: int) -> bool:
    """Kill a run after so many seconds, or when the server has seen so many photos; False when it ended before."""
    end = time.monotonic() + seconds
    with ended(process):
        while process.poll() is None:
            if time.monotonic() > end or platform.hits["media"] > photos:
                process.kill()
                return True
            time.sleep(0.002)
        if process.returncode:
            raise RuntimeError(
                f"a run ended by itself with exit code {process.returncode}"
            )
        return False


@row(
    3,
    "kill -9 at every named write step",
    "L; content equals a clean run",
    quick=None,
    default=5,
    long=10_000,
)
def killed_at_write_steps(count: int, folder: Path) -> Measured:
    """Before the step, and in the middle of it where it is a write; in whatever process takes it."""
    town, library = settle(folder, 30), compiled(folder)
    counted = Steps(library, folder / "counted")
    struck: Counter[str] = Counter()
    faults = []
    with town.platform() as platform:
        if code := start(
            counted.work, platform, town.ids_file, **counted.environment()
        ).wait(SECONDS):
            raise RuntimeError(f"exit code {code} of a run that was only counted")
        steps = counted.names()
        for at in chosen(steps, count):
            for how in ("kill", "torn") if "write" in steps[at] else ("kill",):
                work = folder / f"{how}{at}"
                run = Steps(library, work)
                process = start(
                    work, platform, town.ids_file, **run.environment(at, how)
                )
                with ended(process):
                    process.wait(SECONDS)
                struck[run.names().get(at, "none")] += 1
                faults += wrong(work, platform, town)
    names = len(set(steps.values()))
    figures = f"{struck.total()} kills at {len(struck)} of {names} named steps; a run takes {len(steps)} steps"
    return Measured(not faults and "none" not in struck, told(figures, faults))


@row(4, "kill -9 a worker", "finishes; stall <= 60 s", quick=None, default=8, long=50)
def killed_workers(count: int, folder: Path) -> Measured:
    town, rng = settle(folder, POSTS), Random(4)
    kills, runs, stall, faults = 0, 0, 0.0, []
    with town.platform() as platform:
        while kills < count:
            work, runs, photos = (
                folder / f"work{runs}",
                runs + 1,
                platform.hits["media"],
            )
            process = start(work, platform, town.ids_file)
            with ended(process):
                moved, mine, next_kill = time.monotonic(), 0, time.monotonic()
                while process.poll() is None:
                    now, workers = time.monotonic(), _workers(process.pid)
                    if platform.hits["media"] > photos:
                        photos, moved = platform.hits["media"], now
                    if not workers and not mine:
                        moved, next_kill = now, now + rng.uniform(0, 0.3)
                    elif (
                        workers
                        and mine < KILLS_A_RUN
                        and kills < count
                        and now > next_kill
                    ):
                        os.kill(rng.choice(workers), signal.SIGKILL)
                        mine, kills, next_kill = (
                            mine + 1,
                            kills + 1,
                            now + rng.uniform(0.05, 0.5),
                        )
                    stall = max(stall, now - moved)
                    time.sleep(0.01)
            if process.returncode or (fault := town.differs(work)):
                faults.append(
                    f"exit code {process.returncode}: {last_words(work)}"
                    if process.returncode
                    else fault
                )
    figures = f"{kills} workers killed in {runs} runs; longest time without a photo {stall:.1f} s"
    return Measured(not faults and stall <= 60, told(figures, faults))


def _workers(main: int) -> list[int]:
    """The workers below the pool, which leads a process group."""
    for pid in descendants(main):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(pid) == pid:
                return descendants(pid)
    return []


@row(
    5, "SIGINT / SIGTERM", "non-zero; 0 orphans in 5 s", quick=None, default=4, long=100
)
def signals(count: int, folder: Path) -> Measured:
    town, rng = settle(folder, POSTS), Random(5)
    sent: Counter[str] = Counter()
    faults: list[str] = []
    with town.platform() as platform:
        while sent.total() < count:
            work = folder / f"work{sent.total()}"
            number = (signal.SIGINT, signal.SIGTERM)[sent.total() % 2]
            process = start(work, platform, town.ids_file)
            with ended(process):
                time.sleep(rng.uniform(0.1, 0.9 * town.seconds))
                below = [process.pid, *descendants(process.pid)]
                if process.poll() is not None:
                    continue
                process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
                orphans = left(below, 0.5 if process.returncode is None else 5)
                sent[number.name] += 1
                if orphans or not process.returncode:
                    faults.append(
                        f"{number.name}: exit code {process.returncode}, {orphans} processes left"
                    )
            faults += wrong(work, platform, town)
    figures = f"{sent['SIGINT']} SIGINT, {sent['SIGTERM']} SIGTERM at random times"
    return Measured(not faults, told(figures, faults))


@row(6, "restart 0 s after kill", "0 corrupt files", quick=None, default=6, long=200)
def restarted_at_once(count: int, folder: Path) -> Measured:
    """The next run begins before the killed one is even reaped; every file is read after each kill."""
    town, rng, faults = settle(folder, POSTS), Random(6), []
    read = 0
    with town.platform() as platform:
        for chain in range(max(1, count // 5)):
            work = folder / f"work{chain}"
            with contextlib.ExitStack() as stack:
                for _ in range(min(5, count)):
                    process = stack.enter_context(
                        ended(start(work, platform, town.ids_file))
                    )
                    time.sleep(rng.uniform(0.3, 0.9) * town.seconds)
                    process.kill()
                next_one = stack.enter_context(
                    ended(start(work, platform, town.ids_file))
                )
                for path, fault in _files(work):
                    read += 1
                    faults += [f"{path.name}: {fault}"] if fault else []
                if next_one.wait(SECONDS):
                    faults.append(last_words(work))
            faults += wrong(work, platform, town)
    return Measured(
        not faults, told(f"{count} kills, {read} files read after them", faults)
    )


def _files(work: Path) -> Iterator[tuple[Path, str]]:
    """Every finished file of a working folder, and what is wrong with it."""
    for path in [*work.glob("*.parquet"), *(work / "shards").glob("[0-9]*.json")]:
        try:
            if path.suffix == ".json":
                sum(map(len, shards.read_images(shards.shard_at(work, path.stem))))
            else:
                pq.read_table(path)
            yield path, ""
        except (ValueError, OSError) as error:
            yield path, str(error)


@row(
    7,
    "two runs, one folder",
    "second exits <= 2 s, non-zero",
    quick=None,
    default=2,
    long=10,
)
def doubled(count: int, folder: Path) -> Measured:
    """The first run is held still, once while it looks posts up and once while it fetches photos."""
    town, slowest, faults = settle(folder, POSTS), 0.0, []
    for at in range(count):
        with town.platform(faults={2: "503"}) as platform:
            work, (stage, sign) = (
                folder / f"work{at}",
                (("look-up", LOOKUP), ("fetch", "media"))[at % 2],
            )
            first = start(work, platform, town.ids_file)
            with ended(first):
                wait_until(lambda sign=sign: platform.hits[sign])
                first.send_signal(signal.SIGSTOP)
                began = time.monotonic()
                code = start(work, platform, town.ids_file).wait(SECONDS)
                slowest = max(slowest, time.monotonic() - began)
                if not code or "another run" not in last_words(work):
                    faults.append(
                        f"in the {stage}: exit code {code}: {last_words(work)}"
                    )
                first.send_signal(signal.SIGCONT)
                if first.wait(SECONDS) or town.differs(work):
                    faults.append(
                        f"the first: {last_words(work)}, {town.differs(work)}"
                    )
    return Measured(
        not faults and slowest <= 2,
        told(f"{count} second runs; slowest {slowest:.2f} s", faults),
    )
