"""The progress of a working folder: ids, photos, stages, release, disk, dollars, and the command to run next.

Run by `twigma status`. It reads files only, stops no run, and so can be asked while one is going on.
"""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

import pyarrow as pa

import twigma
from twigma.builder.status.facts import (
    Facts,
    Progress,
    ReleaseFacts,
    SearchFacts,
    SizeFacts,
    SpentFacts,
)
from twigma.builder.status.next_step import next_step
from twigma.builder.status.open_searches import resume_command
from twigma.builder.status.stage_progress import stage_progress
from twigma.core import locks
from twigma.core.names import STAGES, command_of
from twigma.core.safety import owned_folders, unfinished_reports
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.dataset.own_release import find_own_release
from twigma.rehydrate.accounting import (
    FinishedShards,
    IdCounts,
    PhotoCounts,
    classify_photos,
    count_ids,
    count_photos,
    read_finished_shards,
    read_image_rows,
)
from twigma.rehydrate.ledger.reader import LedgerView, view_ledger
from twigma.rehydrate.sources.x.budget import Budget

KERNEL_LOCKS = Path("/proc/locks")

T = TypeVar("T")


def status(work: AnyWorkspace) -> Facts:
    """Every fact about a working folder as one object of numbers, strings and lists, ready for JSON.

    `facts.py` says what each field means; what only a damaged file can tell is null. Raises FileNotFoundError where
    there is no such folder, ValueError where it is a release or another folder made from one.
    """
    work = Workspace(work)
    owned_folders.refuse_as_work(work.path)
    if not work.path.is_dir():
        raise FileNotFoundError(
            f"no working folder at {work}: `twigma rehydrate --ids FILE` or `twigma add` makes one"
        )
    damaged: list[str] = []
    with ThreadPoolExecutor() as pool:
        # Images table, ledger and shards are read at the same time.
        reading_rows = pool.submit(_or_report, damaged, lambda: read_image_rows(work))
        reading_ledger = pool.submit(_or_report, damaged, lambda: view_ledger(work))
        finished = read_finished_shards(work)
        rows = reading_rows.result()
        ledger = reading_ledger.result()
    damaged += finished.damaged
    if ledger is not None:
        damaged += ledger.lost_pages()
    ids, photos = _count(work, finished, rows, ledger, damaged)
    n_rows = len(rows) if rows is not None else 0
    facts: Progress = {
        "work": str(work),
        "running": running(work),
        "damaged": damaged,
        "ids": ids,
        "photos": photos,
        "searches": _searches(ledger),
        "spent": _spent(ledger),
        "not_looked_up": ledger.not_looked_up if ledger else 0,
        "unshown": ledger.unshown if ledger else 0,
        "skipped": count_skipped_lines(work),
        "shards": {
            "finished": len(finished.manifests),
            "unfinished": finished.unfinished,
            "freed": sum(bool(one.freed) for one in finished.manifests.values()),
        },
        "stages": stage_progress(work, finished, n_rows, damaged),
        "release": _or_report(damaged, lambda: _release(work, n_rows)),
        "unfinished_reports": _unfinished_reports(work),
        "bytes": _bytes(work),
    }
    return {**facts, "next": next_step(work, facts)}


def _or_report(damaged: list[str], read: Callable[[], T]) -> T | None:
    """What `read` returns; None where it raises ValueError, whose sentence is added to `damaged`."""
    try:
        return read()
    except ValueError as error:
        damaged.append(str(error))
        return None


def _count(
    work: Workspace,
    finished: FinishedShards,
    rows: pa.Table | None,
    ledger: LedgerView | None,
    damaged: list[str],
) -> tuple[IdCounts | None, PhotoCounts | None]:
    """Ids and photos by class; None where the files they are counted from are damaged."""
    if rows is None:
        return None, None
    photos = classify_photos(rows, finished.tries)
    counts = count_photos(photos)
    if ledger is None:
        return None, counts
    ids = _or_report(damaged, lambda: count_ids(work, rows, photos, ledger))
    return ids, counts


def _searches(ledger: LedgerView | None) -> SearchFacts | None:
    if ledger is None:
        return None
    return {
        "done": ledger.done,
        "open": ledger.open,
        "archives": ledger.open_archives,
        "resume": resume_command(ledger),
    }


