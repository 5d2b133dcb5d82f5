from dataclasses import asdict
from pathlib import Path

from support.servers import Host
from support.worlds import ROWS, alive, descendants, populate

from twigma.core.pools.task_event import TaskEvent
from twigma.rehydrate.fetch import shard_plan
from twigma.rehydrate.fetch.http.client import LIMITS
from twigma.rehydrate.fetch.local_pool import PoolProcess
from twigma.rehydrate.images import shards


def test_one_pool_does_one_list_after_the_other_and_ends(tmp_path: Path) -> None:
    """The same worker does both; a shard's folder holds what the sidecar says."""
    with Host() as host:
        populate(tmp_path, host, 2 * ROWS)
        lists = shard_plan.plan_shards(tmp_path, {}, ROWS).shards
        options = {
            "rows_per_shard": ROWS,
            "image_base_url": host.url,
            "limits": asdict(LIMITS),
        }
        options |= {
            "allow": [host.url.removeprefix("http://")],
            "gate": str(tmp_path / "gate"),
        }
        pool, workers = PoolProcess(options, 1), []
        for number, shard in enumerate(lists):
            attempt = tmp_path / shard.name
            pool.send(
                [(number, str(shard_plan.list_file(shard)), str(attempt))],
                last=shard is lists[-1],
            )
            rows = 0
            for event in pool.events:
                if event.kind != "progress":
                    break
                rows += event.value
                workers += descendants(pool.pid)
            assert (event, rows) == (TaskEvent("done", number), ROWS)
            tar, sidecar = attempt / shard.tar.name, attempt / shard.sidecar.name
            assert shards.verify(tar, sidecar, {}).rows == ROWS
        assert list(pool.events) == []
        pool.close()
    assert len(set(workers)) == 1 and not alive(workers[0])
