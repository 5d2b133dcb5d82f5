"""Work on a Ray cluster in slots: actors that do one task after the other. `--engine ray`.

The driver asks each slot for its task's pieces one by one, so a slow driver holds the cluster back instead of filling
its memory, and it may stand outside the cluster (`ray://`). A slot that is lost, alone or with its node, costs its
task: another slot does it again from the beginning. Nothing is left to Ray's own retries, which know no limit in time
and no silence.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from twigma import __version__
from twigma.core.safety import worker_environment

MAX_ATTEMPTS = 6  # of one task whose slot is lost
REPLY_TIMEOUT = 300.0  # seconds a slot may take for one piece
START_TIMEOUT = (
    600.0  # seconds to wait for a first slot, or for another when all are lost
)
SHUTDOWN_TIMEOUT = 5.0  # seconds that slots have to put their things away
CPUS_PER_ACTOR = 4  # of one slot, where a node has as many: a model uses several
K = TypeVar("K")


@dataclass(frozen=True)
class Engine:
    """Where what is heavy runs: `local`, or `ray` on the cluster at `address` (by default one started here)."""

    name: str = "local"
    address: str | None = None


LOCAL = Engine()


class Actor:
    """What an actor does; a subclass says in `pieces` what one task gives. None ends a task and is no piece."""

    _pieces: Iterator[Any]

    def ready(self) -> str:
        """The version of this package on the node; a subclass may raise what it misses there."""
        return __version__

    def pieces(self, task: Any) -> Iterator[Any]:
        """The pieces of one task; a ValueError, OSError … is for the driver, SystemExit gives the slot up."""
        raise NotImplementedError

    def begin(self, task: Any) -> None:
        """Turn to a task."""
        self._pieces = self.pieces(task)

    def next(self) -> Any:
        """The next piece of the task."""
        return next(self._pieces, None)

    def close(self) -> None:
        """Put away what would outlive the actor."""


def starts_here(address: str | None = None) -> bool:
    """Whether `connect` starts a cluster on this machine."""
    return _address(address) == "local"


def _address(address: str | None) -> str:
    return address or os.environ.get("RAY_ADDRESS") or "local"


@contextlib.contextmanager
def connect(address: str | None = None, cpus: int | None = None) -> Iterator[int]:
    """Join the Ray cluster at `address` (or $RAY_ADDRESS), else start one here with `cpus`; yield its number of CPUs.

    Nodes import this package from where the driver does, else from what is installed there; no token of the driver
    goes to them. One started here listens on loopback only and asks for the token in ~/.ray/auth_token. While
    connected, what is printed to standard output is dropped: Ray tells there of every worker that ends.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise RuntimeError(
            "Ray is not installed here: pip install 'twigma[ray]'"
        ) from error

    address = _address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault(
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"
    )  # what Ray will do; without it, it warns
    logging.getLogger("ray").setLevel(logging.ERROR)
    paths = os.pathsep.join([*(entry for entry in sys.path if entry), "${PYTHONPATH}"])
    own: dict[str, Any] = (
        {"include_dashboard": False, "num_cpus": cpus} if address == "local" else {}
    )
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        _restore_sigterm(),
    ):
        try:
            _check_port(address)
            variables = {"PYTHONPATH": paths} | (
                {} if address == "local" else worker_environment.ON_NODES
            )
            with (
                worker_environment.private_cluster()
                if address == "local"
                else contextlib.nullcontext()
            ):
                ray.init(
                    address,
                    runtime_env={"env_vars": variables},
                    log_to_driver=False,
                    configure_logging=False,
                    **own,
                )
        except (
            OSError,
            ValueError,
            RuntimeError,
            ImportError,
            ray.exceptions.RayError,
        ) as error:
            raise RuntimeError(
                f"no Ray cluster answers at {address!r}: {last_line(error)}; check the address, "
                "and set RAY_AUTH_MODE=token if the cluster asks for a token"
            ) from error
        try:
            yield int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]
        except ray.exceptions.RayError as error:
            raise RuntimeError(
                f"the Ray cluster at {address!r} failed: {last_line(error)}"
            ) from error
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _restore_sigterm() -> Iterator[None]:
    """Put back what handled SIGTERM: Ray's handler would pass to later forks, and can keep a pool from ending."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with contextlib.suppress(
            ValueError
        ):  # not the main thread: Ray has set no handler
            signal.signal(signal.SIGTERM, before)


def actor_resources(device: str | None) -> tuple[int, dict[str, float]]:
    """How many slots with a GPU, or else with a few CPUs, the cluster holds; and what each asks of Ray."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    if gpus and device != "cpu":
        return gpus, {"num_gpus": 1, "num_cpus": 1}
    cpus = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    each = min([CPUS_PER_ACTOR, *cpus])
    return max(1, sum(cpu // each for cpu in cpus)), {"num_cpus": each}


def _check_port(address: str) -> None:
    """Raise OSError unless something listens at HOST:PORT: Ray itself would try for minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.port:
        socket.create_connection((place.hostname, place.port), timeout=10).close()


def run_tasks(
    start: Callable[[], Any],
    keys: Sequence[K],
    task: Callable[[K], Any],
    slots: int,
    *,
    silence: float = REPLY_TIMEOUT,
) -> Generator[tuple[K, str, Any], None, None]:
    """Do the task of every key in at most `slots` actors that `start` makes of a `Slot`; to be closed after use.

    Yields (key, "piece", value), then (key, "done", None) or (key, "failed", exception). After (key, "lost", why) the
    key begins again, and the pieces it gave are void.
    """
    crew = ActorPool(start, keys, task, silence)
    try:
        yield from crew.run(slots)
    finally:
        crew.end()


def last_line(error: BaseException) -> str:
    """What an error of Ray comes down to: its last line, where a traceback names the error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


@dataclass(frozen=True)
class Call(Generic[K]):
    """What a slot was asked for: a piece of its task, or (without a key) whether it is ready; and when."""

    slot: Any
    key: K | None
    asked: float


class ActorPool(Generic[K]):
    """The slots of one run, the calls that wait for an answer, and the keys that wait for a slot."""

    def __init__(
        self,
        start: Callable[[], Any],
        keys: Sequence[K],
        task: Callable[[K], Any],
        silence: float,
    ) -> None:
        self._start, self._task, self._silence = start, task, silence
        self._waiting = list(keys)[::-1]
        self._idle: list[Any] = []
        self._calls: dict[Any, Call[K]] = {}
        self._lost: Counter[K | None] = Counter()
        self._heard = time.monotonic()

    def run(self, slots: int) -> Iterator[tuple[K, str, Any]]:
        """Work until no key waits and no slot works."""
        import ray

        for _ in range(min(slots, len(self._waiting))):
            self._hire()
        while self._assign():
            answered, _ = ray.wait(list(self._calls), timeout=1.0, fetch_local=False)
            for ref in answered:
                yield from self._hear(ref)
            yield from self._watch()

    def end(self) -> None:
        """Let the slots put their things away, and end them."""
        import ray

        slots = [
            *self._idle,
            *(call.slot for call in self._calls.values() if call.key is not None),
        ]
        with contextlib.suppress(ray.exceptions.RayError):
            if slots:
                farewells = [slot.close.remote() for slot in slots]
                ray.wait(
                    farewells, num_returns=len(farewells), timeout=SHUTDOWN_TIMEOUT
                )
            for slot in [*slots, *(call.slot for call in self._calls.values())]:
                ray.kill(slot)

    def _hire(self) -> None:
        slot = self._start()
        self._ask(slot, None, slot.ready.remote())

    def _ask(self, slot: Any, key: K | None, ref: Any) -> None:
        self._calls[ref] = Call(slot, key, time.monotonic())

    def _assign(self) -> bool:
        while self._idle and self._waiting:
            slot, key = self._idle.pop(), self._waiting.pop()
            slot.begin.remote(self._task(key))
            self._ask(slot, key, slot.next.remote())
        return bool(self._waiting) or self._at_work()

    def _at_work(self) -> bool:
        return any(call.key is not None for call in self._calls.values())

    def _hear(self, ref: Any) -> Iterator[tuple[K, str, Any]]:
        import ray

        call = self._calls.pop(ref)
        try:
            value = ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            if call.key is None:
                raise RuntimeError(
                    f"a node of the Ray cluster cannot work: {last_line(error)}"
                ) from error
            self._idle.append(call.slot)
            yield call.key, "failed", error.cause
        except ray.exceptions.RayError as error:
            yield from self._lose(call, last_line(error))
        else:
            self._heard = time.monotonic()
            yield from self._take(call, value)

    def _take(self, call: Call[K], value: Any) -> Iterator[tuple[K, str, Any]]:
        if call.key is None:
            if value != __version__:
                raise RuntimeError(
                    f"a node of the Ray cluster has twigma {value}, this is {__version__}: make them equal"
                )
            self._lost.pop(None, None)
            self._idle.append(call.slot)
        elif value is None:
            self._idle.append(call.slot)
            yield call.key, "done", None
        else:
            self._ask(call.slot, call.key, call.slot.next.remote())
            yield call.key, "piece", value

    def _lose(self, call: Call[K], why: str) -> Iterator[tuple[K, str, Any]]:
        import ray

        ray.kill(call.slot)
        self._lost[call.key] += 1
        if call.key is None and self._lost[None] >= MAX_ATTEMPTS:
            raise RuntimeError(
                f"no worker of the Ray cluster lives until it is ready: {why}"
            )
        self._hire()
        if call.key is not None and self._lost[call.key] >= MAX_ATTEMPTS:
            yield (
                call.key,
                "failed",
                RuntimeError(f"its worker was lost {MAX_ATTEMPTS} times: {why}"),
            )
        elif call.key is not None:
            self._waiting.append(call.key)
            yield call.key, "lost", why

    def _watch(self) -> Iterator[tuple[K, str, Any]]:
        """Give up the slots that are silent, unless it was the caller who took long and their answers are here."""
        import ray

        now = time.monotonic()
        late = [
            ref
            for ref, call in self._calls.items()
            if call.key is not None and now - call.asked > self._silence
        ]
        for ref in ray.wait(late, num_returns=len(late), timeout=0)[1] if late else []:
            yield from self._lose(
                self._calls.pop(ref), f"no word from it for {self._silence:g} s"
            )
        if not self._idle and not self._at_work() and now - self._heard > START_TIMEOUT:
            raise RuntimeError(
                f"the Ray cluster had no free CPU for {START_TIMEOUT:g} s: run again when it has"
            )
