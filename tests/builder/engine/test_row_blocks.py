"""Functions over blocks of rows: every row once and in order, here and on a real Ray cluster that loses a worker."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.ray_nodes import add_node, three_nodes
from support.staging import units, vectors_of

from twigma.builder.engine import delivery
from twigma.builder.engine import row_blocks as blocks_of
from twigma.builder.engine.row_blocks import RowBlocks, row_blocks
from twigma.builder.engine.vectors import as_column, read_vectors
from twigma.core.machine import usable_cpus
from twigma.core.parts import write_part
from twigma.core.pools import ray_cluster
from twigma.core.pools.ray_pool import Engine

ROWS = 1_000


@pytest.fixture
def rows(monkeypatch):
    monkeypatch.setattr(blocks_of, "ROWS", 64)
    return units(np.random.default_rng(0), ROWS)


def doubled(rows: np.ndarray, by: float) -> np.ndarray:
    return rows * np.float16(by)


def doubled_by_survivors(rows: np.ndarray, by: float, mark: Path) -> np.ndarray:
    """The same, but the first process to get here is lost."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return doubled(rows, by)
    os._exit(1)


def doubled_from_parts(rows: np.ndarray, by: float) -> tuple[np.ndarray, bool]:
    """The same, and whether the rows were read from the parts."""
    return doubled(rows, by), delivery._embeddings.cache_info().currsize > 0


def doubled_slowly(rows: np.ndarray, by: float) -> np.ndarray:
    time.sleep(0.3)
    return doubled(rows, by)


def sum_of(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return one + other


def impossible(rows: np.ndarray) -> np.ndarray:
    raise ValueError("not this row")


@pytest.mark.parametrize("step", [1, 3, 200, 999])
def test_every_row_once_and_in_order(rows, step):
    chosen = np.arange(0, ROWS, step)
    found = list(RowBlocks(vectors_of(rows)).map(doubled, chosen, 2))
    assert len(found) <= ROWS / 64 + 1 and min(map(len, found)) > 0
    np.testing.assert_array_equal(np.concatenate(found), rows[chosen] * 2)


def test_each_item_in_order_and_few_ahead(rows):
    """By threads; items are asked for as results are taken, so that not all of them are in memory at once."""
    blocks, taken = RowBlocks(vectors_of(rows)), []

    def items():
        for item in range(300):
            taken.append(item)
            yield item

    found = blocks.each(sum_of, items(), lambda item: (rows[item], rows[item + 1]))
    first, result = next(found)
    assert first == 0 and len(taken) <= blocks_of.AHEAD * usable_cpus() + 1
    results = [result, *(result for _, result in found)]
    np.testing.assert_array_equal(results, rows[:300] + rows[1:301])
    assert list(blocks.each(sum_of, [], lambda item: item)) == []
    with pytest.raises(ValueError, match=r"^not this row$"):
        list(blocks.each(impossible, [1], lambda item: (rows,)))


def test_a_cluster_gives_the_same_and_may_lose_a_worker(rows, tmp_path):
    chosen, vectors = np.arange(0, ROWS, 2), vectors_of(rows)
    with row_blocks(vectors, Engine("ray")) as blocks:
        mark = tmp_path / "lost"
        found = list(blocks.map(doubled_by_survivors, chosen, 2, mark))
        assert mark.exists()
        with pytest.raises(ValueError, match=r"^not this row$"):
            list(blocks.map(impossible, chosen))
        mark.unlink()
        starts = range(0, ROWS, 64)
        each = blocks.each(
            doubled_by_survivors,
            starts,
            lambda start: (rows[start : start + 64], 2, mark),
        )
        places, doubles = zip(*each, strict=True)
        assert mark.exists() and places == tuple(starts)
        np.testing.assert_array_equal(np.concatenate(doubles), rows * 2)
        with pytest.raises(ValueError, match=r"^not this row$"):
            list(blocks.each(impossible, [1], lambda item: (rows,)))
    expected = list(RowBlocks(vectors).map(doubled, chosen, 2))
    assert [one.tobytes() for one in found] == [one.tobytes() for one in expected]


def parts_of(rows: np.ndarray, work: Path) -> None:
    """These rows as a working folder's embeddings, in parts that end in the middle of a block."""
    for number, some in enumerate(np.array_split(rows, 7)):
        names = pa.array([f"{number}-{row}" for row in range(len(some))])
        table = pa.table({"image_name": names, "embedding": as_column(some)})
        write_part(work / f"columns/embed/{number:05}.arrow", table, {"model": "m"})


@pytest.mark.parametrize("shared", [True, False])
def test_a_node_that_sees_the_parts_reads_them(rows, shared, tmp_path, monkeypatch):
    parts_of(rows, tmp_path)
    vectors, _ = read_vectors(tmp_path)
    if not shared:
        # As if the node saw other files at these paths.
        monkeypatch.setattr(
            vectors,
            "parts",
            [replace(part, content=(b"other", b"")) for part in vectors.parts],
        )
    with row_blocks(vectors, Engine("ray")) as blocks:
        for step in (1, 3):
            chosen = np.arange(0, ROWS, step)
            found = list(blocks.map(doubled_from_parts, chosen, 2))
            made = np.concatenate([one for one, _ in found])
            np.testing.assert_array_equal(made, rows[chosen] * 2)
            assert all(seen for _, seen in found) or not shared
        put = sorted(blocks._stored)
    assert put == ([] if shared else list(range(0, ROWS, 64)))


@pytest.mark.slow
@ray_cluster._restore_sigterm()  # a Cluster sets a handler in this process
def test_a_node_is_lost_and_another_joins_in_the_middle(rows, tmp_path):
    parts_of(rows, tmp_path)
    vectors, _ = read_vectors(tmp_path)
    chosen = np.arange(ROWS)
    with (
        three_nodes() as cluster,
        row_blocks(vectors, Engine("ray", cluster.address)) as blocks,
    ):
        coming = blocks.map(doubled_slowly, chosen, 2)
        found = [next(coming)]
        lost = next(iter(cluster.worker_nodes))
        cluster.remove_node(lost, allow_graceful=False)
        add_node(cluster)
        found += coming
        assert not blocks._stored
    np.testing.assert_array_equal(np.concatenate(found), rows * 2)
