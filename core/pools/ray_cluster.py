"""The connection to a Ray cluster: joining one, or starting one on this machine."""

import contextlib
import logging
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

from twigma.core.installing import install_command
from twigma.core.pools.worker_output import WorkerOutput
from twigma.core.safety import worker_environment

CONNECT_TIMEOUT = 10.0  # seconds for a TCP connection to the address of a cluster
# The server that Ray starts for a driver outside of the cluster (ray://) can end as it begins, on a busy head, or think
# that the driver has gone.
ATTEMPTS, PAUSE = 3, 2.0  # and seconds between them


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
    connected, what workers print or log comes to standard error, with their process and node before it. Raises
    RuntimeError where Ray is not installed, no cluster answers, or the cluster fails.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"Ray is not installed here: {install_command('ray')}"
        ) from error

    address = _resolve(address)
    # Ray reports its use to its makers unless this is set.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What later versions of Ray do by default; without it, this one warns.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    logging.getLogger("ray").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(WorkerOutput()), _restore_sigterm():
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
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _initialize(address, cpus)
                return
            except ConnectionError:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(PAUSE)
    except (
        OSError,
        ValueError,
        RuntimeError,
        ImportError,
        ray.exceptions.RayError,
    ) as error:
        raise RuntimeError(_reason(address, error)) from error


def _reason(address: str, error: Exception) -> str:
    """Why there is no connection, and what to do."""
    # Ray and Python of the cluster, then those of this process.
    versions = re.findall(r"^\s*(?:Ray|Python): (\S+)$", str(error), re.MULTILINE)
    if len(versions) == 4:
        there, here = versions[:2], versions[2:]
        return (
            f"the Ray cluster at {address!r} has Ray {there[0]} under Python {there[1]}, this is Ray {here[0]} under "
            f"Python {here[1]}: install the same versions on both (here: pip install 'ray[client]=={there[0]}')"
        )
    return (
        f"no Ray cluster answers at {address!r}: {last_line(error)}; check the address, "
        "and set RAY_AUTH_MODE=token if the cluster asks for a token"
    )


def _initialize(address: str, cpus: int | None) -> None:
    import ray

    # Where the driver imports from, before what the node itself has in its PYTHONPATH.
    folders = [entry for entry in sys.path if entry]
    variables = {"PYTHONPATH": os.pathsep.join([*folders, "${PYTHONPATH}"])}
    variables.update(worker_environment.NO_BARS)
    options: dict[str, Any] = {"log_to_driver": True, "configure_logging": False}
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


def last_line(error: BaseException) -> str:
    """The last line of an error of Ray, where a traceback names the error; without its advice to everybody.

    Of one that has another of gRPC in it, what that one says.
    """
    text = str(error)
    of_grpc = re.search(r'^\s*details = "(.+)"$', text, re.MULTILINE)
    if of_grpc:
        return of_grpc[1]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    return last.partition(" Some common causes include")[0]
