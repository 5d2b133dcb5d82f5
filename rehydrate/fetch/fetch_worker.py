"""One worker of a fetch: a forked process that fetches shard after shard. Part of `worker_pool.py`.

img2dataset's Reader does the work, and its Downloader and writer with ours in them (`downloader.py`). The parent
prepares what all workers share before it forks them: imports, settings of the C library, and the Downloader.
"""

import ctypes
import gc
import importlib
import resource
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from twigma.core.pools.child_process import die_with
from twigma.core.pools.task_event import TaskEvent, portable_error

if TYPE_CHECKING:
    from twigma.rehydrate.fetch.downloader import Downloader

MAX_CRASHES = 3  # deaths of a worker while it decoded one image, after which that image is a failed row
REPORT_SECONDS = 0.2  # between two reports of progress
# Imports of img2dataset and webdataset that no fetch needs, and those that it needs seldom: 8 of 10 seconds.
ABSENT = ("ray", "torch")
LATE = ("albumentations", "pandas", "wandb")
# Options of mallopt(3), in <malloc.h> of glibc.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


@dataclass
class Task:
    """One shard to fetch: its number, its list, the private folder to write in; how often its worker was lost; and
    how often each image was being decoded then."""

    number: int
    path: str
    attempt: str
    losses: int = 0
    crashes: Counter[str] = field(default_factory=Counter)


def work(pipe: Connection, downloader: "Downloader", parent: int, memory: int) -> None:
    """The worker process: fetch the shards it is sent, one after the other, in at most `memory` bytes."""
    die_with(parent)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    while True:
        task: Task = pipe.recv()
        report = _Report(pipe, task.number)
        downloader.on_rows = report
        end: TaskEvent[int] = TaskEvent("done", task.number)
        try:
            fetch_shard(downloader, task)
        except Exception as error:
            end = TaskEvent("failed", task.number, portable_error(error))
        report.flush()
        pipe.send(end)


def fetch_shard(downloader: "Downloader", task: Task) -> None:
    """Fetch one shard into its private folder with img2dataset's Reader and our Downloader."""
    from img2dataset.reader import Reader

    from twigma.rehydrate.fetch.shard_plan import is_retry

    shutil.rmtree(task.attempt, ignore_errors=True)
    Path(task.attempt).mkdir(parents=True)
    downloader.output_folder = task.attempt
    downloader.crashing = {
        name for name, crashes in task.crashes.items() if crashes >= MAX_CRASHES
    }
    # Photos that failed before may all fail alike again, and have their rows already.
    downloader.may_stop = not is_retry(Path(task.path))
    reader = Reader(
        url_list=task.path,
        input_format="parquet",
        url_col="url",
        caption_col=None,
        verify_hash_col=None,
        verify_hash_type=None,
        save_additional_columns=["image_name"],
        number_sample_per_shard=downloader.number_sample_per_shard,
        done_shards=set(),
        tmp_path=task.attempt,
        start_shard_id=task.number,
    )
    for shard in reader:
        downloader.download_shard(shard)


class _Report:
    """Counts rows, and sends them as progress now and then; also none, as a sign of life."""

    def __init__(self, pipe: Connection, task: int) -> None:
        self._pipe = pipe
        self._task = task
        self._rows = 0
        self._sent = 0.0

    def __call__(self, rows: int) -> None:
        self._rows += rows
        if time.monotonic() - self._sent > REPORT_SECONDS:
            self.flush()

    def flush(self) -> None:
        self._pipe.send(TaskEvent("progress", self._task, self._rows))
        self._rows = 0
        self._sent = time.monotonic()


# ------------------------------------------------------------------ before workers are forked


def load_downloader(options: dict[str, Any], processes: int) -> "Downloader":
    """Import what workers need, once for all of them, and make the Downloader of a job's options."""
    _reuse_memory()
    skip_unused_imports()
    from twigma.rehydrate.fetch.downloader import Downloader
    from twigma.rehydrate.fetch.http.client import Limits
    from twigma.rehydrate.images.decode_memory import buffer

    arguments = dict(options)
    arguments["limits"] = Limits(**options["limits"])
    arguments["gate"] = Path(options["gate"])
    downloader = Downloader("", **arguments, buffer=buffer(processes))
    # A million objects that stay: workers need neither look through them nor copy their pages.
    gc.freeze()
    # A request is many small objects, and few of them are in cycles.
    gc.set_threshold(10_000)
    return downloader


def _reuse_memory() -> None:
    """Have the C library hold on to the memory of one image for the next: getting it again costs page faults."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only glibc has it
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def skip_unused_imports() -> None:
    """Spare this process what img2dataset imports and a fetch does not use."""
    for name in ABSENT:
        sys.modules[name] = None  # type: ignore[assignment]
    for name in LATE:
        sys.modules[name] = LazyModule(name)
    # Too old for pyarrow, which would otherwise import pandas to look for data frames.
    sys.modules["pandas"].__dict__["__version__"] = "0"


class LazyModule(ModuleType):
    """A module that is imported when something in it is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)
