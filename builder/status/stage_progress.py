"""The progress of each stage of a working folder: images done, out of date and to do. Part of `twigma status`.

The provenance of a part says whether it is current: the hash of its shard, or the fingerprints of the parts it read.
That does not see everything the stage itself looks at, so a stage may find more to do, never less.
"""

import contextlib
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from twigma.builder.engine.engine import count_empty
from twigma.builder.models import clip_names
from twigma.builder.stages import caption
from twigma.builder.status.facts import StageFacts
from twigma.core.model_identity import differing_columns
from twigma.core.names import STAGES, command_of, split_name
from twigma.core.parts import embedding_stage
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.accounting import FinishedShards
from twigma.rehydrate.images.shards import Manifest, manifests, read_manifest

# What the stages that take --model use without it.
DEFAULT_MODEL = {
    "embed": f"{clip_names.MODEL}/{clip_names.PRETRAINED}",
    "caption": caption.MODEL,
}


@dataclass(frozen=True)
class Part:
    """One file of `columns/NAME/`: its rows, how many of them are `empty`, and when it was `written` (ns)."""

    rows: int
    empty: int
    provenance: Mapping[str, Any]
    fingerprint: str
    written: int

    def has_inputs(self, inputs: Mapping[str, Any]) -> bool:
        """Whether the part was made from these inputs."""
        return all(self.provenance.get(name) == value for name, value in inputs.items())

    def goes_with(self, other: "Part") -> bool:
        """Whether both are by one model, run in the same way: every reader refuses parts that are not."""
        return differing_columns(self.provenance, other.provenance) is None


Parts = Mapping[str, Part | None]  # by name; None where a part is damaged


def stage_progress(
    work: AnyWorkspace, finished: FinishedShards, rows: int, damaged: list[str]
) -> dict[str, StageFacts]:
    """Images done, out of date and to do, by stage; `rows` is the length of the images table.

    A sentence for every damaged part is added to `damaged`.
    """
    work = Workspace(work)
    stages = work.with_named(STAGES)
    parts = {stage: _read_parts(work, stage, damaged) for stage in stages}
    images: dict[str, int] = {}
    of_shard: dict[str, dict[str, str]] = {}
    for name, manifest in finished.manifests.items():
        images[name] = manifest.samples
        of_shard[name] = {"shard": manifest.sha256}
    progress: dict[str, StageFacts] = {}
    for stage in stages:
        if split_name(stage)[0] in DEFAULT_MODEL:
            progress[stage] = _by_shard(parts[stage], images, of_shard)
    # NSFW scores are made from embeddings: a part is current while they are.
    of_nsfw = _marks(parts, _source(parts["nsfw"]))
    of_embedding = {name: {"part": mark} for name, mark in of_nsfw.items()}
    progress["nsfw"] = _by_shard(parts["nsfw"], images, of_embedding)
    # What could not be decoded has no embedding, and so no cluster.
    empty = _count_empty(parts.get(_source(parts["cluster"]), {}))
    progress.update(_of_all_images(parts, rows, sum(images.values()) - empty))
    for stage, facts in progress.items():
        facts["command"] = _command(stage, _newest(parts[stage]))
    return {stage: progress[stage] for stage in stages}


def out_of_date(work: AnyWorkspace, rows: int) -> list[str]:
    """Which of `dedupe` and `cluster` were made before what they are made from; `rows` as in `stage_progress`."""
    work = Workspace(work)
    stages = work.with_named(STAGES)
    parts = {stage: _read_parts(work, stage, []) for stage in stages}
    progress = _of_all_images(parts, rows, rows)
    return [stage for stage, facts in progress.items() if facts["out_of_date"]]


def _of_all_images(
    parts: Mapping[str, Parts], rows: int, embedded: int
) -> dict[str, StageFacts]:
    """The progress of the stages with one part for all images: it names the embeddings of every shard."""
    dedupe = _newest(parts["dedupe"])
    of_dedupe = {"embed": _marks(parts, _source(parts["dedupe"]))}
    of_cluster = {
        "embed": _marks(parts, _source(parts["cluster"])),
        "dedupe": dedupe.fingerprint if dedupe else None,
    }
    return {
        "dedupe": _as_whole(parts["dedupe"], rows, of_dedupe, rows),
        "cluster": _as_whole(parts["cluster"], embedded, of_cluster),
    }


def _source(parts: Parts) -> str:
    """The stage whose embeddings the newest of these parts was computed from."""
    newest = _newest(parts)
    return embedding_stage(newest.provenance if newest else {})


def _marks(parts: Mapping[str, Parts], stage: str) -> dict[str, str]:
    """The fingerprints of the parts of a stage."""
    marks: dict[str, str] = {}
    for name, part in parts.get(stage, {}).items():
        if part:
            marks[name] = part.fingerprint
    return marks


