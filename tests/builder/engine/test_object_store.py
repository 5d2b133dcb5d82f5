"""Stages over shards in an object store, on whatever workers: the same parts, each tar fetched once by the driver."""

import pytest
from support.object_store import serving
from support.staging import encode, make_shard, pixels, start_measuring

from twigma.builder.engine.engine import map_shards
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.storage.mirrors import mirrored

WORK = "s3://lab/ai/work"
SHARDS = 5


@pytest.fixture
def store(monkeypatch, tmp_path):
    with serving(monkeypatch, tmp_path / "machine") as server:
        with mirrored(WORK) as work:
            populate(work)
        server.requests.clear()
        yield server


def populate(work):
    for shard in range(SHARDS):
        images = {f"{shard}{i}": encode(pixels(10 * shard + i)) for i in range(4)}
        make_shard(work, f"{shard:05}", images)


@pytest.mark.parametrize(
    ("engine", "device"),
    [(LOCAL, "cpu"), (LOCAL, "cpu,cpu"), (Engine("ray"), "cpu")],
    ids=["one process", "two processes", "ray"],
)
def test_parts_are_equal_and_each_tar_is_fetched_once(store, tmp_path, engine, device):
    local = tmp_path / "local"
    populate(local)
    map_shards(local, "measure", {}, start_measuring, desc="measure", device="cpu")
    with mirrored(WORK) as work:
        count = map_shards(
            work,
            "measure",
            {},
            start_measuring,
            desc="measure",
            engine=engine,
            device=device,
        )
        assert count == SHARDS * 4
        assert not list(work.glob("shards/*.tar"))
    there = store.files("ai/work/columns/measure")
    for path in (local / "columns" / "measure").glob("*.arrow"):
        assert there.pop(path.name) == path.read_bytes()
    assert there == {}
    tars = {f"ai/work/shards/{number:05}.tar" for number in range(SHARDS)}
    assert store.reads(".tar") == dict.fromkeys(tars, 1)
