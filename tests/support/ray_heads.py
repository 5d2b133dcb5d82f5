"""A Ray head that `ray start` has started, and drivers that join it in processes of their own."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Head:
    """Where it listens, and what a driver needs of its environment."""

    port: int
    client_port: int
    environment: dict[str, str]

    def run(self, code: str, address: str) -> "subprocess.CompletedProcess[str]":
        """A process of its own, as a connection leaves traces in one."""
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, address],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def started_head(
    folder: Path, port: int, *options: str, **variables: str
) -> Iterator[Head]:
    """A head with a token of its own in `folder`; it and all its processes are killed in the end."""
    client_port = free_port()
    environment = dict(os.environ) | {
        "HOME": str(folder),  # of the token
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    ray = str(Path(sys.executable).with_name("ray"))
    token = [ray, "get-auth-token", "--generate"]
    subprocess.run(token, env=environment, check=True, capture_output=True)
    command = [
        ray,
        "start",
        "--head",
        "--block",
        f"--port={port}",
        f"--ray-client-server-port={client_port}",
        f"--temp-dir=/tmp/ray-{port}",  # a short path: there are sockets in it
        "--min-worker-port=0",
        "--max-worker-port=0",
        "--include-dashboard=false",
        *options,
    ]
    output = folder / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            command, env=environment | variables, stdout=file, stderr=file
        )
    try:
        for place in (port, client_port):
            _wait_for_port(place, output)
        yield Head(port, client_port, environment)
    finally:
        below = psutil.Process(process.pid).children(recursive=True)
        for each in [process, *below]:
            each.kill()
        process.wait()
        shutil.rmtree(f"/tmp/ray-{port}", ignore_errors=True)


def _wait_for_port(port: int, output: Path) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(output.read_text())
