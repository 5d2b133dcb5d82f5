"""How far a working folder has come: ids, photos, stages, release, disk, dollars, and the command to run next.

Run by `twigma status`. It reads files only, takes no lock, and so may be asked while a run goes on.
"""

import csv
import os
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

import twigma
from twigma.builder.status.stage_progress import stage_progress
from twigma.core import inventory
from twigma.rehydrate.accounting import (
    Finished,
    count_ids,
    count_photos,
    photos,
    read_finished,
    read_rows,
)
from twigma.rehydrate.posts.ledger_reader import LedgerView, view_ledger
from twigma.rehydrate.sources.x.budget import Budget, plan_lookup

LOCKS = {"fetch": "shards/.lock", "look-up": ".ledger.lock"}
PLACES = {
    "pages": "pages",
    "ledger.sqlite": "ledger",
    "shards": "shards",
    "columns": "columns",
}

Facts = dict[str, Any]


def status(work: Path) -> Facts:
    """Every fact about a working folder as one object of numbers, strings and lists, ready for JSON.

    ====================  ==============================================================================================
    `work`                the folder
    `running`             {run: process} of the runs that hold a lock of it now; null where the system does not tell
    `damaged`             a sentence for every file that cannot be used, with what to do
    `ids`                 `total` ids of `list` (the file that lists them; null: all the ledger knows), each in one of
                          stored, partly_stored, waiting, failed (by class), no_photo, unlisted, not_found,
                          unauthorized, suspended, absent, not_asked; `beyond_list`: posts of the folder that are not
                          listed
    `set_aside`           lines of input lists that held no usable id
    `photos`              `rows` of the images table; its `total` photos: stored, failed (by class) or waiting;
                          `tried_once`: failed once for a passing reason; `without_row`: in shards, not in the table
    `shards`              finished, unfinished (planned, or damaged)
    `searches`            searches and archives that are done, and open
    `stages`              {stage: images `done`, `out_of_date`, `to_do`; `models` they were made with; of embed, caption
                          and nsfw how many of `done` are `not_decodable`, and so have no value}
    `release`             folder, version, images, posts, out_of_date; null when none stands beside the folder
    `bytes`               pages, ledger, shards, columns, other; `total` of these; `free` on the disk
    `spent`               posts and users bought, dollars at most
    `next`                `command` (null: wait or mend), `why`
    ====================  ==============================================================================================

    What a damaged file would tell is null. Raises FileNotFoundError where there is no such folder.
    """
    if not work.is_dir():
        raise FileNotFoundError(
            f"no working folder at {work}: `twigma rehydrate --ids FILE` or `twigma add` makes one"
        )
    damaged: list[str] = []
    with ThreadPoolExecutor() as pool:
        reads = [
            pool.submit(_or_report, damaged, partial(read, work))
            for read in (read_rows, view_ledger)
        ]
        finished = read_finished(work)
        rows, ledger = (read.result() for read in reads)
    damaged += finished.damaged
    facts = {
        "work": str(work),
        "running": running(work),
        "damaged": damaged,
        **_counts(work, finished, rows, ledger, damaged),
        "stages": stage_progress(work, finished, len(rows or ()), damaged),
        "release": _or_report(damaged, lambda: _release(work, len(rows or ()))),
        "bytes": _bytes(work),
    }
    return facts | {"next": _next(work, facts)}


def _or_report(damaged: list[str], read: Callable[[], Any]) -> Any:
    """What `read` gives; None where it finds damage, which is told."""
    try:
        return read()
    except ValueError as error:
        damaged.append(str(error))
        return None


# ------------------------------------------------------------------ ids, photos, money


def _counts(
    work: Path,
    finished: Finished,
    rows: pa.Table | None,
    ledger: LedgerView | None,
    damaged: list[str],
) -> Facts:
    facts: Facts = {"ids": None, "photos": None, "searches": None, "spent": None}
    if ledger is not None:
        posts, users = ledger.spent()
        damaged += ledger.lost_pages()
        facts["searches"] = {"done": ledger.done, "open": ledger.open}
        facts["spent"] = {
            "posts": posts,
            "users": users,
            "dollars": Budget().spent(ledger),
        }
    if rows is not None:
        found = photos(rows, finished.tries)
        facts["photos"] = count_photos(found)
        if ledger is not None:
            facts["ids"] = _or_report(
                damaged, lambda: count_ids(work, rows, found, ledger)
            )
    shards = {"finished": len(finished.manifests), "unfinished": finished.unfinished}
    return facts | {"set_aside": lines_set_aside(work), "shards": shards}


def lines_set_aside(work: Path) -> int:
    """Lines of input lists that held no usable id: the rows of `quarantine.csv`."""
    path = work / inventory.QUARANTINE
    if not path.exists():
        return 0
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


# ------------------------------------------------------------------ release, disk, locks


