import csv
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twigma.demo.platform.server import Platform
from twigma.rehydrate.accounting import (
    classify_photos,
    count_ids,
    count_photos,
    read_image_rows,
    read_listed_ids,
)
from twigma.rehydrate.accounting.finished_shards import TRIES
from twigma.rehydrate.accounting.ids import CLASSES, FOUND
from twigma.rehydrate.fetch.http.failure_classes import RETRYABLE
from twigma.rehydrate.ledger.ledger import NOT_ASKED, Ledger
from twigma.rehydrate.ledger.reader import LedgerView, view_ledger
from twigma.rehydrate.posts.page_content import OUTCOMES
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup

IDS = pa.schema([("id", pa.string()), ("outcome", pa.string())])


def client(platform: Platform) -> XClient:
    return XClient(platform.api_url, "token", sleep=lambda _: None)


def count(work: Path) -> dict[str, Any]:
    rows = read_image_rows(work)
    return count_ids(
        work, rows, classify_photos(rows, TRIES.empty_table()), view_ledger(work)
    )


def flat(counts: dict[str, Any]) -> Counter[str]:
    named = {name: counts[name] for name in CLASSES if name != "failed"}
    return Counter(
        named | {f"failed: {name}": number for name, number in counts["failed"].items()}
    )


@pytest.fixture
def ids(tiny_world: Path) -> list[str]:
    found: list[str] = pq.read_table(tiny_world / "posts.parquet")["id"].to_pylist()
    return found


def test_a_look_up_that_the_budget_stopped_adds_up_with_its_outcomes(
    tiny_world: Path, ids: list[str], tmp_path: Path
) -> None:
    with Platform(tiny_world) as platform, client(platform) as x:
        lookup(tmp_path, [*ids, "9" * 20], x, budget=0.1)
    counts = count(tmp_path)
    with (tmp_path / "outcomes.csv").open() as handle:
        said = Counter(row["outcome"] for row in csv.DictReader(handle))
    with_photo = set(pq.read_table(tmp_path / "images.parquet")["id"].to_pylist())
    assert (
        counts["list"] == "outcomes.csv"
        and counts["total"] == 61
        and counts["beyond_list"] == 0
    )
    assert said["not_asked"] == counts["not_asked"] > 0
    for outcome in OUTCOMES[1:]:
        assert counts[outcome] == said[outcome]
    assert counts["waiting"] == len(with_photo)
    assert counts["waiting"] + counts["no_photo"] == said["found"]
    assert sum(flat(counts).values()) == 61


def test_a_post_is_unlisted_until_the_table_knows_its_page(
    tiny_world: Path, ids: list[str], tmp_path: Path
) -> None:
    with Platform(tiny_world) as platform, client(platform) as x:
        lookup(tmp_path, ids[:12], x)
        before = count(tmp_path)
        assert (
            before["unlisted"] == 0 and before["no_photo"] == 3
        )  # a video, a text, a repost
        with Ledger(
            tmp_path
        ) as ledger:  # a run that was killed before it wrote the table
            ledger.append(
                "lookup", {"ids": ids[12:20], "followers": False}, x.lookup(ids[12:20])
            )
        (tmp_path / "outcomes.csv").unlink()
        found = sum(
            name == "found" for name in view_ledger(tmp_path).ids["outcome"].to_pylist()
        )
        after = count(tmp_path)
        assert after["list"] is None and after["total"] == 20 and after["no_photo"] == 3
        assert after["unlisted"] == found - after["waiting"] - 3 > 0
        lookup(tmp_path, ids[:20], x)
    assert count(tmp_path)["unlisted"] == 0


