"""`twigma embed --engine ray` against a prototype on Ray Data: the same shards, encoder and columns.

The prototype is what one writes: `map_batches` over the shards in a pool of actors, and `write_parquet`. It needs a
file system that every node shares. A worker of each is killed in a second run. Run:
`python -m benchmarks.builder.ray_data`.
"""

import contextlib
import math
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.builder.embed import write_model
from benchmarks.harness.photos import write_tars
from twigma.builder.engine.vectors import as_matrix
from twigma.builder.models.clip_names import find_model
from twigma.builder.stages.clip_encoder import load_on
from twigma.builder.stages.embed import embed, embed_shards
from twigma.core.pools import ray_cluster
from twigma.core.pools.ray_pool import Engine
from twigma.rehydrate.images.shards import list_shards, read_images
from twigma.rehydrate.sources.own_files.add_images import add_tars

IMAGES, PER_TAR, SIDE = 2_000, 100, 512
ROUNDS = 3
KILL_AT = 0.7  # of the time that the run before took


# ------------------------------------------------------------------ the prototype


class Embed:
    """The model in an actor of Ray Data; a batch is one shard."""

    def __init__(self, work: Path, model: str) -> None:
        self.shards = {shard.name: shard for shard in list_shards(work)}
        found = find_model(model, None, None, work)
        self.encoder = load_on(found, "cpu", "fp32", "fast")

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The columns of a block of images."""
        for block in read_images(self.shards[batch["shard"][0]]):
            table = embed(block, self.encoder)
            yield {
                "image_name": np.array(table["image_name"].to_pylist()),
                "embedding": as_matrix(table["embedding"]),
                "pixel_hash": np.array(table["pixel_hash"].to_pylist()),
            }


def prototype(work: Path, model: str, out: Path) -> None:
    """Every shard through the actors, into one folder of Parquet files."""
    import ray

    items = [{"shard": shard.name} for shard in list_shards(work)]
    rows = ray.data.from_items(items, override_num_blocks=len(items))
    columns = rows.map_batches(
        Embed,
        fn_constructor_args=(work, model),
        batch_size=1,
        num_cpus=max(1, (os.cpu_count() or 1) - 1),  # one is left to write
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    columns.write_parquet(str(out))


# ------------------------------------------------------------------ the comparison


def kill_after(seconds: float, name: str) -> None:
    """Kill a process below this one whose title holds the name, so many seconds from now."""
    time.sleep(seconds)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if name in " ".join(process.cmdline()):
                process.kill()
                print(f"{name} is killed", flush=True)
                return


def measure(name: str, run: Callable[[], None]) -> float:
    """Print images a second and how much memory of the driver it took; the seconds."""
    before = psutil.Process().memory_info().rss
    start = time.monotonic()
    outcome = "all columns"
    try:
        run()
    except Exception as error:
        outcome = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    seconds = time.monotonic() - start
    grown = (psutil.Process().memory_info().rss - before) / 1e6
    rate = IMAGES / seconds
    print(
        f"{name}: {seconds:.1f} s, {rate:.0f} images/s, driver {grown:+.0f} MB, {outcome}",
        flush=True,
    )
    return seconds


def measure_killed(
    name: str, run: Callable[[], None], process: str, usual: float
) -> None:
    """The same with a worker that is killed late in the run."""
    killer = threading.Thread(target=kill_after, args=(KILL_AT * usual, process))
    killer.start()
    measure(f"{name}, a worker killed", run)
    killer.join()


def main() -> None:
    """Both, each on a cluster of its own on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        work = home / "work"
        add_tars(work, write_tars(home, IMAGES, PER_TAR, SIDE))
        model = write_model(home / "model")

        def ours() -> None:
            shutil.rmtree(work / "columns", ignore_errors=True)
            embed_shards(work, model, device="cpu", engine=Engine("ray"))

        def theirs() -> None:
            shutil.rmtree(home / "out", ignore_errors=True)
            with ray_cluster.connect():
                prototype(work, model, home / "out")

        usual = {"twigma": math.inf, "Ray Data": math.inf}
        for _ in range(ROUNDS):
            for name, run in (("twigma", ours), ("Ray Data", theirs)):
                usual[name] = min(usual[name], measure(name, run))
        measure_killed("twigma", ours, "ray::StageActor", usual["twigma"])
        measure_killed("Ray Data", theirs, "MapWorker", usual["Ray Data"])


if __name__ == "__main__":
    main()
