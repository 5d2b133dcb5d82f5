"""Stages on a Ray cluster: `twigma embed --engine ray`, `twigma caption --engine ray`.

There is an actor for each GPU of the cluster, or for every few CPUs where it has none; it loads the model once and
processes shard after shard. The driver sends the files of a shard and writes the part that comes back, so nodes share
no file system. A model in a local folder must lie at the same path on every node. One of the Hub is fetched by the
driver for a cluster that it starts on its machine, and else by each node, with the Hub token that the node was started
with.
"""

import contextlib
import shutil
import uuid
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from twigma.builder.engine.in_process import run_stage
from twigma.builder.engine.source import Event, Source, Start
from twigma.core.pools import ray_cluster, ray_pool
from twigma.core.pools.scratch import Scratch
from twigma.core.pools.task_event import Progress, TaskEvent
from twigma.core.storage import mirrors
from twigma.rehydrate.images.shards import Shard

Files = dict[str, bytes]


def on_ray(
    sources: Sequence[Source],
    start: Start,
    address: str | None = None,
    device: str | None = None,
) -> Generator[Event, None, None]:
    """Process the sources on the cluster at `address`, else on one started here; `device` limits it to "cpu"."""
    by_name = {source.name: source for source in sources}
    with ray_cluster.connect(address):
        import ray

        actors, resources = ray_cluster.actor_resources(device)
        actor_class = ray.remote(StageActor).options(**resources)
        run = uuid.uuid4().hex

        def new_actor() -> Any:
            return actor_class.remote(run, start, device)

        def payload(name: str) -> tuple[Source, Files]:
            return by_name[name], _files(by_name[name])

        events = ray_pool.run_tasks(new_actor, list(by_name), payload, actors)
        with contextlib.closing(events):
            for event in events:
                yield TaskEvent(event.kind, by_name[event.task], event.value)


def _shard_of(source: Source) -> Shard:
    assert isinstance(source.data, Shard)
    return source.data


def _files(source: Source) -> Files:
    """The files of a shard by name; the manifest names its tar, which may lie elsewhere."""
    shard = _shard_of(source)
    paths = (shard.tar, shard.sidecar, shard.manifest)
    with mirrors.reading(shard.tar):
        return {path.name: path.read_bytes() for path in paths}


class StageActor(ray_pool.Actor):
    """Holds the model on a node, and processes one shard after the other."""

    def __init__(self, run: str, start: Start, device: str | None) -> None:
        self._run = run
        self._start = start
        self._device = device

    def ready(self) -> str:
        """Load the model."""
        self._scratch = Scratch(self._run)
        self._stage = self._start(self._device)
        return super().ready()

    def parts(self, task: tuple[Source, Files]) -> Iterator[Progress | pa.Table]:
        """Process one shard; ValueError where it is damaged.

        Yields rows processed as `Progress`, then the table of its part, one row per image.
        """
        source, files = task
        # A stage reads shards from files, as on one machine.
        folder = self._scratch.own / source.name
        folder.mkdir()
        try:
            for name, data in files.items():
                (folder / name).write_bytes(data)
            # The driver makes "done" and "failed" of how this ends.
            for event in run_stage([_moved(source, folder)], self._stage):
                if event.kind == "failed":
                    raise event.value
                if event.kind == "progress":
                    yield Progress(event.value)
                elif event.kind == "part":
                    yield event.value
        finally:
            shutil.rmtree(folder)

    def close(self) -> None:
        """Leave nothing on the node."""
        self._scratch.close()


def _moved(source: Source, folder: Path) -> Source:
    """The same source, with the files of its shard in another folder."""
    shard = _shard_of(source)
    moved = replace(
        shard,
        tar=folder / shard.tar.name,
        sidecar=folder / shard.sidecar.name,
        manifest=folder / shard.manifest.name,
    )
    return replace(source, data=moved)
