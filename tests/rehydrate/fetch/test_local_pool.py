import json
import subprocess
import sys
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


# A pool whose first worker ends just before it is given its first task.
LOSING = """
import json, sys
from twigma.rehydrate.fetch.fetch_worker import Task, load_downloader
from twigma.rehydrate.fetch.worker_pool import Pool
from twigma.rehydrate.images.decode_memory import share
class LosingPool(Pool):
    killed = False
    def _assign(self):
        if not self.killed:
            self.killed = True
            self._workers[0].process.kill()
            self._workers[0].process.join()
        return super()._assign()
options, task = map(json.loads, sys.argv[1:])
pool = LosingPool(load_downloader(options, 1), sys.stdout, share(1))
pool.run([Task(*task)], 1)
"""


def test_a_worker_that_ends_before_it_is_given_a_task_costs_a_retry(
    tmp_path: Path,
) -> None:
    with Host() as host:
        populate(tmp_path, host, ROWS)
        (shard,) = shard_plan.plan_shards(tmp_path, {}, 2 * ROWS).shards
        options = {
            "rows_per_shard": 2 * ROWS,
            "image_base_url": host.url,
            "limits": asdict(LIMITS),
            "allow": [host.url.removeprefix("http://")],
            "gate": str(tmp_path / "gate"),
        }
        task = [0, str(shard_plan.list_file(shard)), str(tmp_path / shard.name)]
        command = [sys.executable, "-c", LOSING, json.dumps(options), json.dumps(task)]
        run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    # img2dataset prints as well.
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    kinds = [TaskEvent.from_json(line).kind for line in lines]
    assert (kinds[0], kinds[-1]) == ("lost", "done")
