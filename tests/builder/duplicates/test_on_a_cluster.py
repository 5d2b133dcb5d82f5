"""Near duplicates searched for by a real Ray cluster of three nodes, which join and die: the same bytes as here."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.staging import (
    encode,
    make_images,
    make_shard,
    pixels,
    planted,
    write_embeddings,
)
from support.worlds import wait_until

from twigma.builder.duplicates import near_candidates
from twigma.builder.duplicates.near_pairs import pairs_within
from twigma.builder.stages.dedupe import dedupe
from twigma.core.pools import ray_cluster
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.workspace import Workspace

IMAGES = 2_000


def populate(work: Path) -> Path:
    """Images in groups; every fifth is close to the one before it, and two have no embedding."""
    rng = np.random.default_rng(3)
    rows, _ = planted(rng, IMAGES, groups=12, dim=64, spread=0.2)
    rows[5::5] = rows[4:-1:5] + rng.normal(0, 0.008, rows[5::5].shape)
    rows[[7, 1_001]] = np.nan
    names = [str(10_000 + number) for number in range(IMAGES)]
    make_shard(work, "00000", {names[0]: encode(pixels(0))})
    make_images(work, [(name, name, n) for n, name in enumerate(names)])
    write_embeddings(work, rows, names)
    return work


class Gated:
    """The comparison of two buckets, with a file for each that a node was given; none ends before there is a gate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "begun"
        self.gate = folder / "gate"
        self.folder.mkdir()

    def __call__(self, *buckets):
        import ray

        context = ray.get_runtime_context()
        begun = self.folder / f"{context.get_node_id()}-{context.get_task_id()}"
        begun.touch()
        wait_until(self.gate.exists, seconds=300)
        return pairs_within(*buckets)

    def nodes(self) -> set[str]:
        """Those that were given buckets."""
        return {path.name.partition("-")[0] for path in self.folder.iterdir()}


@pytest.mark.slow
@ray_cluster._restore_sigterm()  # a Cluster sets a handler in this process
def test_a_node_joins_and_another_is_lost_in_the_middle(tmp_path, monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(near_candidates, "BUCKET", 150)
    here, there = populate(tmp_path / "here"), populate(tmp_path / "there")
    expected = dedupe(here, engine=LOCAL)
    assert 100 < expected["near"] < 400 and expected["not_compared"] == 2

    gated = Gated(tmp_path)
    monkeypatch.setattr(near_candidates, "pairs_within", gated)
    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        lost, _ = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
        # Only the main thread can add a node.
        with ThreadPoolExecutor(1) as thread:
            engine = Engine("ray", cluster.address)
            result = thread.submit(dedupe, there, engine=engine)
            wait_until(lambda: len(gated.nodes()) == 2, seconds=100)
            cluster.add_node(num_cpus=1)
            wait_until(lambda: len(gated.nodes()) == 3, seconds=100)
            cluster.remove_node(lost, allow_graceful=False)
            gated.gate.touch()
            assert result.result(timeout=200) == expected
    finally:
        cluster.shutdown()
    parts = [Workspace(work).part("dedupe").read_bytes() for work in (here, there)]
    assert parts[0] == parts[1]


@pytest.mark.slow
def test_no_cluster_is_joined_without_near_duplicates(tmp_path):
    work = populate(tmp_path)
    nowhere = Engine("ray", "127.0.0.1:1")
    with pytest.raises(RuntimeError, match=r"no Ray cluster answers at '127.0.0.1:1'"):
        dedupe(work, engine=nowhere)
    assert dedupe(work, near=None, engine=nowhere)["near"] == 0
