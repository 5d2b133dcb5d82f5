import json
import os
import re
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from support import releasing
from support.servers import Host
from support.worlds import PLANTED, populate, start, wait_until

from twigma.builder.release.release import release
from twigma.builder.status.status import running, status
from twigma.cli import main
from twigma.core.workspace import Workspace
from twigma.demo.platform.server import Platform
from twigma.rehydrate.fetch.fetch import fetch
from twigma.rehydrate.fetch.http.client import Limits
from twigma.rehydrate.images import shards
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.retry_missing import gone_posts
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup

COUNT = 30


def ask(work: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["status", "--work", str(work), *options])


def total(counts: dict[str, Any], names: tuple[str, ...]) -> int:
    return sum(
        sum(counts[name].values()) if name == "failed" else counts[name]
        for name in names
    )


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder that a fetch filled, one photo of which failed for a passing reason; not to be changed."""
    work = tmp_path_factory.mktemp("fetched") / "work"
    with Host() as host:
        populate(work, host, COUNT)
        host.answers["/media/n1"] = 503
        fetch(
            work,
            image_base_url=host.url,
            rows_per_shard=10,
            processes=2,
            limits=Limits(retries=1),
        )
    return work


def test_while_a_fetch_runs_in_another_process_and_when_it_was_killed(
    tmp_path: Path,
) -> None:
    with Host() as host:
        populate(tmp_path, host, COUNT, pause=0.2)
        process = start(tmp_path, host)
        wait_until(lambda: shards.manifests(tmp_path) or process.poll() is not None)
        facts = status(tmp_path)
        process.kill()
        process.wait()
        assert facts["running"] == {"fetch": process.pid} and not facts["damaged"]
        assert facts["next"] == {
            "command": None,
            "why": f"a fetch is running (process {process.pid}): try again later",
        }
        found = facts["photos"]
        assert found["total"] == COUNT and found["rows"] == COUNT + 1
        assert (
            total(found, ("stored", "failed", "waiting")) == COUNT
            and 0 < found["waiting"] < COUNT
        )
        wait_until(lambda: not running(tmp_path))
        facts = status(tmp_path)
        assert facts["shards"]["finished"] + facts["shards"]["unfinished"] == 3
        assert facts["next"]["command"] == f"twigma rehydrate --work {tmp_path}"


def test_a_folder_from_the_budget_to_the_photos(
    tiny_world: Path, tmp_path: Path
) -> None:
    ids = pq.read_table(tiny_world / "posts.parquet")["id"].to_pylist()
    with (
        Platform(tiny_world) as platform,
        XClient(platform.api_url, "t", sleep=lambda _: None) as x,
    ):
        lookup(tmp_path, ids, x, budget=0.1)
        facts = status(tmp_path)
        assert facts["spent"] == {
            "posts": sum(platform.billed.values()),
            "users": 0,
            "counts": 0,
            "dollars": 0.1,
        }
        assert (
            facts["next"]["command"] == f"twigma rehydrate --ids FILE --work {tmp_path}"
        )
        assert (
            f"{facts['ids']['not_asked']} ids were never asked: at most $0."
            in facts["next"]["why"]
        )
        lookup(tmp_path, ids, x)
    with Ledger(tmp_path):
        assert list(status(tmp_path)["running"] or {}) == ["look-up"]
    page = ask(tmp_path).output
    assert page.startswith(f"60 ids in {tmp_path}/outcomes.csv =\n")
    counts = page.split("\n\n")[0].splitlines()[1:]
    numbers = [
        int(found[1].replace(",", ""))
        for line in counts
        if (found := re.match(r" +([\d,]+)  \w", line))
    ]
    assert sum(numbers) == 60
    words = [" ".join(line.split()) for line in counts]
    for said in (
        "4 not_found deleted, or never there",
        "4 unauthorized of a protected account",
        "4 suspended of a suspended account",
        "4 absent X answered without them: the next look-up asks again",
    ):
        assert said in words
    assert "the outcome of every id of the last look-up" in page
    assert status(tmp_path)["next"]["command"] == f"twigma rehydrate --work {tmp_path}"


def test_photos_that_were_not_shown_are_looked_up_once_more(tmp_path: Path) -> None:
    post = {"id": "6", "attachments": {"media_keys": ["3_60"]}}
    with Ledger(tmp_path) as ledger:
        request = {"ids": ["6"], "followers": False}
        ledger.append("lookup", request, {"data": [post]})
        ledger.append("lookup", request | {"ids": ["7"]}, {})
        assert gone_posts(tmp_path.with_name("empty")) == []
    write_images_table(tmp_path)
    assert gone_posts(tmp_path) == ["6"]
    facts = status(tmp_path)
    assert facts["unshown"] == facts["ids"]["photos_unknown"] == 1
    step = facts["next"]
    assert step["command"] == f"twigma rehydrate --retry failed --work {tmp_path}"
    assert step["why"] == (
        "1 posts have photos that no answer has shown: one more look-up, at most $0.01"
    )
    with Ledger(tmp_path) as ledger:
        ledger.append("lookup", request | {"renew": True}, {"data": [post]})
    write_images_table(tmp_path)
    facts = status(tmp_path)
    assert (facts["unshown"], facts["ids"]["photos_unknown"]) == (0, 1)
    assert facts["next"]["why"] == (
        "none of the 2 posts has a photo: import or look up others, or add images; "
        "X has said nothing of 1 ids, which the next look-up asks for again"
    )
    assert gone_posts(tmp_path) == []


def test_the_json_is_the_same_facts_as_numbers(fetched: Path) -> None:
    result, facts = ask(fetched, "--json"), status(fetched)
    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert told.pop("schema") == "twigma.status/1"
    assert list(told) == [
        "work", "running", "damaged", "ids", "photos", "searches", "spent", "not_looked_up", "unshown",
        "skipped", "shards", "stages", "release", "unfinished_reports", "bytes", "next",
    ]  # fmt: skip
    for one in (told, facts):
        assert one["bytes"].pop("free") > 0
    assert told == facts
    sizes = [path.stat().st_size for path in fetched.rglob("*") if path.is_file()]
    assert told["bytes"].pop("total") == sum(sizes) == sum(told["bytes"].values())


def test_when_all_is_fetched_a_passing_failure_is_worth_one_more_try(
    fetched: Path,
) -> None:
    facts = status(fetched)
    assert facts["shards"] == {"finished": 3, "unfinished": 0, "freed": 0}
    assert (
        facts["photos"]["stored"] == COUNT - len(PLANTED) - 1
        and facts["photos"]["waiting"] == 0
    )
    assert facts["photos"]["failed"] == Counter([*PLANTED.values(), "http_5xx"])
    assert facts["photos"]["tried_once"] == 1
    assert (
        facts["next"]["command"] == f"twigma rehydrate --retry failed --work {fetched}"
    )


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("shards/00000.json", b"{", "the manifest .*00000.json is damaged"),
        (
            "shards/00001.parquet",
            b"PAR1 half-written",
            "the sidecar .*00001.parquet is damaged .* `twigma rehydrate`",
        ),
        (
            "shards/00002.tar",
            b"",
            r"00002.tar should have [\d,]+ bytes, found 0: delete .*00002.json",
        ),
        ("images.parquet", b"PAR1", "images.parquet is damaged"),
        ("ledger.sqlite", b"garbage, not a database", "ledger.sqlite is damaged"),
    ],
)
def test_damage_is_told_and_the_rest_is_shown(
    fetched: Path, tmp_path: Path, name: str, harm: bytes, said: str
) -> None:
    work = shutil.copytree(fetched, tmp_path / "work")
    (work / name).write_bytes(harm)
    result = ask(work)
    assert result.exit_code == 1
    (line,) = (
        line for line in result.output.splitlines() if line.startswith("damaged: ")
    )
    assert re.search(said, line)
    assert (
        "next: repair what is listed as damaged first" in result.output
        and "cluster" in result.output
    )
    facts = json.loads(ask(work, "--json").stdout)
    assert len(facts["damaged"]) == 1
    if name.startswith("shards"):
        assert facts["shards"] == {"finished": 2, "unfinished": 1, "freed": 0}
        assert total(facts["photos"], ("stored", "failed", "waiting")) == COUNT


def test_nothing_there_and_an_empty_folder(tmp_path: Path) -> None:
    result = ask(tmp_path / "none")
    assert result.exit_code == 1 and result.stderr.startswith(
        "twigma: no working folder at"
    )
    result = ask(tmp_path)
    assert (
        result.exit_code == 0 and "next: twigma rehydrate --ids FILE" in result.output
    )
    assert not list(tmp_path.iterdir())


def test_the_release_beside_it(tmp_path: Path) -> None:
    work = releasing.make_work(tmp_path / "work")
    assert status(work)["release"] is None
    counts = release(work, tmp_path / "twigma")
    found = status(work)["release"]
    assert (found["images"], found["posts"], found["out_of_date"]) == (
        counts.released,
        counts.posts,
        False,
    )
    time.sleep(0.01)
    (work / "removed.json").touch()
    assert status(work)["release"]["out_of_date"]


def test_locks_are_read_from_the_list_of_the_kernel(tmp_path: Path) -> None:
    with Workspace(tmp_path).lock_shards():
        assert running(tmp_path) == {"fetch": os.getpid()}
    assert running(tmp_path) == {}


def test_a_run_that_the_kernel_does_not_list_is_at_work_elsewhere(
    tmp_path: Path,
) -> None:
    work = Workspace(tmp_path / "work")
    (tmp_path / "locks").touch()
    for table in (tmp_path / "locks", tmp_path / "no such list"):
        with work.lock_shards():
            assert running(work, table) == {"fetch": None}
        assert running(work, table) == {}