def test_the_list_given_comes_before_that_of_the_last_look_up(tmp_path: Path) -> None:
    assert read_listed_ids(tmp_path) == (pa.array([], pa.string()), None)
    (tmp_path / "outcomes.csv").write_text("id,outcome\n1000000000000000001,found\n")
    assert read_listed_ids(tmp_path) == (
        pa.array(["1000000000000000001"]),
        "outcomes.csv",
    )
    pq.write_table(
        pa.table({"id": ["5", "5", "6"], "weight": [1.0, 1.0, 1.0]}),
        tmp_path / "ids.parquet",
    )
    assert read_listed_ids(tmp_path) == (pa.array(["5", "6"]), "ids.parquet")
    (tmp_path / "ids.parquet").write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(ValueError, match=r"ids\.parquet is damaged .* --ids FILE"):
        read_listed_ids(tmp_path)


@pytest.mark.parametrize("seed", range(5))
def test_classes_agree_with_a_count_post_by_post(seed: int, tmp_path: Path) -> None:
    """Random tables, against the rules said in plain Python: latest try counts, a success always."""
    draw = random.Random(seed)
    names = [f"m{n}" for n in range(40)]
    statuses = ["success", "success", "http_404", "timeout", "decode", None]
    tries = [(draw.choice(names[5:]), draw.choice(statuses)) for _ in range(60)]
    rows = [
        (f"p{draw.randrange(30)}", name, draw.random() < 0.1)
        for name in draw.choices(names, k=70)
    ]
    known = {f"p{n}": draw.choice(OUTCOMES) for n in range(10, 45)}
    listed = [f"p{n}" for n in range(5, 50)]
    pq.write_table(pa.table({"id": listed}), tmp_path / "ids.parquet")

    standing: dict[str, str] = {}
    for name, status in tries:
        if standing.get(name) != "success":
            standing[name] = status or "unknown"
    expected: Counter[str] = Counter()
    for post in listed:
        of_post = sorted(
            standing.get(name, "waiting")
            for owner, name, local in rows
            if owner == post and not local
        )
        if not of_post:
            outcome = known.get(post, "not_asked")
            expected["no_photo" if outcome == "found" else outcome] += 1
        elif set(of_post) == {"success"}:
            expected["stored"] += 1
        elif "waiting" in of_post:
            expected["waiting"] += 1
        else:
            expected[
                "partly_stored" if "success" in of_post else f"failed: {of_post[0]}"
            ] += 1

    table = pa.table(
        dict(zip(("id", "image_name", "local"), zip(*rows, strict=True), strict=True))
    )
    found = classify_photos(
        table, pa.table(list(zip(*tries, strict=True)), schema=TRIES)
    )
    ledger = LedgerView(
        tmp_path / "ledger.sqlite",
        pa.table([list(known), list(known.values())], schema=IDS),
    )
    counts = count_ids(tmp_path, table, found, ledger)
    assert +flat(counts) == +expected
    everything = {owner for owner, _, local in rows if not local} | set(known)
    assert counts["beyond_list"] == len(everything - set(listed))

    in_table, tried = {name for _, name, _ in rows}, Counter(name for name, _ in tries)
    outcome = Counter(standing.get(name, "waiting") for name in in_table)
    of_photos = count_photos(found)
    assert (of_photos["rows"], of_photos["total"]) == (70, len(in_table))
    assert (of_photos["stored"], of_photos["waiting"]) == (
        outcome.pop("success", 0),
        outcome.pop("waiting", 0),
    )
    assert of_photos["failed"] == outcome
    once = [
        name for name in in_table if tried[name] == 1 and standing[name] in RETRYABLE
    ]
    assert of_photos["tried_once"] == len(once)
    assert of_photos["without_row"] == len(set(tried) - in_table)


def test_a_class_that_nobody_counts_is_not_passed_over(tmp_path: Path) -> None:
    rows = read_image_rows(tmp_path)
    ledger = LedgerView(tmp_path, pa.table([["1"], ["on holiday"]], schema=IDS))
    with pytest.raises(RuntimeError, match="1 ids, but 0 in their classes"):
        count_ids(tmp_path, rows, classify_photos(rows, TRIES.empty_table()), ledger)
    assert set(FOUND) < set(CLASSES) and NOT_ASKED in CLASSES