def _spent(ledger: LedgerView | None) -> SpentFacts | None:
    if ledger is None:
        return None
    # At today's prices for pay per use; the account may have others.
    dollars = Budget().spent(ledger)
    posts, users, counts = ledger.spent()
    return {"posts": posts, "users": users, "counts": counts, "dollars": dollars}


def count_skipped_lines(work: AnyWorkspace) -> int:
    """Lines of input lists that held no usable id: the rows of `quarantine.csv`."""
    path = Workspace(work).quarantine_file
    if not path.exists():
        return 0
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = sum(1 for _ in csv.reader(file))
    return rows - 1  # the header


# ------------------------------------------------------------------ release, disk, locks


def _release(work: Workspace, rows: int) -> ReleaseFacts | None:
    """The last release of the working folder; out of date when it has other rows or an older part."""
    folder = find_own_release(work)
    if folder is None:
        return None
    released_at = (folder / "MANIFEST.json").stat().st_mtime_ns
    manifest = twigma.read_manifest(folder)
    counts = manifest["counts"]
    inputs = [work.images_file, work.removed_file, *work.columns.glob("*/*.arrow")]
    # Removals and new parts change what may be released, even where no row is added.
    times = [path.stat().st_mtime_ns for path in inputs if path.exists()]
    is_older = max(times, default=0) > released_at
    return {
        "folder": str(folder),
        "version": manifest["version"],
        "images": counts["released"],
        "posts": counts["posts"],
        "out_of_date": is_older or counts["rows"] != rows,
    }


def _unfinished_reports(work: Workspace) -> list[str]:
    """What stopped analyses left beside the working folder, where reports usually are."""
    found = unfinished_reports.inside(work.path.resolve().parent)
    return [str(path) for path in found]


def _bytes(work: Workspace) -> SizeFacts:
    """Sizes in bytes of the parts of a folder, their `total`, and what is `free` on the disk."""
    places = {
        work.pages.name: "pages",
        work.ledger_file.name: "ledger",
        work.shards.name: "shards",
        work.columns.name: "columns",
    }
    sizes = Counter(dict.fromkeys([*places.values(), "other"], 0))
    for folder, _, names in os.walk(work):
        above = Path(folder).relative_to(work).parts
        for name in names:
            try:
                size = (Path(folder) / name).lstat().st_size
            except FileNotFoundError:
                continue  # a private file of a run that is going on
            top = above[0] if above else name
            sizes[places.get(top, "other")] += size
    free = shutil.disk_usage(work).free
    total = sum(sizes.values())
    return cast(SizeFacts, {**sizes, "total": total, "free": free})


def running(work: AnyWorkspace, table: Path = KERNEL_LOCKS) -> dict[str, int | None]:
    """{run: its process} for every lock of the folder that is held; None where the kernel does not list it."""
    work = Workspace(work)
    files = {"fetch": work.shards_lock_file, "look-up": work.ledger_lock_file}
    for stage in work.with_named(STAGES):
        files[command_of(stage)] = work.stage_lock_file(stage)
        for path in work.slice_lock_files(stage):
            shards = path.stem.replace("-of-", "/")
            files[f"{command_of(stage)} --shards {shards}"] = path
    processes = _lock_holders(table)
    runs: dict[str, int | None] = {}
    for run, path in files.items():
        process = processes.get(_lock_name(path)) if path.exists() else None
        # Those of other machines and containers are not in the list.
        if process is not None or locks.is_held(path):
            runs[run] = process
    return runs


def _lock_holders(table: Path) -> dict[str, int]:
    """{file, as `_lock_name` has it: process that holds it alone} from the kernel's list; empty where it has none."""
    try:
        lines = table.read_text().splitlines()
    except OSError:
        return {}
    # 1: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF
    holders: dict[str, int] = {}
    for line in lines:
        # Waiting processes have lines too, with `->` before FLOCK.
        fields = line.split()
        # Shared locks (READ) are those of slices, which hold one of their own as well.
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[3] == "WRITE":
            holders[fields[5]] = int(fields[4])
    return holders


def _lock_name(path: Path) -> str:
    """A file as /proc/locks names it: major and minor number of its disk in hex, and its inode."""
    stat = path.stat()
    device = f"{os.major(stat.st_dev):02x}:{os.minor(stat.st_dev):02x}"
    return f"{device}:{stat.st_ino}"
