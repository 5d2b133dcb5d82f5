"""The processes of a fetch: one parent that imports img2dataset once, and the workers it forks and watches.

`twigma rehydrate` starts it as `python -m twigma.rehydrate.fetch.worker_pool` in a process group of its own, gives it a
job and then lists of tasks on standard input, in JSON, one a line, and reads JSON events. img2dataset's Reader, and its
Downloader and writer with ours in them, do the work; its multiprocessing distributor does not, because it waits for
ever when a worker is killed, leaves orphans when it is killed itself, and says only "failed" when a disk is full. Here
a dead or silent worker's shard is done again, and the kernel ends every process of the group whose parent is gone.
"""

import ctypes
import gc
import importlib
import json
import multiprocessing as mp
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from twigma.rehydrate.fetch.downloader import Downloader

HEARTBEAT_TIMEOUT = 30.0  # seconds without a sign of life after which a worker is ended
MAX_ATTEMPTS = 6  # of one shard whose worker dies
MAX_CRASHES = 3  # deaths of a worker while it decoded one image, after which that image is a failed row
NOTE, NOTE_BYTES = (
    "decoding",
    64,
)  # a file in the private folder: the name of the image whose check has begun
ABSENT = (
    "ray",
    "torch",
)  # optional imports of img2dataset and webdataset that no fetch needs
LATE = (
    "albumentations",
    "pandas",
    "wandb",
)  # imports of img2dataset that a fetch needs seldom; all five: 8 of 10 s
_PR_SET_PDEATHSIG = 1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_fork = mp.get_context("fork")


def skip_unused_imports() -> None:
    """Spare this process what img2dataset imports and a fetch does not use."""
    sys.modules.update(dict.fromkeys(ABSENT))  # type: ignore[arg-type]
    sys.modules.update({name: LazyModule(name) for name in LATE})
    sys.modules["pandas"].__dict__["__version__"] = (
        "0"  # too old for pyarrow, which would import it to look for frames
    )


class LazyModule(ModuleType):
    """A module that is imported when something in it is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@dataclass
class Task:
    """One shard to fetch: its number, its list, the folder to write in; and how often it was tried."""

    number: int
    path: str
    attempt: str
    tries: int = 0
    blamed: Counter[str] = field(
        default_factory=Counter
    )  # images that were being decoded when its worker ended


@dataclass
class Worker:
    """One worker process, its pipe, what it works on, when it last spoke and when it last finished a row."""

    process: Any
    pipe: Connection
    task: Task | None = None
    rows: int = 0
    heard: float = 0.0
    advanced: float = 0.0


def main() -> None:
    """Read the job, then lists of tasks; fork workers, and print events until every shard is done."""
    job = json.loads(sys.stdin.readline())
    die_with(job["parent"])
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # img2dataset prints
    keep_memory()
    skip_unused_imports()
    from twigma.rehydrate.fetch.downloader import Downloader
    from twigma.rehydrate.fetch.http_client import Limits
    from twigma.rehydrate.images.decode_memory import buffer, share

    options = job["options"] | {
        "limits": Limits(**job["options"]["limits"]),
        "gate": Path(job["options"]["gate"]),
    }
    downloader = Downloader("", **options, buffer=buffer(job["processes"]))
    gc.freeze()  # a million objects that stay: workers need neither look through them nor copy their pages
    gc.set_threshold(
        10_000
    )  # a request is many small objects, and few of them are in cycles
    pool = Pool(downloader, events, share(job["processes"]))
    for line in sys.stdin:
        pool.run([Task(*task) for task in json.loads(line)], job["processes"])


def keep_memory() -> None:
    """Have the C library keep memory that an image needed for the next one: getting it again costs page faults."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that happens."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before the line above
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the parent, which ends the group


