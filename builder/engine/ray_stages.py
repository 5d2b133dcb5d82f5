"""Stages on a Ray cluster: `twigma embed --engine ray`, `twigma caption --engine ray`.

There is an actor for each GPU of the cluster, or for every few CPUs where it has none; it loads the model once and
treats shard after shard. The driver sends the files of a shard and writes the part that comes back, so nodes share no
file system. A model in a local folder must lie at the same path on every node. One of the Hub is fetched by the driver
for a cluster that it starts on its machine, and else by each node, with the Hub token that the node was started with.
"""

import contextlib
import shutil
import uuid
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from twigma.builder.engine.engine import Event, Source, Start, process
from twigma.core.pools import ray_pool
from twigma.core.pools.scratch import Scratch
from twigma.rehydrate.images.shards import Shard

Files = dict[str, bytes]


def on_ray(
    sources: Sequence[Source],
    start: Start,
    address: str | None = None,
    device: str | None = None,
) -> Generator[Event, None, None]:
    """Treat the sources on the cluster at `address`, else on one started here; `device` limits it to "cpu"."""
    with ray_pool.connect(address):
        import ray

        slots, needs = ray_pool.actor_resources(device)
        actor, run, by_name = (
            ray.remote(StageActor).options(**needs),
            uuid.uuid4().hex,
            {s.name: s for s in sources},
        )
        results = ray_pool.run_tasks(
            lambda: actor.remote(run, start, device),
            list(by_name),
            lambda name: (by_name[name], _files(by_name[name])),
            slots,
        )
        with contextlib.closing(results):
            for name, kind, value in results:
                if kind == "piece":
                    yield by_name[name], *value
                elif kind != "done":
                    yield by_name[name], kind, value


def _files(source: Source) -> Files:
    """The files of a shard by name; the manifest names its tar, which may lie elsewhere."""
    assert isinstance(source.of, Shard)
    return {
        path.name: path.read_bytes()
        for path in (source.of.tar, source.of.sidecar, source.of.manifest)
    }


class StageActor(ray_pool.Actor):
    """Holds the model on a node, and treats one shard after the other."""

    def __init__(self, run: str, start: Start, device: str | None) -> None:
        self._run, self._start, self._device = run, start, device

    def ready(self) -> str:
        """Load the model."""
        self._scratch = Scratch(self._run)
        self._stage = self._start(self._device)
        return super().ready()

    def pieces(self, task: tuple[Source, Files]) -> Iterator[tuple[str, Any]]:
        """Treat one shard: ("rows", number) as it goes on, then ("part", table) or ("failed", error)."""
        source, files = task
        folder = self._scratch.own / source.name
        folder.mkdir()
        try:
            for name, data in files.items():
                (folder / name).write_bytes(data)
            for _, kind, value in process([_moved(source, folder)], self._stage):
                yield kind, value
        finally:
            shutil.rmtree(folder)

    def close(self) -> None:
        """Leave nothing on the node."""
        self._scratch.close()


def _moved(source: Source, folder: Path) -> Source:
    """The same source, with the files of its shard in another folder."""
    assert isinstance(source.of, Shard)
    places = {
        name: folder / getattr(source.of, name).name
        for name in ("tar", "sidecar", "manifest")
    }
    return replace(source, of=replace(source.of, **places))
