"""DiffusionDB (Wang et al. 2022): zips of a thousand images, their prompts and settings, and what to leave out.

Images that were blurred as NSFW (`image_nsfw` 2.0 in the metadata) are left out, and an image of the same prompt, seed,
cfg, step and sampler as one before it is marked (paper, Fig 3c). Used by `twigma reference add diffusiondb`.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.references.catalogue import Known
from twigma.builder.references.folder import add_pictures
from twigma.builder.references.hub_files import hub_file
from twigma.builder.references.record import Record
from twigma.builder.references.sources import commit_of
from twigma.core import columns
from twigma.core.files import read_parquet, write_parquet
from twigma.core.safety.failures import Failures
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.images import shards
from twigma.rehydrate.sources.pictures.contents import (
    Picture,
    look_through,
    read_pictures,
)
from twigma.rehydrate.sources.pictures.trees import ZipTree

METADATA = "metadata.parquet"
PARTS = 2000
BLURRED = 2.0
IMAGES = 10  # of a prompt that Fig 3c can use


def parts_of(text: str) -> list[int]:
    """Numbers of parts from text such as 1,4-6; ValueError unless all are 1 to 2000."""
    numbers: set[int] = set()
    for piece in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", piece)
        first = last = 0  # no part, for what is no number
        if match:
            first = int(match[1])
            last = int(match[2] or first)
        if not 1 <= first <= last <= PARTS:
            raise ValueError(
                f"--parts: expected numbers of parts from 1 to {PARTS} such as 1,4-6, found {text!r}"
            )
        numbers |= set(range(first, last + 1))
    return sorted(numbers)


def add_parts(
    record: Record,
    known: Known,
    parts: Sequence[int],
    revision: str | None,
    endpoint: str | None,
) -> None:
    """Add the parts that the set lacks; the metadata stays, as it names what to leave out of further ones."""
    commit = commit_of(record, known.repo, revision, endpoint)
    record.require_kind("images", record.folder)
    keys = {part: f"{known.repo}@{commit}/{part_file(part)}" for part in parts}
    due = [part for part in parts if keys[part] not in record.files]
    if not due:
        return
    metadata = hub_file(known.repo, METADATA, commit, record.downloads, endpoint)
    for part in due:
        with record.failures.collect():
            path = hub_file(
                known.repo,
                part_file(part),
                commit,
                record.downloads,
                endpoint,
            )
            left_out: list[str] = []
            hidden = blurred(metadata, part)
            images = pictures(path, hidden, left_out)
            added = add_pictures(record.folder, record.name, path, images, known.group)
            record.count_images(added)
            record.count("images blurred as NSFW, left out", len(left_out))
            record.add_file(keys[part], {"blurred": len(left_out)})
            path.unlink()
    if not record.files:
        return
    record.about["repeats"] = mark_repeats(record.folder)
    record.count("repeated generations, marked", record.about["repeats"])
    richest = prompts_by_part(metadata)
    best = [f"{part} ({count})" for part, count in list(richest.items())[:5]]
    in_these = sum(richest.get(part, 0) for part in parts)
    record.notes.append(
        f"prompts with ten images, which Fig 3c needs: {in_these} in these parts; most in {', '.join(best)}"
    )


def part_file(part: int) -> str:
    """Where a part is in the repository."""
    return f"images/part-{part:06}.zip"


def blurred(metadata: Path, part: int) -> set[str]:
    """File names of the images of a part that were blurred as NSFW."""
    chosen = [("part_id", "==", part), ("image_nsfw", "==", BLURRED)]
    table = pq.read_table(metadata, columns=["image_name"], filters=chosen)
    return set(table["image_name"].to_pylist())


def prompts_by_part(metadata: Path) -> dict[int, int]:
    """How many prompts have ten images or more in a part, by part, the richest first; without blurred images."""
    table = pq.read_table(metadata, columns=["part_id", "prompt", "image_nsfw"])
    table = table.filter(pc.not_equal(pc.fill_null(table["image_nsfw"], 0), BLURRED))
    counted = table.group_by(["part_id", "prompt"]).aggregate([([], "count_all")])
    many = counted.filter(pc.greater_equal(counted["count_all"], IMAGES))
    parts = many.group_by("part_id").aggregate([([], "count_all")])
    parts = parts.sort_by([("count_all", "descending")])
    numbers = parts["part_id"].to_pylist()
    return dict(zip(numbers, parts["count_all"].to_pylist(), strict=True))


def pictures(path: Path, blurred: set[str], left_out: list[str]) -> Iterator[Picture]:
    """The images of a zipped part with their settings; the names of those that are `blurred` go to `left_out`.

    Where the zip is damaged or no part, it is deleted, so that the next run downloads it again, and ValueError says so.
    """
    failures = Failures()
    try:
        with ZipTree(path) as tree:
            contents = look_through(tree, failures)
            failures.raise_any()
            if not contents.facts:
                raise ValueError(
                    f"{path.name}: expected one .json with the prompts of its images, found none"
                )
            chosen = []
            for name in contents.pictures:
                if PurePosixPath(name).name in blurred:
                    left_out.append(name)
                elif name in contents.facts:
                    chosen.append(name)
            contents.pictures = chosen
            yield from read_pictures(tree, contents, failures)
        failures.raise_any()
    except ValueError as error:
        path.unlink(missing_ok=True)
        raise ValueError(f"{error}: it was deleted: run again to download it") from None


# ------------------------------------------------------------------ repeats


def mark_repeats(work: AnyWorkspace) -> int:
    """Write `duplicate_of` and `duplicate_reason` into images.parquet for repeated generations; how many there are."""
    work = Workspace(work)
    first: dict[str, str] = {}
    repeats: dict[str, str] = {}
    for shard in shards.list_shards(work.path):
        for name, settings in _generations(shard):
            original = first.setdefault(settings, name)
            if original != name:
                repeats[name] = original
    table = read_parquet(work.images_file)
    marks = [repeats.get(name) for name in table["image_name"].to_pylist()]
    reasons = [None if mark is None else "generation" for mark in marks]
    marked = columns.add(table, duplicate_of=marks, duplicate_reason=reasons)
    if not marked.equals(table):
        write_parquet(work.images_file, marked)
    return len(repeats)


def _generations(shard: shards.Shard) -> Iterator[tuple[str, str]]:
    """Name and settings, as JSON, of the images of a shard, read from its tar."""
    places = shards.tar_places(shard.tar)
    rows = read_parquet(shard.sidecar, columns=["image_name", "member", "status"])
    with shards.mapped(shard.tar) as data:
        stored = rows.filter(pc.equal(rows["status"], pa.scalar("success")))
        for row in stored.to_pylist():
            member = PurePosixPath(row["member"]).with_suffix(".json")
            at, size = places[str(member)]
            # Sorted, so that equal settings are equal text.
            settings = json.dumps(json.loads(data[at : at + size]), sort_keys=True)
            yield row["image_name"], settings
