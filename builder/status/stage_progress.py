"""How far each stage of a working folder has come: images done, out of date and to do. Part of `twigma status`.

What a part was made from says whether it is current: the hash of its shard, or the fingerprints of the parts it read.
That does not see everything the stage itself looks at, so a stage may find more to do, never less than is there.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from twigma.builder.engine.engine import count_empty
from twigma.builder.release.row_filter import STAGES
from twigma.rehydrate.accounting import Finished

MODEL = (
    "model",
    "revision",
)  # parts that differ in these do not go together: `twigma release` refuses them

Facts = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One file of `columns/NAME/`: rows, how many of them have no value, what it was made from, its fingerprint, and
    when it was written."""

    rows: int
    empty: int
    made_from: Mapping[str, Any]
    mark: str
    written: int


def stage_progress(
    work: Path, finished: Finished, rows: int, damaged: list[str]
) -> dict[str, Facts]:
    """Images done, out of date and to do, by stage; what a part was made from says whether it is current."""
    parts = {name: dict(_parts(work / "columns" / name, damaged)) for name in STAGES}
    samples = {
        name: int(manifest["samples"]) for name, manifest in finished.manifests.items()
    }
    hashes = {
        name: {"shard": manifest["sha256"]}
        for name, manifest in finished.manifests.items()
    }
    marks = {name: part.mark for name, part in parts["embed"].items() if part}
    of_parts = {name: {"part": mark} for name, mark in marks.items()}
    dedupe = next((part.mark for part in parts["dedupe"].values() if part), None)
    made = {
        "embed": _by_shard(parts["embed"], samples, hashes),
        "caption": _by_shard(parts["caption"], samples, hashes),
        "nsfw": _by_shard(parts["nsfw"], samples, of_parts),
        "dedupe": _whole(parts["dedupe"], rows, {"embed": marks}, rows),
        "cluster": _whole(
            parts["cluster"], sum(samples.values()), {"embed": marks, "dedupe": dedupe}
        ),
    }
    return {name: made[name] | {"models": _models(parts[name])} for name in STAGES}


def _parts(folder: Path, damaged: list[str]) -> Iterator[tuple[str, Part | None]]:
    """Every part of a stage, None where its marks cannot be read; what is between them is left to `release`."""
    for path in sorted(folder.glob("*.arrow")):
        try:
            yield path.stem, _read_marks(path)
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, OSError) as error:
            damaged.append(
                f"{path} is damaged ({str(error)[:60]}): delete it and run `twigma {folder.name}` again"
            )
            yield path.stem, None


def _read_marks(path: Path) -> Part:
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        marks = reader.schema.metadata or {}
        table = reader.read_all()
        rows, empty = len(table), count_empty(table)
    made_from = json.loads(marks[b"provenance"])
    return Part(
        rows, empty, made_from, marks[b"fingerprint"].decode(), path.stat().st_mtime_ns
    )


def _by_shard(
    parts: Mapping[str, Part | None],
    samples: Mapping[str, int],
    inputs: Mapping[str, Mapping[str, str]],
) -> Facts:
    """For a stage with one part a shard: `samples` and the `inputs` a current part names, by shard.

    `not_decodable` counts images that are done but have no value.
    """
    counts = Counter({"done": 0, "out_of_date": 0, "to_do": 0, "not_decodable": 0})
    newest = _model(_newest(parts))
    for name, images in samples.items():
        if name not in parts:
            counts["to_do"] += images
            continue
        part = parts[name]
        current = (
            part is not None
            and name in inputs
            and _holds(part, inputs[name])
            and _model(part) == newest
        )
        counts["done" if current else "out_of_date"] += images
        if part is not None and current:
            counts["not_decodable"] += part.empty
    return dict(counts)


def _whole(
    parts: Mapping[str, Part | None],
    images: int,
    inputs: Mapping[str, Any],
    expected: int | None = None,
) -> Facts:
    """For a stage with one part for everything; `expected` is how many rows a current one has, if that is known."""
    state = "to_do"
    if parts:
        part = _newest(parts)
        current = (
            part is not None and _holds(part, inputs) and expected in (None, part.rows)
        )
        state = "done" if current else "out_of_date"
    return {"done": 0, "out_of_date": 0, "to_do": 0} | {state: images}


def _holds(part: Part, inputs: Mapping[str, Any]) -> bool:
    return all(part.made_from.get(name) == value for name, value in inputs.items())


def _newest(parts: Mapping[str, Part | None]) -> Part | None:
    return max(
        (part for part in parts.values() if part),
        key=lambda part: part.written,
        default=None,
    )


def _model(part: Part | None) -> tuple[Any, ...]:
    return tuple(part.made_from.get(name) for name in MODEL) if part else ()


def _models(parts: Mapping[str, Part | None]) -> list[str]:
    return sorted(
        {
            str(part.made_from["model"])
            for part in parts.values()
            if part and "model" in part.made_from
        }
    )
