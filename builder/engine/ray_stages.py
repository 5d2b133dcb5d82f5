"""Stages on a Ray cluster: `--engine ray` of `twigma embed`, `caption` and `nsfw`.

There is an actor for each GPU of the cluster, or for several CPUs where it has none; it loads the model once and
processes shard after shard. Nodes need no file system in common: the driver sends the files of a shard while the actor
works on the one before, and writes the part that comes back. Where a node sees the driver's files at the same paths, it
reads them there. A model in a local folder must lie at the same path on every node. One of the Hub is fetched by the
driver for a cluster that it starts on its machine, and else by each node, with the Hub token that the node was started
with.
"""

import contextlib
import shutil
import uuid
from collections.abc import Generator, Iterator, Sequence

import pyarrow as pa

from twigma.builder.engine.delivery import (
    Delivery,
    named_as,
    offer,
    sees,
    unpack,
    with_contents,
)
from twigma.builder.engine.in_process import run_stage
from twigma.builder.engine.pixels import share_cpus
from twigma.builder.engine.source import Event, Source, Start
from twigma.core.pools import ray_cluster, ray_pool
from twigma.core.pools.ray_actor import Actor, on_this_node
from twigma.core.pools.ray_slots import ModelSlots, threads_here
from twigma.core.pools.scratch import Scratch
from twigma.core.pools.task_event import Progress, TaskEvent
from twigma.core.storage import mirrors


def on_ray(
    sources: Sequence[Source],
    start: Start,
    address: str | None = None,
    device: str | None = None,
) -> Generator[Event, None, None]:
    """Process the sources on the cluster at `address`, else on one started here; `device` limits it to "cpu"."""
    by_name = {source.name: source for source in sources}
    # What is fetched from an object store lies here only while it is sent.
    is_here = not any(mirrors.is_mirrored(source.files()[0]) for source in sources)

    def offer_task(name: str) -> Delivery:
        return offer(by_name[name])

    with ray_cluster.connect(address):
        events = ray_pool.run_tasks(
            StageActor,
            (uuid.uuid4().hex, start, device),
            list(by_name),
            lambda name: with_contents(by_name[name]),
            ModelSlots(device),
            offer=offer_task if is_here else None,
        )
        with contextlib.closing(events):
            for event in events:
                yield TaskEvent(event.kind, by_name[event.task], event.value)


class StageActor(Actor):
    """Holds the model on a node, and processes one shard after the other."""

    def __init__(self, run: str, start: Start, device: str | None) -> None:
        super().__init__()
        self._run = run
        self._start = start
        self._device = device

    def ready(self) -> str:
        """Load the model."""
        self._scratch = Scratch(self._run)
        share_cpus(threads_here())
        self._stage = self._start(self._device)
        return super().ready()

    def deliver(self, task: str, payload: Delivery) -> bool:
        """Take in a shard: where it lies if this node sees it there, else its bytes, on the disk of this node."""
        if payload.marks:
            here = payload.source
            if not sees(payload):
                return False
        else:
            # A stage reads shards from files, as on one machine.
            folder = self._scratch.own / task
            folder.mkdir()
            try:
                here = unpack(payload, folder)
            except OSError as error:
                raise on_this_node(error) from error
        return super().deliver(task, (here, payload.source))

    def discard(self, task: str) -> None:
        """Delete the files of a shard that were written here."""
        super().discard(task)
        shutil.rmtree(self._scratch.own / task, ignore_errors=True)

    def parts(self, payload: tuple[Source, Source]) -> Iterator[Progress | pa.Table]:
        """Process one shard; ValueError where it is damaged.

        Yields rows processed as `Progress`, then the table of its part, one row per image.
        """
        here, source = payload
        try:
            # The driver makes "done" and "failed" of how this ends.
            for event in run_stage([here], self._stage):
                if event.kind == "failed":
                    raise named_as(event.value, here, source)
                if event.kind == "progress":
                    yield Progress(event.value)
                elif event.kind == "part":
                    yield event.value
        finally:
            self.discard(source.name)

    def close(self) -> None:
        """Leave nothing on the node."""
        self._scratch.close()