def _release(work: Path, rows: int) -> Facts | None:
    """The release in `twigma/` beside the working folder; out of date when it knows other rows or an older part."""
    folder = work.absolute().parent / "twigma"
    manifest = folder / "MANIFEST.json"
    if not manifest.exists():
        return None
    written = manifest.stat().st_mtime_ns
    facts = twigma.read_manifest(folder)
    sources = [
        work / "images.parquet",
        work / "removed.json",
        *(work / "columns").glob("*/*.arrow"),
    ]
    newer = any(path.exists() and path.stat().st_mtime_ns > written for path in sources)
    counts = facts["counts"]
    known = {
        "folder": str(folder),
        "version": facts["version"],
        "images": counts["released"],
        "posts": counts["posts"],
    }
    return known | {"out_of_date": newer or counts["rows"] != rows}


def _bytes(work: Path) -> dict[str, int]:
    sizes = Counter(dict.fromkeys([*PLACES.values(), "other"], 0))
    for folder, _, names in os.walk(work):
        top = Path(folder).relative_to(work).parts[:1]
        for name in names:
            try:
                size = (Path(folder) / name).lstat().st_size
            except FileNotFoundError:
                continue  # a private file of a run that goes on
            sizes[PLACES.get(top[0] if top else name, "other")] += size
    return {**sizes, "total": sum(sizes.values()), "free": shutil.disk_usage(work).free}


def running(work: Path, table: Path = Path("/proc/locks")) -> dict[str, int] | None:
    """{run: its process} for every lock of the folder that is held, from the kernel's list; None where it has none."""
    try:
        lines = [line.split() for line in table.read_text().splitlines()]
    except OSError:
        return None
    held = {
        fields[5]: int(fields[4])
        for fields in lines
        if len(fields) > 5 and fields[1] == "FLOCK"
    }
    places = {what: work / name for what, name in LOCKS.items()}
    names = {what: _lock_name(path) for what, path in places.items() if path.exists()}
    return {what: held[name] for what, name in names.items() if name in held}


def _lock_name(path: Path) -> str:
    """A file as /proc/locks names it: major and minor number of its disk in hex, and its inode."""
    found = path.stat()
    return f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"


# ------------------------------------------------------------------ next


def _next(work: Path, facts: Facts) -> dict[str, str | None]:
    """The one command to run now, and why; no command while a run goes on or something must be mended first."""
    command, why = next(_steps(facts))
    if command and work != Path("work"):
        command += f" --work {shlex.quote(str(work))}"
    return {"command": command, "why": why}


def _steps(facts: Facts) -> Iterator[tuple[str | None, str]]:
    """(command, why) of everything that is open, most urgent first."""
    for what, process in (facts["running"] or {}).items():
        yield None, f"a {what} is running (process {process}): look again later"
    if facts["damaged"]:
        yield None, "mend what is damaged first"
    yield from _open_posts(facts["ids"] or {}, facts["searches"] or {}, facts["photos"])
    yield from _open_photos(facts["photos"], facts["shards"])
    for name, stage in facts["stages"].items():
        if due := stage["to_do"] + stage["out_of_date"]:
            so_far = (
                f"; so far with {', '.join(stage['models'])}" if stage["models"] else ""
            )
            yield f"twigma {name}", f"{due:,} images are to do or out of date{so_far}"
    if facts["release"] is None:
        yield "twigma release", "every stage is done"
    elif facts["release"]["out_of_date"]:
        yield "twigma release", "the release is older than the working folder"
    yield (
        f"twigma analyze {shlex.quote(facts['release']['folder'])}",
        "every stage is done, and so is the release",
    )


def _open_posts(
    ids: Facts, searches: Facts, photos: Facts
) -> Iterator[tuple[str, str]]:
    begin = "twigma rehydrate --ids FILE"
    if not ids.get("total") and not photos["total"]:
        yield (
            begin,
            "the folder is empty: begin with a list of post ids, or with `twigma collect`, `import` or `add`",
        )
    if left := ids.get("not_asked"):
        cost = plan_lookup(left)
        more = f"at most ${cost.dollars:,.2f}, about {cost.minutes} minutes"
        yield (
            begin,
            f"{left:,} ids were never asked: {more}; repeat with the same list and options",
        )
    if unlisted := ids.get("unlisted"):
        yield (
            begin,
            f"{unlisted:,} posts were found by a run that ended early: repeat it to list their photos",
        )
    if left := searches.get("open"):
        yield (
            "twigma collect",
            f"{left:,} searches are not at their end: repeat with the same hashtags and period",
        )


def _open_photos(photos: Facts, shards: Facts) -> Iterator[tuple[str, str]]:
    if photos["waiting"] or shards["unfinished"]:
        todo = (
            f"{photos['waiting']:,} photos are waiting"
            if photos["waiting"]
            else "a fetch was stopped"
        )
        yield "twigma rehydrate", f"{todo}, {shards['unfinished']:,} shards are begun"
    if again := photos["tried_once"]:
        renewed = "with a token it also looks posts up once more whose photo is gone"
        yield (
            "twigma rehydrate --retry-failed",
            f"{again:,} photos failed once for a passing reason; {renewed}",
        )
