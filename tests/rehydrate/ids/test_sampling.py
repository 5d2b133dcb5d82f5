"""A sample is stratified, reproducible and nested; its weights are right, and never silently wrong."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twigma.rehydrate.ids.sampling import SCHEMA, draw, read_list, read_strata, record

SIZES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 60), min_size=1)


def listed(sizes: dict[str, int], seed: int = 0) -> tuple[list[str], list[str]]:
    """Ids and their strata, shuffled."""
    strata = [stratum for stratum, size in sizes.items() for _ in range(size)]
    random.Random(seed).shuffle(strata)
    return [str(10**18 + 7919 * n) for n in range(len(strata))], strata


@given(sizes=SIZES, data=st.data())
@settings(max_examples=100, deadline=None)
def test_shares_and_weights(sizes: dict[str, int], data: st.DataObject) -> None:
    """Against Webster's method spelled out: the largest of all quotients N_h / (2k + 1), the first of each for free."""
    ids, strata = listed(sizes)
    count = data.draw(st.integers(len(sizes), len(ids)))
    drawn = draw(ids, strata, count)
    quotients = sorted(
        (-size / (2 * k + 1), name)
        for name, size in sizes.items()
        for k in range(1, size)
    )
    seats = Counter(sizes) if count == len(ids) else Counter(sizes.keys())
    seats.update(
        name for _, name in quotients[: count - len(sizes)] if count < len(ids)
    )
    assert Counter(drawn["stratum"].to_pylist()) == seats
    of = dict(zip(ids, strata, strict=True))
    for row in drawn.to_pylist():
        assert row["stratum"] == of[row["id"]]
        assert row["weight"] == sizes[row["stratum"]] / seats[row["stratum"]]
    assert len(set(drawn["id"].to_pylist())) == count
    assert np.isclose(sum(drawn["weight"].to_pylist()), len(ids))


def test_the_same_seed_draws_the_same_and_a_larger_sample_adds() -> None:
    ids, strata = listed({"a": 700, "b": 250, "c": 50})
    drawn = draw(ids, strata, 120, seed=3)
    order = list(range(1000))
    random.Random(1).shuffle(order)
    assert drawn.equals(
        draw([ids[n] for n in order], [strata[n] for n in order], 120, seed=3)
    )
    assert (
        draw(ids, strata, 300, seed=3)["id"].to_pylist()[:120]
        == drawn["id"].to_pylist()
    )
    other = draw(ids, strata, 120, seed=4)["id"].to_pylist()
    assert len(set(other) & set(drawn["id"].to_pylist())) < 40
    longer = draw([*ids, "5", "6"], [*strata, "a", "b"], 120, seed=3)["id"].to_pylist()
    assert len(set(longer) & set(drawn["id"].to_pylist())) >= 118


def test_weights_make_estimates_of_the_list_unbiased() -> None:
    """The mean of a value over many samples with weights meets that of the list; without them it does not."""
    ids, strata = listed({"a": 900, "b": 95, "c": 5})
    value = {"a": 1.0, "b": 10.0, "c": 300.0}
    truth = np.mean([value[stratum] for stratum in strata])
    drawn = draw(ids, strata, 30)
    values, weights = (
        [value[stratum] for stratum in drawn["stratum"].to_pylist()],
        drawn["weight"].to_pylist(),
    )
    assert np.isclose(np.average(values, weights=weights), truth)
    assert np.mean(values) > 2 * truth
    ranks = np.array(
        [
            [ids.index(post) for post in draw(ids, strata, 30, seed)["id"].to_pylist()]
            for seed in range(60)
        ]
    )
    assert abs(ranks.mean() - 499.5) < 4 * 289 / np.sqrt(ranks.size)


def test_fewer_than_one_a_stratum_is_one_stratum_and_all_is_the_list() -> None:
    ids, strata = listed({"a": 5, "b": 5, "c": 5})
    few = draw(ids, strata, 2)
    assert set(few["stratum"].to_pylist()) == {"all"} and few["weight"].to_pylist() == [
        7.5,
        7.5,
    ]
    for count in (None, 15, 99):
        assert draw(ids, strata, count).to_pydict() == {
            "id": ids,
            "stratum": strata,
            "weight": [1.0] * 15,
        }
    assert len(draw([], [], 3)) == 0


def test_strata_are_columns_of_the_list(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "id,created_at,label\n"
        "1547770898463771828,2022-07-31T23:30:00-02:00,3\n"
        "1547770898463771828,2021-01-01,9\n"
        "1467538704024342179,whenever,\n"
        "77,,é\n"
    )
    ids, strata = read_strata(path, None, ["month", "label"])
    assert (
        list(ids.ids) == ["1547770898463771828", "1467538704024342179", "77"]
        and ids.rows == 4
    )
    assert strata == ["2022-08/3", "2021-12/unknown", "unknown/é"]
    assert read_strata(path, None, ["label"])[1] == ["3", "unknown", "é"]
    with pytest.raises(
        ValueError,
        match=r"a\.csv: expected a column 'lable' to stratify by, found \['id', 'created_at'",
    ):
        read_strata(path, None, ["lable"])
    own = tmp_path / "b.csv"
    own.write_text("id,month\n1547770898463771828,May\n")
    assert read_strata(own)[1] == ["May"]
    own.write_text("id\n")
    assert read_strata(own)[1] == []


# ------------------------------------------------------------- WORK/ids.parquet


def rows(**weights: float) -> pa.Table:
    return pa.table(
        [list(weights), ["s"] * len(weights), list(weights.values())], schema=SCHEMA
    )


def test_whole_lists_are_united_and_the_same_list_changes_nothing(
    tmp_path: Path,
) -> None:
    work = tmp_path / "work"
    assert read_list(work) is None
    record(work, rows(a=1, b=1))
    written = (work / "ids.parquet").stat().st_mtime_ns
    record(work, rows(a=1, b=1))
    assert (work / "ids.parquet").stat().st_mtime_ns == written
    record(work, rows(c=1, b=1))
    assert read_list(work) == rows(a=1, b=1, c=1) == pq.read_table(work / "ids.parquet")
    record(work, rows(a=1))
    assert read_list(work) == rows(a=1, b=1, c=1)


def test_weights_hold_for_one_list_only(tmp_path: Path) -> None:
    record(tmp_path, rows(a=3, b=3))
    for other in (rows(a=6), rows(a=3, c=3), rows(c=1)):
        with pytest.raises(
            ValueError,
            match=r"holds a sample of 2 ids, [12] of which are not in this (list|sample) of",
        ):
            record(tmp_path, other)
        assert read_list(tmp_path) == rows(a=3, b=3)
    record(tmp_path, rows(a=2, b=2, c=2))  # a larger sample
    assert read_list(tmp_path) == rows(a=2, b=2, c=2)
    record(tmp_path, rows(a=1, b=1, c=1, d=1))  # the whole list
    with pytest.raises(
        ValueError,
        match="holds a list of 4 ids, 2 of which are not in this sample of 2 ids",
    ):
        record(tmp_path, rows(a=2, b=2))
    (tmp_path / "ids.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="is damaged"):
        record(tmp_path, rows(a=1))