class Pool:
    """Workers over a queue of shards; every shard ends in a `done` or a `failed` event."""

    def __init__(self, downloader: "Downloader", events: TextIO, memory: int) -> None:
        self._downloader, self._events, self._memory = downloader, events, memory
        self._waiting: list[Task] = []
        self._workers: list[Worker] = []

    def run(self, tasks: list[Task], processes: int) -> None:
        """Work until nothing waits and nobody works; the workers stay for the next list."""
        self._waiting = tasks[::-1]
        self._workers = [self._look_at(worker) for worker in self._workers]
        self._workers += [
            self._start() for _ in range(len(self._workers), min(processes, len(tasks)))
        ]
        while self._assign():
            wait(
                [item for w in self._workers for item in (w.pipe, w.process.sentinel)],
                timeout=1.0,
            )
            self._workers = [self._look_at(worker) for worker in self._workers]

    def _assign(self) -> bool:
        for worker in self._workers:
            if worker.task is None and self._waiting:
                worker.task, worker.rows = self._waiting.pop(), 0
                worker.heard = worker.advanced = time.monotonic()
                worker.pipe.send(worker.task)
        return any(worker.task for worker in self._workers)

    def _start(self) -> Worker:
        ours, theirs = _fork.Pipe()
        process = _fork.Process(
            target=work,
            args=(theirs, self._downloader, os.getpid(), self._memory),
            daemon=True,
        )
        process.start()
        theirs.close()
        return Worker(process, ours, heard=time.monotonic())

    def _look_at(self, worker: Worker) -> Worker:
        """Hear a worker; give back itself, or another in its place when it is dead or silent."""
        for kind, value in _messages(worker.pipe):
            worker.heard = time.monotonic()
            if kind == "rows":
                worker.rows += value
                worker.advanced = worker.heard if value else worker.advanced
                self._say(rows=value)
            else:
                self._end(worker, kind, value)
        silent = worker.task is not None and self._is_silent(worker)
        if worker.process.is_alive() and not silent:
            return worker
        worker.process.kill()
        worker.process.join()
        self._again(
            worker,
            "was silent"
            if silent
            else f"ended with exit code {worker.process.exitcode}",
        )
        return self._start()

    def _is_silent(self, worker: Worker) -> bool:
        """No sign of life, or no row finished for longer than any row may take: stopped, or a decoder that hangs."""
        limits, now = self._downloader.limits, time.monotonic()
        longest = limits.patience + limits.deadline + 2 * HEARTBEAT_TIMEOUT
        return now - worker.heard > HEARTBEAT_TIMEOUT or now - worker.advanced > longest

    def _again(self, worker: Worker, why: str) -> None:
        if worker.task is None:
            return
        worker.task.tries += 1
        worker.task.blamed.update(_unfinished(worker.task))
        if worker.rows:
            self._say(rows=-worker.rows)
        if worker.task.tries >= MAX_ATTEMPTS:
            message = f"its worker {why}, {MAX_ATTEMPTS} times"
            self._end(worker, "failed", {"errno": None, "error": message})
        else:
            self._waiting.append(worker.task)
            worker.task = None

    def _end(self, worker: Worker, kind: str, value: dict[str, Any]) -> None:
        assert worker.task is not None
        self._say(**{kind: worker.task.number, **value})
        worker.task = None

    def _say(self, **event: Any) -> None:
        print(json.dumps(event), file=self._events, flush=True)


def _unfinished(task: Task) -> set[str]:
    """The image whose check was begun and not ended, if there is one, from the worker's note."""
    try:
        name = Path(task.attempt, NOTE).read_bytes().rstrip(b"\0").decode("ascii")
    except OSError:
        return set()
    return {name} if name else set()


def _messages(pipe: Connection) -> Iterator[tuple[str, Any]]:
    try:
        while pipe.poll():
            yield pipe.recv()
    except (EOFError, OSError):  # the worker was killed, perhaps inside a message
        return


def work(pipe: Connection, downloader: "Downloader", parent: int, memory: int) -> None:
    """A worker: fetch the shards it is sent, one after the other, in at most so many bytes of memory."""
    die_with(parent)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    while True:
        task: Task = pipe.recv()
        report = _Report(pipe)
        downloader.on_rows = report
        try:
            fetch_shard(downloader, task)
            report.flush()
            pipe.send(("done", {}))
        except Exception as error:
            report.flush()
            trace = "".join(traceback.format_exception(error))[-2000:]
            pipe.send(
                (
                    "failed",
                    {
                        "errno": getattr(error, "errno", None),
                        "error": str(error),
                        "trace": trace,
                    },
                )
            )


def fetch_shard(downloader: "Downloader", task: Task) -> None:
    """Fetch one shard into its private folder with img2dataset's Reader and our Downloader."""
    from img2dataset.reader import Reader

    shutil.rmtree(task.attempt, ignore_errors=True)
    Path(task.attempt).mkdir(parents=True)
    downloader.output_folder = task.attempt
    downloader.condemned = {
        name for name, deaths in task.blamed.items() if deaths >= MAX_CRASHES
    }
    rows = downloader.number_sample_per_shard
    reader = Reader(
        task.path,
        "parquet",
        "url",
        None,
        None,
        None,
        ["image_name"],
        rows,
        set(),
        task.attempt,
        task.number,
    )
    for shard in reader:
        downloader.download_shard(shard)


class _Report:
    """Counts rows and sends them at most five times a second."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._rows, self._sent = pipe, 0, 0.0

    def __call__(self, rows: int) -> None:
        self._rows += rows
        if time.monotonic() - self._sent > 0.2:
            self.flush()

    def flush(self) -> None:
        self._pipe.send(("rows", self._rows))
        self._rows, self._sent = 0, time.monotonic()


if __name__ == "__main__":
    main()
