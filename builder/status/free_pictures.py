"""Delete the tars of shards whose columns are complete: the pictures are most of a folder's size. `twigma free`.

Sidecars and manifests stay, so that every count, and every stage that reads columns, is as before. The manifest says on
which day the pictures went, before they go: a run that is stopped in between leaves tars that the next one deletes.
"""

import contextlib
import datetime
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from twigma.builder.status.stage_progress import shards_without
from twigma.core.names import STAGES, command_of, split_name
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.accounting import FinishedShards, read_finished_shards
from twigma.rehydrate.images.shards import shard_at, write_manifest

OF_PICTURES = ("embed", "caption")  # stages that read them; the others read columns


@dataclass(frozen=True)
class Freed:
    """What was freed, or would be: shards and bytes; those freed before, and why each of the others stays.

    `added` are those of the shards whose pictures no address has: they came from files, and come back with them only.
    `stay` counts shards by what still needs their pictures: a command, or that the tar is the user's own.
    """

    shards: int = 0
    bytes: int = 0
    added: int = 0
    before: int = 0
    stay: dict[str, int] = field(default_factory=dict)


def free_pictures(
    work: AnyWorkspace, *, without: Collection[str] = (), go: bool = False
) -> Freed:
    """Delete the tars of `work` that no stage needs any more; without `go` only count them.

    `without` names stages of OF_PICTURES that are not wanted. Tars of the user's own, which `twigma add` registered
    where they are, stay. ValueError for another stage, and when a shard is damaged; FileNotFoundError without shards;
    RuntimeError while a fetch runs, and with `go` also while a stage does.
    """
    work = Workspace(work)
    if not work.shards.is_dir():
        raise FileNotFoundError(f"no shards in {work}: there is nothing to free")
    with contextlib.ExitStack() as held:
        held.enter_context(work.lock_shards())
        if go:
            # A stage that has no part yet is not among those asked below.
            held.enter_context(work.lock_columns())
        stages = [name for name in work.with_named(STAGES) if _reads_pictures(name)]
        unknown = sorted(set(without) - set(stages))
        if unknown:
            raise ValueError(
                f"without: expected stages among {stages}, found {unknown}"
            )
        finished = read_finished_shards(work)
        if finished.damaged:
            raise ValueError(finished.damaged[0])
        wanted = [name for name in stages if name not in without]
        return _free(work, finished, _reasons(work, finished, wanted), go)


def _reads_pictures(stage: str) -> bool:
    return split_name(stage)[0] in OF_PICTURES


def _reasons(
    work: Workspace, finished: FinishedShards, stages: Collection[str]
) -> dict[str, str]:
    """Why the tars of shards stay, by the name of the shard."""
    reasons: dict[str, str] = {}
    for name, manifest in finished.manifests.items():
        if "/" in manifest.tar:
            reasons[name] = "your own tar, which was added where it is"
    for stage, names in shards_without(work, finished.manifests, stages).items():
        for name in names:
            reasons.setdefault(name, f"not processed by `{command_of(stage)}` yet")
    return reasons


def _free(
    work: Workspace, finished: FinishedShards, stay: dict[str, str], go: bool
) -> Freed:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    shards = size = added = before = 0
    counts: dict[str, int] = {}
    for name, manifest in finished.manifests.items():
        shard = shard_at(work, name)
        tar = manifest.tar_path(shard.manifest.parent)
        if manifest.freed:
            before += 1
            if go:
                tar.unlink(missing_ok=True)  # of a run that was stopped
        elif name in stay:
            counts[stay[name]] = counts.get(stay[name], 0) + 1
        else:
            shards += 1
            size += manifest.bytes
            added += manifest.made_from.get("kind") == "add"
            if go:
                write_manifest(shard, replace(manifest, freed=today))
                tar.unlink(missing_ok=True)  # in a store it goes with its manifest
    return Freed(shards, size, added, before, counts)
