"""The connection to a Ray cluster: joining one, or starting one on this machine; and what it has room for."""

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twigma.core.safety import worker_environment

CPUS_PER_ACTOR = 4  # where a node has as many: a model uses several
CONNECT_TIMEOUT = 10.0  # seconds for a TCP connection to the address of a cluster


def starts_here(address: str | None = None) -> bool:
    """Whether `connect` starts a cluster on this machine."""
    return _resolve(address) == "local"


def _resolve(address: str | None) -> str:
    return address or os.environ.get("RAY_ADDRESS") or "local"


@contextlib.contextmanager
def connect(address: str | None = None, cpus: int | None = None) -> Iterator[int]:
    """Join the Ray cluster at `address` (or $RAY_ADDRESS), else start one here with `cpus`; yield its number of CPUs.

    Nodes import this package from where the driver does, else from what is installed there; no token of the driver
    goes to them. A cluster started here listens on loopback only and asks for the token in ~/.ray/auth_token. While
    connected, what is printed to standard output is dropped: Ray reports every worker that ends there. Raises
    RuntimeError where Ray is not installed, no cluster answers, or the cluster fails.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise RuntimeError(
            "Ray is not installed here: pip install 'twigma[ray]'"
        ) from error

    address = _resolve(address)
    # Ray reports its use to its makers unless this is set.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What later versions of Ray do by default; without it, this one warns.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    logging.getLogger("ray").setLevel(logging.ERROR)
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        _restore_sigterm(),
    ):
        _join(address, cpus)
        try:
            yield int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]
        except ray.exceptions.RayError as error:
            raise RuntimeError(
                f"the Ray cluster at {address!r} failed: {last_line(error)}"
            ) from error
        finally:
            ray.shutdown()


def _join(address: str, cpus: int | None) -> None:
    """Connect to the cluster, or start it; RuntimeError that names the address and what to check."""
    import ray

    try:
        _check_port(address)
        _initialize(address, cpus)
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


def _initialize(address: str, cpus: int | None) -> None:
    import ray

    # Where the driver imports from, before what the node itself has in its PYTHONPATH.
    folders = [entry for entry in sys.path if entry]
    variables = {"PYTHONPATH": os.pathsep.join([*folders, "${PYTHONPATH}"])}
    options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    environment: AbstractContextManager[None] = contextlib.nullcontext()
    if address == "local":
        options["include_dashboard"] = False
        options["num_cpus"] = cpus
        environment = worker_environment.private_cluster()
    else:
        # The processes of a cluster that others started have an environment of their own.
        variables.update(worker_environment.on_nodes())
    with environment:
        ray.init(address, runtime_env={"env_vars": variables}, **options)


def _check_port(address: str) -> None:
    """Raise OSError unless something listens at HOST:PORT: Ray itself would try for minutes."""
    url = address if "://" in address else f"//{address}"
    parts = urlsplit(url)
    if parts.port:
        place = (parts.hostname, parts.port)
        socket.create_connection(place, timeout=CONNECT_TIMEOUT).close()


@contextlib.contextmanager
def _restore_sigterm() -> Iterator[None]:
    """Put back what handled SIGTERM: Ray's handler would pass to later forks, and can keep a pool from ending."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        # ValueError: this is not the main thread, so Ray has set no handler.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, before)


def actor_resources(device: str | None) -> tuple[int, dict[str, float]]:
    """How many actors the cluster has room for, and what each of them asks of Ray.

    An actor takes a GPU where the cluster has any and `device` is not "cpu", else CPUS_PER_ACTOR CPUs, or as few as
    the smallest node has.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    if gpus and device != "cpu":
        return gpus, {"num_gpus": 1, "num_cpus": 1}
    cpus = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    # All actors ask for the same: what fits on the smallest node fits on each.
    each = min([CPUS_PER_ACTOR, *cpus])
    actors = sum(count // each for count in cpus)
    return max(1, actors), {"num_cpus": each}


def last_line(error: BaseException) -> str:
    """The last line of an error of Ray, where a traceback names the error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
