"""What workers know: real ones of the pool, of devices and of Ray say their environment, and where they listen."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from support.staging import encode, make_shard, measure, pixels
from support.worlds import wait_until

from twigma.builder.engine.engine import Stage, map_shards
from twigma.builder.publish import zenodo_calls
from twigma.core.pools import ray_cluster
from twigma.core.safety import worker_environment
from twigma.rehydrate.fetch.local_pool import PoolProcess
from twigma.rehydrate.sources.x.bearer_token import TOKEN_VARIABLE

CANARY = "AAAAcanary0123456789token"
KEY = "AAAAcanary0123456789store"
NOW = "\0now\0"  # between what a process was started with and what it knows


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in worker_environment.TOKENS:
        monkeypatch.setenv(name, CANARY)
    for name in worker_environment.STORE_KEYS:
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("KEPT", "a")


def reporting(goal: Path, device: str | None) -> Stage:
    """A stage that writes down the environment that its process was started with."""
    inherited = Path("/proc/self/environ").read_bytes().decode()
    now = "\0".join(f"{name}={value}" for name, value in os.environ.items())
    (goal / f"{os.getpid()}").write_text(inherited + NOW + now)
    return measure


def reports(goal: Path) -> list[str]:
    return [path.read_text() for path in goal.iterdir()]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "goal").mkdir()
    for shard in range(2):
        make_shard(
            tmp_path / "work", f"{shard:05d}", {f"{shard}": encode(pixels(shard))}
        )
    return tmp_path / "work"


def test_every_token_that_is_read_is_kept_from_workers() -> None:
    assert {TOKEN_VARIABLE, zenodo_calls.TOKEN_VARIABLE} < set(
        worker_environment.TOKENS
    )


@pytest.mark.usefixtures("tokens")
def test_the_pool_knows_no_token() -> None:
    pool = PoolProcess({}, 1)
    environment = Path(f"/proc/{pool.pid}/environ")
    wait_until(environment.read_bytes)  # empty until the new program has begun
    found = environment.read_text()
    pool.close()
    assert "KEPT=a\0" in found and CANARY not in found and KEY not in found


@pytest.mark.usefixtures("tokens")
def test_processes_on_devices_know_no_token_and_the_driver_still_does(
    work: Path,
) -> None:
    goal = work.parent / "goal"
    assert (
        map_shards(
            work,
            "measure",
            {},
            partial(reporting, goal),
            desc="measure",
            device="one,two",
        )
        == 2
    )
    assert len(reports(goal)) == 2
    for report in reports(goal):
        assert (
            "KEPT=a\0" in report
            and "HF_HUB_OFFLINE=1\0" in report
            and CANARY not in report
        )
        # The driver needs its keys meanwhile: they are inherited, and dropped before anything is read.
        assert KEY not in report.split(NOW)[1]
    assert os.environ["AWS_ACCESS_KEY_ID"] == KEY
    assert {os.environ[name] for name in worker_environment.TOKENS} == {
        CANARY
    } and "HF_HUB_OFFLINE" not in os.environ


CLUSTER = """
import json, os, psutil
from pathlib import Path
from twigma.core.pools import ray_cluster

os.umask(0o022)
with ray_cluster.connect(cpus=1):
    import ray

    inside = ray.get(ray.remote(lambda: dict(os.environ)).remote())
    children = psutil.Process().children(recursive=True)
    environments = [Path(f"/proc/{one.pid}/environ").read_text() for one in children]
    open_at = [one.laddr.ip for each in [psutil.Process(), *children] for one in each.net_connections("inet")
        if one.status == psutil.CONN_LISTEN]
    mode = inside.get("RAY_AUTH_MODE")
print(json.dumps([inside, environments, open_at, mode, dict(os.environ), os.umask(0)]))
"""


@pytest.mark.usefixtures("tokens")
def test_a_cluster_started_here_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No token in any of its processes, all on loopback, and its own token for this user alone."""
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    command = [sys.executable, "-W", "ignore", "-c", CLUSTER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    inside, environments, open_at, mode, after, umask = json.loads(done.stdout)
    assert (
        len(environments) >= 3
        and CANARY not in json.dumps([inside, environments])
        and inside["KEPT"] == "a"
    )
    assert len(open_at) >= 4 and {
        place.removeprefix("::ffff:") for place in open_at
    } == {"127.0.0.1"}
    token = tmp_path / ".ray" / "auth_token"
    assert (
        token.stat().st_mode & 0o777 == 0o600
        and token.parent.stat().st_mode & 0o777 == 0o700
    )
    assert mode == "token"
    assert {after[name] for name in worker_environment.TOKENS} == {
        CANARY
    } and umask == 0o022


def test_a_token_that_others_could_read_is_theirs_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("0" * 64)
    token.chmod(0o644)
    with worker_environment.private_cluster():
        assert token.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_nodes_of_another_cluster_keep_their_own_hub_token_and_get_none_of_ours(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node fetches a model itself, by what it was started with."""
    from ray.cluster_utils import Cluster

    for name in worker_environment.TOKENS:
        monkeypatch.setenv(name, "of-the-node")
    with ray_cluster._restore_sigterm():
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 1, "include_dashboard": False},
        )
        try:
            for name in worker_environment.TOKENS:
                monkeypatch.setenv(name, CANARY)
            with ray_cluster.connect(cluster.address):
                import ray

                found = ray.get(ray.remote(lambda: dict(os.environ)).remote())
        finally:
            cluster.shutdown()
    assert [found[name] for name in worker_environment.TOKENS] == [
        "",
        "",
        "of-the-node",
        "of-the-node",
    ]


def test_nodes_keep_the_limits_that_the_user_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "TWIGMA_MAX_PIXELS" not in worker_environment.on_nodes()
    monkeypatch.setenv("TWIGMA_MAX_PIXELS", "7000")
    monkeypatch.setenv("ZENODO_TOKEN", "secret")
    passed = worker_environment.on_nodes()
    assert passed["TWIGMA_MAX_PIXELS"] == "7000"
    assert passed["ZENODO_TOKEN"] == ""
