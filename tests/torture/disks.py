"""Disks that are full, for good or for a moment, and that fail: rows 8 to 10, on real small file systems."""

import contextlib
import os
import re
import shutil
import subprocess
import time
import unittest
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from twigma.demo.platform.server import Platform
from twigma.demo.platform.x_api import LOOKUP

from .kills import POSTS
from .runs import SECONDS, Process, ended, last_words, settle, start, told, wrong
from .steps import Steps, chosen, compiled
from .table import Measured, row

SIZE = (
    256 << 20
)  # of the small file system: the look-up wants 64 MB free, a shard of 1,000 photos 100 MB
PHOTO = 20_000  # bytes added to every photo, so that a tar does not fit into what a buffer holds back
MOMENT = 0.4  # seconds that a brief lack of space lasts


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own; SkipTest where mounting one is not permitted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise unittest.SkipTest(
            "mounting a small file system needs root here"
        ) from error
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Take every free byte of a disk; give it back at the end."""
    ballast = disk / "ballast"
    try:
        with ballast.open("ab") as file, contextlib.suppress(OSError):
            while free := shutil.disk_usage(disk).free:
                os.posix_fallocate(file.fileno(), file.tell(), free)
                file.seek(0, os.SEEK_END)
        yield
    finally:
        ballast.unlink()


@row(
    8,
    "disk full, permanent",
    "non-zero, clear message, resumable",
    quick=None,
    default=3,
    long=40,
)
def full_for_good(count: int, folder: Path) -> Measured:
    return _full(count, folder, brief=False)


@row(9, "disk full, brief, at 20 offsets", "L", quick=None, default=4, long=20)
def full_for_a_moment(count: int, folder: Path) -> Measured:
    """Full for a moment while the run goes on."""
    return _full(count, folder, brief=True)


def _full(count: int, folder: Path, brief: bool) -> Measured:
    """Fill the disk when the server has seen so many requests, from the first to the last of a run."""
    town, ends, faults = settle(folder, POSTS, PHOTO), Counter[str](), []
    for at in range(count):
        with small_disk(folder / f"work{at}") as work, town.platform() as platform:
            with ended(start(work, platform, town.ids_file)) as process:
                _wait_for(
                    1 + at * (town.requests - 1) // max(1, count - 1), platform, process
                )
                with filled(work), contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(MOMENT if brief else SECONDS)
                code = process.wait(SECONDS)
            end = (
                "finished"
                if code == 0
                else re.sub(r"[0-9,]+|/\S+", "#", last_words(work))
            )
            ends[end] += 1
            if code and not re.search("space|full|free", end):
                faults.append(f"{at}: {last_words(work)}")
            elif code == 0 and (fault := town.differs(work)):
                faults.append(f"{at}: exit code 0, but {fault}")
            faults += wrong(work, platform, town)
    figures = "; ".join(f"{number} times {end}" for end, number in ends.items())
    return Measured(not faults, told(figures, faults))


def _wait_for(requests: int, platform: Platform, process: Process) -> None:
    """Until the server has seen so many requests, or the run is over."""
    while (
        platform.hits[LOOKUP] + platform.hits["media"] < requests
        and process.poll() is None
    ):
        time.sleep(0.002)


@row(10, "EIO / short write", "L or loud", quick=None, default=4, long=2_000)
def failing_writes(count: int, folder: Path) -> Measured:
    """One step fails with EIO, or one write does half of what it was asked; in whatever process takes it."""
    town, library = settle(folder, 30), compiled(folder)
    ends, names, faults = Counter[str](), set(), []
    with town.platform() as platform:
        counted = Steps(library, folder / "counted")
        with ended(
            start(counted.work, platform, town.ids_file, **counted.environment())
        ) as process:
            process.wait(SECONDS)
        steps = counted.names()
        for at in chosen(steps, count):
            for how in ("eio", "short") if "write" in steps[at] else ("eio",):
                run = Steps(library, folder / f"{how}{at}")
                with ended(
                    start(run.work, platform, town.ids_file, **run.environment(at, how))
                ) as process:
                    code = process.wait(SECONDS)
                names.add(run.names().get(at))
                ends[f"{how} {'finished' if code == 0 else 'loud'}"] += 1
                if code == 0 and (fault := town.differs(run.work)):
                    faults.append(
                        f"{run.work.name} of {steps[at]}: exit code 0, but {fault}"
                    )
                elif code and not last_words(run.work).startswith("twigma: "):
                    faults.append(
                        f"{run.work.name} of {steps[at]}: {last_words(run.work)}"
                    )
                faults += wrong(run.work, platform, town)
    figures = ", ".join(f"{number} {end}" for end, number in ends.items())
    figures = f"{ends.total()} at {len(names)} named steps: {figures}"
    return Measured(not faults, told(figures, faults))
