"""Files that were cut, changed or edited between two runs: rows 11 to 13."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from twigma.core.parts import part_is_current, read_parts, write_part
from twigma.demo.platform.server import Platform
from twigma.rehydrate.images import shards

from .runs import (
    Town,
    broken_law,
    ended,
    finish,
    last_words,
    settle,
    start,
    stored_twice,
    told,
    write_ids,
    wrong,
)
from .table import Measured, row

POSTS = 20
CHECKPOINTS = (
    "images.parquet",
    "shards/00000.parquet",
    "ledger.sqlite",
    "pages/lookup.jsonl",
    "outcomes.csv",
    "shards/plan/00000.parquet",
    "shards/00000.json",
    "shards/00000.tar",
)
PART_STRIKES = 50  # on a column part for each strike on the other checkpoints: it takes no run to see them


def flip(data: bytes, at: int, bit: int) -> bytes:
    """One bit of one byte turned over."""
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def strike(path: Path, rng: Random) -> str:
    """Flip one bit of a file, or cut it somewhere; what was done."""
    data = path.read_bytes()
    at = rng.randrange(len(data))
    cut = rng.random() < 0.4
    path.write_bytes(data[:at] if cut else flip(data, at, rng.randrange(8)))
    return f"{'cut' if cut else 'flip'} at byte {at:,} of {path.name}"


@row(
    11,
    "each checkpoint truncated or a bit flipped",
    "detected; 0 rows lost",
    quick=2,
    default=10,
    long=2_000,
)
def damaged_checkpoints(count: int, folder: Path) -> Measured:
    """The same command again: it mends the file, or refuses it by name and is well again once that is deleted."""
    town, rng, ends, faults = settle(folder, POSTS), Random(11), Counter[str](), []
    with town.platform() as platform:
        for at in range(count):
            work = shutil.copytree(folder / "clean", folder / f"work{at}")
            path = work / CHECKPOINTS[at % len(CHECKPOINTS)]
            done = strike(path, rng)
            end = _again(work, path, platform, town)
            ends[end] += 1
            if end.startswith("not"):
                faults.append(f"{done}: {end}")
            shutil.rmtree(work)
    unseen = _column_part(folder, count * PART_STRIKES, rng)
    if unseen:
        faults.append(f"{unseen} damaged column parts were read")
    figures = ", ".join(f"{number} {end}" for end, number in ends.items())
    return Measured(
        not faults,
        told(f"{figures}; {count * PART_STRIKES} times a column part", faults),
    )


def _again(work: Path, path: Path, platform: Platform, town: Town) -> str:
    """Run again over a damaged checkpoint; what came of it."""
    code = finish(work, platform, town.ids_file)
    try:
        if code == 0:
            fault = town.differs(work)
            return f"not seen: {fault}" if fault else "mended or harmless"
        said = last_words(work)
    except (ValueError, OSError) as error:  # what every stage with pixels would say
        said = str(error)
    if path.name not in said:
        return f"not named: {said}"
    for name in (path, *(work / "shards").glob("*.json")):
        if str(name) in said:
            name.unlink(missing_ok=True)
    fault = "; ".join(wrong(work, platform, town))
    return (
        f"not well after the file was deleted as told: {fault}"
        if fault
        else "refused by name"
    )


def _column_part(folder: Path, count: int, rng: Random) -> int:
    """How often a damaged part of `columns/NAME/` is taken for a sound one."""
    path, seen = folder / "columns" / "nsfw" / "00000.arrow", 0
    names = [str(rng.randrange(10**18, 10**19)) for _ in range(500)]
    scores = pa.array([rng.random() for _ in names], pa.float32())
    write_part(path, pa.table({"image_name": names, "nsfw_score": scores}), {"seed": 1})
    whole = path.read_bytes()
    for _ in range(count):
        path.write_bytes(whole)
        strike(path, rng)
        try:
            read_parts(path.parent)
        except ValueError:
            seen += not part_is_current(path, {"seed": 1})
    return count - seen


@row(12, "list edited before resume", "refused, or L", quick=None, default=4, long=80)
def edited_lists(count: int, folder: Path) -> Measured:
    """Runs are killed in the middle; then ids are taken out, added, shuffled and doubled, and the run goes on."""
    town, rng, faults = settle(folder, 400), Random(12), []
    edits: list[Callable[[list[str]], list[str]]] = [
        lambda ids: ids[1::2],
        lambda ids: [*ids, *(str(10**18 + n) for n in range(150))],
        lambda ids: rng.sample(ids, len(ids)),
        lambda ids: [*ids, *ids[:70], *ids[:70]],
    ]
    with town.platform() as platform:
        for at in range(count):
            work, edited = folder / f"work{at}", folder / f"edited{at}.csv"
            half = folder / f"half{at}.csv"
            write_ids(half, town.ids[: 200 if at % 2 else 400])
            photos, moment = platform.hits["media"], rng.uniform(0, 1.0)
            with ended(start(work, platform, half)) as process:
                while platform.hits["media"] == photos and process.poll() is None:
                    time.sleep(0.01)
                time.sleep(moment / 2)
            ids = edits[at % len(edits)](town.ids)
            write_ids(edited, ids)
            if code := finish(work, platform, edited):
                faults.append(f"{at}: exit code {code}: {last_words(work)}")
            elif fault := broken_law(work, list(dict.fromkeys(ids))):
                faults.append(f"{at}: {fault}")
            elif stored_twice(work):
                faults.append(f"{at}: {stored_twice(work)} posts were bought twice")
    refused = _edited_plan(folder, town)
    return Measured(
        not faults and refused,
        told(f"{count} edited lists; an edited plan is refused: {refused}", faults),
    )


def _edited_plan(folder: Path, town: Town) -> bool:
    """Whether a list of photos that differs from what its shard was fetched from is refused."""
    plan = folder / "clean" / "shards" / "plan" / "00000.parquet"
    pq.write_table(pq.read_table(plan).slice(1), plan)
    with town.platform() as platform:
        return finish(
            folder / "clean", platform, town.ids_file
        ) != 0 and plan.name in last_words(folder / "clean")


@row(
    13,
    "10k tar flips and cuts",
    "100% detected",
    quick=300,
    default=10_000,
    long=10_000,
)
def damaged_tars(count: int, folder: Path) -> Measured:
    """Read as every stage reads a shard; and cut at every member, read as `twigma add` does, without a manifest."""
    settle(folder, 30)
    rng, seen = Random(13), 0
    work = folder / "clean"
    shard = shards.list_shards(work)[0]
    whole, samples = shard.tar.read_bytes(), sum(map(len, shards.read_images(shard)))
    starts = [member.offset for member in shards.tar_members(shard.tar)]
    for _ in range(count):
        shard.tar.write_bytes(whole)
        strike(shard.tar, rng)
        seen += _refused(shards.read_images(shard))
    cut = 0
    for offset in starts:
        shard.tar.write_bytes(whole[:offset])
        cut += _refused(shards.tar_members(shard.tar))
    figures = f"{seen:,} of {count:,} seen in a shard of {samples} samples; {cut} of {len(starts)} cuts between members"
    return Measured(seen == count and cut == len(starts), figures)


def _refused(rows: Iterable[object]) -> bool:
    """Whether reading them raises ValueError."""
    try:
        for _ in rows:
            pass
    except ValueError:
        return True
    return False