def _command(stage: str, newest: Part | None) -> str:
    """The command that goes on with a stage as its newest part was made; the other settings it remembers itself."""
    command = command_of(stage)
    if newest is None:
        return command
    made = newest.provenance
    stage, _ = split_name(stage)
    if stage not in DEFAULT_MODEL:
        name = made.get("embedding_name")
        return f"{command} --embedding {name}" if name else command
    name = str(made.get("model"))
    is_local = "sha256" in made and "revision" not in made
    if is_local:
        name = "FOLDER"  # of which only the name and the hash are known
    elif stage == "embed" and made.get("repo") == made.get("model"):
        name = f"hf-hub:{name}"
    if name == DEFAULT_MODEL[stage]:
        return command
    return f"{command} --model {shlex.quote(name)}"


def _count_empty(parts: Parts) -> int:
    return sum(part.empty for part in parts.values() if part)


def _read_parts(work: Workspace, stage: str, damaged: list[str]) -> Parts:
    """Every part of a stage; the checksum of the columns in it is left to `release`."""
    parts: dict[str, Part | None] = {}
    for path in work.part_files(stage):
        try:
            parts[path.stem] = _read_part(path)
        except FileNotFoundError:
            continue  # a run deleted it just now
        except (ValueError, KeyError, OSError) as error:
            reason = str(error)[:60]
            damaged.append(
                f"{path} is damaged ({reason}): delete it and run `{command_of(stage)}` again"
            )
            parts[path.stem] = None
    return parts


def _read_part(path: Path) -> Part:
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        metadata = reader.schema.metadata or {}
        table = reader.read_all()
        # The table is mapped: only the mask of missing values is read.
        rows = len(table)
        empty = count_empty(table)
    provenance = json.loads(metadata[b"provenance"])
    fingerprint = metadata[b"fingerprint"].decode()
    return Part(rows, empty, provenance, fingerprint, path.stat().st_mtime_ns)


def _by_shard(
    parts: Parts,
    images: Mapping[str, int],
    inputs: Mapping[str, Mapping[str, str]],
) -> StageFacts:
    """For a stage with one part a shard: the `images` and the `inputs` of a current part, by shard."""
    facts: StageFacts = {
        "done": 0,
        "out_of_date": 0,
        "to_do": 0,
        "not_decodable": 0,
        "shards": [],
        "models": _models(parts),
        "command": "",
    }
    current = _current(parts, inputs)
    for name, count in images.items():
        if name in current:
            facts["done"] += count
            facts["not_decodable"] += current[name].empty
            continue
        facts["shards"].append(name)
        if name in parts:
            facts["out_of_date"] += count
        else:
            facts["to_do"] += count
    return facts


def _current(parts: Parts, inputs: Mapping[str, Mapping[str, str]]) -> dict[str, Part]:
    """The parts made from the `inputs` of their shard, by the model of the newest part: after a change it is wanted."""
    newest = _newest(parts)
    current: dict[str, Part] = {}
    for name, part in parts.items():
        if part is None or newest is None or name not in inputs:
            continue
        if part.has_inputs(inputs[name]) and part.goes_with(newest):
            current[name] = part
    return current


def shards_without(
    work: Workspace, manifests: Mapping[str, Manifest], stages: Iterable[str]
) -> dict[str, list[str]]:
    """The shards of which each of these stages has no current part, and still needs the pictures."""
    of_shard = {name: {"shard": one.sha256} for name, one in manifests.items()}
    missing: dict[str, list[str]] = {}
    for stage in stages:
        current = _current(_read_parts(work, stage, []), of_shard)
        missing[stage] = sorted(set(manifests) - set(current))
    return missing


def not_embedded(work: AnyWorkspace) -> tuple[int, str]:
    """How many stored images have no embedding of those that the clusters are made of, and the command for them."""
    work = Workspace(work)
    stage = _source(_read_parts(work, "cluster", []))
    parts = _read_parts(work, stage, [])
    embedded = sum(part.rows for part in parts.values() if part)
    stored = 0
    for shard in manifests(work):
        with contextlib.suppress(ValueError):  # damaged: `status` says so
            stored += read_manifest(shard).samples
    return max(0, stored - embedded), _command(stage, _newest(parts))


def _as_whole(
    parts: Parts,
    images: int,
    inputs: Mapping[str, Any],
    expected: int | None = None,
) -> StageFacts:
    """For a stage with one part for all images; `expected` is how many rows a current one has, if that is known."""
    facts: StageFacts = {
        "done": 0,
        "out_of_date": 0,
        "to_do": 0,
        "models": _models(parts),
        "command": "",
    }
    part = _newest(parts)
    if not parts:
        facts["to_do"] = images
    elif part and part.has_inputs(inputs) and expected in (None, part.rows):
        facts["done"] = part.rows
    else:
        facts["out_of_date"] = images
    return facts


def _newest(parts: Parts) -> Part | None:
    readable = [part for part in parts.values() if part]
    return max(readable, key=lambda part: part.written, default=None)


def _models(parts: Parts) -> list[str]:
    """The names of all models that made parts of a stage."""
    names: set[str] = set()
    for part in parts.values():
        if part and "model" in part.provenance:
            names.add(str(part.provenance["model"]))
    return sorted(names)
