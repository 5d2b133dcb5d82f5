"""One slice of a stage: every N-th shard, for one task of a Slurm array, of Spark or of xargs. `--shards I/N`.

Slices of one N run side by side on a shared folder, each in a process of its own. Whoever needs the whole stage (the
command without `--shards`, `twigma removals`) is refused while one of them runs, and so are slices of another N, which
would make the same parts. Slices that run together have to make parts alike: each writes its settings into its lock
file, where the others look. The locks are `flock`, which NFS, Lustre (mounted with `flock`), GPFS and BeeGFS pass on.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from twigma.core import locks
from twigma.core.names import command_of
from twigma.core.workspace import Workspace

T = TypeVar("T")


@dataclass(frozen=True)
class Slice:
    """Slice `number` of `count`, counted from 1: every `count`-th shard in the order of names."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(
                f"shards: expected I/N with I from 1 to N, as in 1/16; found {self}"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Slice":
        """The slice that "I/N" names; ValueError for anything else.

        >>> Slice.parse("3/16")
        Slice(number=3, count=16)
        """
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if match is None:
            raise ValueError(
                f"shards: expected I/N with I from 1 to N, as in 1/16; found {text!r}"
            )
        return cls(int(match[1]), int(match[2]))

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Those of all items that are in this slice.

        >>> [Slice(number, 3).of("abcdefg") for number in (1, 2, 3)]
        ['adg', 'be', 'cf']
        """
        return items[self.number - 1 :: self.count]


def lock_slice(
    work: Workspace, stage: str, only: Slice | None, settings: Mapping[str, Any]
) -> AbstractContextManager[None]:
    """Hold the columns of a stage, or one slice of them.

    RuntimeError when another process writes the same parts, or makes parts of this stage with other `settings`.
    """
    if only is None:
        return work.lock_stage(stage)
    return _alone_in_slice(work, stage, only, settings)


@contextlib.contextmanager
def _alone_in_slice(
    work: Workspace, stage: str, only: Slice, settings: Mapping[str, Any]
) -> Iterator[None]:
    file = work.slice_lock_file(stage, only.number, only.count)
    command = f"{command_of(stage)} --shards {only}"
    busy = f"another process runs `{command}` in {work}: wait for it, or stop it first"
    with contextlib.ExitStack() as held:
        held.enter_context(work.lock_stage(stage, shared=True))
        file.parent.mkdir(exist_ok=True)
        # All tasks of an array begin at once: each looks around alone.
        with locks.in_turn(file.parent / ".starting"):
            held.enter_context(locks.alone(file, busy))
            for other in work.slice_lock_files(stage):
                if other != file and locks.is_held(other):
                    _refuse_beside(work, stage, only, settings, other)
            file.write_text(json.dumps(settings, sort_keys=True), "utf-8")
        yield


def _refuse_beside(
    work: Workspace,
    stage: str,
    only: Slice,
    settings: Mapping[str, Any],
    other: Path,
) -> None:
    """RuntimeError unless this slice can run beside one that holds its lock now."""
    number, _, count = other.stem.partition("-of-")
    theirs = f"{number}/{count}"
    command = command_of(stage)
    if int(count) != only.count:
        raise RuntimeError(
            f"`{command} --shards {theirs}` is running in {work}, and {only} would make some of the same parts: "
            f"wait for it, or use slices of {count}"
        )
    made_with = json.loads(other.read_text("utf-8"))
    for name in sorted({*settings, *made_with}):
        mine, its = settings.get(name), made_with.get(name)
        if mine != its:
            raise RuntimeError(
                f"`{command} --shards {theirs}`, which is running in {work}, makes parts with {name} {its}, and this "
                f"one would with {mine}: run all slices with the same options (`--precision`, `--model`)"
            )
