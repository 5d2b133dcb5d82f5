"""A world of posts with four photos each, the real `twigma rehydrate` on it in a process, and what a run has left."""

import contextlib
import csv
import datetime
import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from twigma.core.workspace import Workspace
from twigma.demo.platform.server import Platform
from twigma.rehydrate.images import shards
from twigma.rehydrate.posts.page_store import read_pages

from ..conftest import STATES, file_name, jpeg, snowflake
from ..support.worlds import alive, descendants

START = datetime.datetime(2022, 1, 1)
PHOTOS = 4  # on a post
SPECIAL = {
    5: "404",
    17: "410",
    29: "html",
    41: "truncated",
    65: "403",
}  # of every hundred photos
SECONDS = 120.0  # after which a run is taken to hang

Process = subprocess.Popen[bytes]


def build(folder: Path, posts: int, ballast: int = 0) -> Path:
    """A world of so many posts; every photo carries `ballast` bytes after its end mark, as cameras append data."""
    rows: list[dict[str, Any]] = []
    media: list[dict[str, Any]] = []
    for n in range(posts):
        moment = START + datetime.timedelta(minutes=11 * n)
        names = [snowflake(moment, k) for k in range(PHOTOS)]
        for at, name in enumerate(names, PHOTOS * n):
            body = jpeg(at) + Random(at).randbytes(ballast)
            kind = {
                "media_key": f"3_{name}",
                "type": "photo",
                "name": file_name(name),
                "width": 40,
                "height": 30,
            }
            media.append(kind | {"answer": SPECIAL.get(at % 100, "ok"), "body": body})
        counts = {
            "like_count": n,
            "quote_count": 0,
            "reply_count": 1,
            "retweet_count": 2,
        }
        post = {
            "id": str(snowflake(moment, 9)),
            "author_id": str(1000 + n % 7),
            "created_at": moment,
            "lang": "en",
        }
        rows.append(
            post | counts | {"text": f"Post {n} #aiart", "possibly_sensitive": False}
        )
        rows[-1] |= {
            "state": STATES[n % len(STATES)],
            "media_keys": [f"3_{name}" for name in names],
        }
    users = [
        {
            "id": str(1000 + n),
            "username": f"user{n}",
            "followers_count": n,
            "created_at": START,
        }
        for n in range(7)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for table, content in (("posts", rows), ("media", media), ("users", users)):
        made = pa.Table.from_pylist(content)
        if "created_at" in made.column_names:
            at = made.schema.get_field_index("created_at")
            made = made.set_column(
                at, "created_at", made["created_at"].cast(pa.timestamp("ms"))
            )
        pq.write_table(made, folder / f"{table}.parquet")
    write_ids(folder / "ids.csv", [row["id"] for row in rows])
    return folder


def write_ids(path: Path, ids: list[str]) -> None:
    """A list of post ids."""
    path.write_text("id\n" + "".join(f"{post}\n" for post in ids))


def start(work: Path, platform: Platform, ids: Path, **environment: str) -> Process:
    """`twigma rehydrate` in a process of its own; what it says goes to `WORK.log`."""
    command = [sys.executable, "-c", "from twigma.cli import main; main()", "rehydrate"]
    command += ["--work", str(work), "--ids", str(ids), "--budget", "100000"]
    with log_of(work).open("ab") as log:
        hosts = {
            "TWIGMA_X_URL": platform.api_url,
            "TWIGMA_IMAGE_URL": platform.image_url,
        }
        env = os.environ | {"X_BEARER_TOKEN": "torture"} | hosts | environment
        return subprocess.Popen(command, stdout=log, stderr=log, env=env)


def log_of(work: Path) -> Path:
    """Where the runs on a working folder write what they say."""
    return work.with_name(work.name + ".log")


def last_words(work: Path) -> str:
    """The last line a run said."""
    lines = (
        log_of(work)
        .read_text("utf-8", "replace")
        .strip()
        .replace("\r", "\n")
        .splitlines()
    )
    return lines[-1] if lines else ""


def finish(work: Path, platform: Platform, ids: Path) -> int:
    """Run to the end; the exit code."""
    return start(work, platform, ids).wait(SECONDS)


def left(pids: list[int], seconds: float = 5.0) -> int:
    """How many of these processes still run after so long."""
    end = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return sum(map(alive, pids))


@contextlib.contextmanager
def ended(process: Process) -> Iterator[Process]:
    """Whatever happens, the process and all below it are gone afterwards."""
    try:
        yield process
    finally:
        for pid in [process.pid, *descendants(process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        process.wait()


def content(work: Path) -> dict[str, str]:
    """What two equal runs agree on: rows of the images table and the sidecars, outcomes, and every byte of the tars."""
    found = {
        "outcomes.csv": hashlib.sha256((work / "outcomes.csv").read_bytes()).hexdigest()
    }
    for path in (work / "images.parquet", *sorted((work / "shards").glob("*.parquet"))):
        found[path.name] = hashlib.sha256(
            repr(pq.read_table(path).to_pylist()).encode()
        ).hexdigest()
    for path in sorted((work / "shards").glob("*.tar")):
        found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def broken_law(work: Path, ids: list[str]) -> str:
    """What of invariant L does not hold in a finished folder; empty when all of it does."""
    with (work / "outcomes.csv").open() as file:
        rows = [(row["id"], row["outcome"]) for row in csv.DictReader(file)]
    if Counter(post for post, _ in rows) != Counter(dict.fromkeys(ids, 1)):
        return f"{len(ids)} ids in, {len(rows)} rows in outcomes.csv"
    if "not_asked" in (outcome for _, outcome in rows):
        return "ids were not asked"
    wanted = Counter(
        dict.fromkeys(
            pq.read_table(work / "images.parquet")["image_name"].to_pylist(), 1
        )
    )
    found = Counter(shards.read_sidecars(work)["image_name"].to_pylist())
    if found != wanted:
        return f"{len(wanted)} photos, {len(wanted - found)} without a row, {len(found - wanted)} rows too many"
    for shard in shards.list_shards(work):
        samples = sum(
            len(block) for block in shards.read_images(shard)
        )  # checks the sha256 of the tar
        if samples != shards.read_manifest(shard).samples:
            return f"{shard.name}: {samples} samples read"
    litter = [
        path.name
        for path in work.rglob("*")
        if path.suffix == ".partial" or path.name == ".attempts"
    ]
    return f"left behind: {litter}" if litter else ""


def stored_twice(work: Path) -> int:
    """Posts that were bought although a page on disk had them."""
    bought: Counter[str] = Counter()
    for _, _, page in read_pages(Workspace(work).page_file("lookup")):
        bought.update(
            post["id"] for post in (page or {"answer": {}})["answer"].get("data", [])
        )
    return sum(bought.values()) - len(bought)


@dataclass
class Town:
    """A world, its list, and what a clean run of it leaves: content, seconds, calls, and requests in all."""

    world: Path
    clean: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    calls: int = 0
    requests: int = 0

    @property
    def ids_file(self) -> Path:
        """The list of its post ids."""
        return self.world / "ids.csv"

    @property
    def ids(self) -> list[str]:
        """Its post ids."""
        return self.ids_file.read_text().split()[1:]

    def platform(self, **options: Any) -> Platform:
        """A new platform that serves it."""
        return Platform(self.world, **options)

    def differs(self, work: Path) -> str:
        """How a finished folder differs from the clean run or breaks invariant L; empty when it does not."""
        if broken := broken_law(work, self.ids):
            return broken
        found = content(work)
        names = sorted(
            name
            for name in found.keys() | self.clean.keys()
            if found.get(name) != self.clean.get(name)
        )
        return f"differs from the clean run in {names}" if names else ""


def settle(folder: Path, posts: int, ballast: int = 0) -> Town:
    """Build a world and run it once without any trouble."""
    town = Town(build(folder / "world", posts, ballast))
    with town.platform() as platform:
        began = time.monotonic()
        code = finish(folder / "clean", platform, town.ids_file)
        town.seconds = time.monotonic() - began
        town.calls, town.requests = (
            len(platform.asked),
            len(platform.asked) + platform.hits["media"],
        )
    if code:
        raise RuntimeError(f"the clean run failed: {last_words(folder / 'clean')}")
    town.clean = content(folder / "clean")
    if broken := town.differs(folder / "clean"):
        raise RuntimeError(f"the clean run broke invariant L: {broken}")
    return town


def wrong(work: Path, platform: Platform, town: Town) -> list[str]:
    """Finish a folder; what is wrong with it then."""
    if code := finish(work, platform, town.ids_file):
        return [f"{work.name}: exit code {code}: {last_words(work)}"]
    twice = stored_twice(work)
    found = [town.differs(work), f"{twice} posts were bought twice" if twice else ""]
    return [f"{work.name}: {fault}" for fault in found if fault]


def told(figures: str, faults: list[str]) -> str:
    """The figures of a row, and the first things that were wrong."""
    return "; ".join([figures, *(faults[:3] or ["0 differences"])])
