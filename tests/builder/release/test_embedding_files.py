"""The embeddings of a release, made by a real Ray cluster that gains and loses nodes: the bytes of a local release."""

import os
import pickle
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from support import releasing
from support.ray_nodes import add_node, three_nodes, waiting, waits_at
from support.staging import units, vectors_of
from support.worlds import wait_until

from twigma.builder.engine import vectors as vectors_module
from twigma.builder.engine.vectors import VectorPart
from twigma.builder.release import embedding_files
from twigma.builder.release.embedding_files import FileActor, _Files, _Layout
from twigma.builder.release.release import release
from twigma.core.pools import ray_pool
from twigma.core.pools.ray_pool import Engine


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    """Seven files of embeddings instead of one."""
    monkeypatch.setattr(embedding_files, "ROWS", 4)


@pytest.fixture(scope="module")
def cluster():
    with three_nodes() as cluster:
        yield cluster


def local_release(made, tmp_path, **options):
    release(made / "work", tmp_path / "local", **options)
    found = releasing.contents(tmp_path / "local")
    assert sum(name.startswith("embeddings-") for name in found) == 7
    return found


def other_part(path, table):
    """What names another part at the path of this one."""
    rows = table["embedding"].is_valid().to_pylist()
    return VectorPart(path, (b"other", b""), sum(rows))


@pytest.mark.parametrize("shared", [True, False])
def test_a_cluster_gives_the_same_bytes(shared, made, tmp_path, cluster, monkeypatch):
    options = {"embeddings": "float16" if shared else "float32"}
    engine = Engine("ray", cluster.address)
    sent = []
    contents = _Files.contents

    def counted(files: _Files, number: int) -> object:
        sent.append(number)
        return contents(files, number)

    monkeypatch.setattr(_Files, "contents", counted)
    if not shared:
        # As if the nodes saw other files at the paths of the parts.
        monkeypatch.setattr(vectors_module, "vector_part", other_part)
    release(made / "work", tmp_path / "twigma", engine=engine, **options)
    assert set(sent) == (set() if shared else set(range(7)))
    expected = local_release(made, tmp_path, **options)
    assert releasing.contents(tmp_path / "twigma") == expected


def run_gated(gate, monkeypatch):
    """Have the actors make a file when the gate is there."""

    # A class of this function is sent to the nodes, with the gate in it.
    class Gated(FileActor):
        def parts(self, payload):
            waits_at(gate)
            yield from super().parts(payload)

    run_tasks = ray_pool.run_tasks

    def run(actor, *arguments, **options):
        assert actor is FileActor
        return run_tasks(Gated, *arguments, **options)

    monkeypatch.setattr(ray_pool, "run_tasks", run)


@pytest.mark.slow
def test_a_node_joins_and_another_and_a_worker_are_lost_in_the_middle(
    made, tmp_path, cluster, monkeypatch
):
    gate = tmp_path / "gates" / "gate"
    gate.parent.mkdir()
    run_gated(gate, monkeypatch)
    engine = Engine("ray", cluster.address)
    # Only the main thread can add a node.
    with ThreadPoolExecutor(1) as thread:
        result = thread.submit(
            release, made / "work", tmp_path / "twigma", engine=engine
        )
        wait_until(lambda: len(waiting(gate)) == 2)
        add_node(cluster)
        wait_until(lambda: len(waiting(gate)) == 3)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        wait_until(lambda: len(waiting(gate)) == 2)
        os.kill(waiting(gate)[-1], signal.SIGKILL)
        gate.touch()
        assert result.result(timeout=100).embeddings == 26
    assert releasing.contents(tmp_path / "twigma") == local_release(made, tmp_path)


def test_a_node_with_another_pyarrow_is_named():
    actor = FileActor(_Layout("float16", 4), "1.0")
    with pytest.raises(RuntimeError, match=rf"has pyarrow {pa.__version__}.* 1\.0"):
        actor.ready()


def test_a_file_travels_without_the_names_of_the_others(monkeypatch):
    monkeypatch.setattr(embedding_files, "ROWS", 10)
    rows = units(np.random.default_rng(0), 1000)
    vectors = vectors_of(rows)
    files = _Files(pa.chunked_array([vectors.names]), vectors, "float16")
    names, values = files.contents(99)
    assert names.to_pylist() == [str(row) for row in range(990, 1000)]
    np.testing.assert_array_equal(values, rows[990:])
    assert len(pickle.dumps(names)) < 500 < len(pickle.dumps(vectors.names))
