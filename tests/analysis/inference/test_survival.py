"""Weights of what is left give back the list that posts were lost from, through the files of a working folder."""

import sqlite3

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from statsmodels.stats.proportion import proportion_confint

from twigma.analysis.analyze import analyze
from twigma.analysis.inference.sample_weights import LOST, sample_weights, weighted_mean
from twigma.analysis.inference.survival import (
    listed_outcomes,
    survival,
    survival_weights,
    with_survival,
)
from twigma.analysis.inputs import load
from twigma.analysis.report import report
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.rehydrate.ledger import database


def listing(rng, n=8000):
    """Posts of which the old and those of theme 3 are lost more often; likes and scores hang on both."""
    month, theme = rng.integers(0, 6, n), rng.integers(1, 4, n)
    rows = pd.DataFrame(
        {"id": [str(10**18 + i) for i in range(n)], "month": month, "theme": theme}
    )
    rows["stratum"] = [f"2022-0{m + 1}/{t}" for m, t in zip(month, theme, strict=True)]
    rows["likes"] = rng.poisson(5.0 * theme + 3 * month)
    rows["found"] = rng.random(n) < 0.9 - 0.1 * (5 - month) - 0.25 * (theme == 3)
    return rows


def write_work(work, rows):
    write_parquet(work / "ids.parquet", pa.table(
        {"id": rows["id"], "stratum": rows["stratum"], "weight": np.ones(len(rows))}))  # fmt: skip
    with sqlite3.connect(work / "ledger.sqlite") as db:
        db.executescript(database._SCHEMA)
        outcome = np.where(rows["found"], "found", "not_found")
        db.executemany(
            "INSERT INTO ids VALUES (?, ?, 0, 1, '2023-04-01', 'lookup', 0)",
            zip(rows["id"], outcome, strict=True),
        )
    db.close()
    return work


def forget(work, ids):
    """Take ids out of the ledger, as if they had never been looked up."""
    with sqlite3.connect(work / "ledger.sqlite") as db:
        db.executemany("DELETE FROM ids WHERE id = ?", [(one,) for one in ids])
    db.close()


def test_counts_and_intervals_of_every_stratum(rng):
    rows = listing(rng)
    table = survival_weights(rows).set_index("stratum")
    for stratum, part in rows.groupby("stratum"):
        found, listed = part["found"].sum(), len(part)
        assert tuple(table.loc[stratum, ["listed", "found"]]) == (listed, found)
        assert tuple(table.loc[stratum, ["low", "high"]]) == pytest.approx(
            proportion_confint(found, listed, method="wilson")
        )
        assert table["weight"][stratum] == listed / found
    assert not table["pooled"].any()


def test_strata_with_few_left_take_the_weight_of_their_month_or_of_all():
    left = {
        "2022-01/1": (100, 50),
        "2022-01/2": (20, 1),
        "2022-02/1": (30, 3),
        "2022-02/2": (5, 0),
    }
    rows = pd.DataFrame(
        [(s, i < found) for s, (listed, found) in left.items() for i in range(listed)],
        columns=["stratum", "found"],
    )
    table = survival_weights(rows).set_index("stratum")
    assert table["weight"].tolist() == pytest.approx(
        [2.0, 120 / 51, 155 / 54, 155 / 54]
    )
    assert table["pooled"].tolist() == [False, True, True, True]


def test_what_is_left_gives_back_the_list(rng, tmp_path):
    inside, plain = [], []
    for _ in range(40):
        rows = listing(rng, 3000)
        weights = rows["stratum"].map(
            survival_weights(rows).set_index("stratum")["weight"]
        )[rows["found"]]
        left = rows[rows["found"]]
        estimate = weighted_mean(left["likes"], weights)
        brute = np.average(left["likes"], weights=weights)
        strata = rows.groupby("stratum").size() / len(rows)
        assert estimate.value == pytest.approx(brute)
        assert brute == pytest.approx(
            (left.groupby("stratum")["likes"].mean() * strata).sum()
        )  # poststratified
        inside.append(estimate.low <= rows["likes"].mean() <= estimate.high)
        unweighted = weighted_mean(left["likes"], np.ones(len(left)))
        plain.append(unweighted.low <= rows["likes"].mean() <= unweighted.high)
    assert np.mean(inside) >= 0.9 and np.mean(plain) < 0.1


def test_the_files_of_a_folder_give_the_weights(rng, tmp_path):
    rows = listing(rng, 500)
    strata, posts = survival(listed_outcomes(write_work(tmp_path, rows)))
    assert set(posts["id"].to_pylist()) == set(rows.loc[rows["found"], "id"])
    assert (
        np.sum(posts["survival_weight"]) == pytest.approx(len(rows))
        or strata["pooled"].any()
    )
    table = pa.table({"id": [rows.loc[rows["found"], "id"].iloc[0], "elsewhere"]})
    weighed = with_survival(table, posts)["survival_weight"].to_pylist()
    assert weighed == [posts["survival_weight"][0].as_py(), 1.0]


def test_nothing_lost_or_nothing_known_changes_nothing(rng, tmp_path):
    rows = listing(rng, 50)
    assert listed_outcomes(tmp_path) is None
    work = write_work(tmp_path, rows.assign(found=True))
    assert survival(listed_outcomes(work)) is None
    (tmp_path / "ledger.sqlite").write_bytes(b"no database")
    with pytest.raises(ValueError, match=r"ledger\.sqlite is damaged"):
        listed_outcomes(tmp_path)


def test_ids_that_were_never_looked_up_are_not_lost(rng, tmp_path):
    rows = listing(rng, 1000)
    known = rows.index < 400
    all_known = listed_outcomes(write_work(tmp_path / "all", rows[known]))
    work = write_work(tmp_path / "some", rows)
    forget(work, rows.loc[~known, "id"])
    outcomes = listed_outcomes(work)
    assert outcomes["asked"].tolist() == known.tolist()
    strata, posts = survival(outcomes)
    expected_strata, expected_posts = survival(all_known)
    pd.testing.assert_frame_equal(strata, expected_strata)
    assert posts == expected_posts
    # The budget was spent before anything was seen to be lost.
    forget(work, rows.loc[~rows["found"], "id"])
    assert survival(listed_outcomes(work)) is None


def test_both_weights_multiply():
    table = pa.table({"sample_weight": [2.0, 4.0], "survival_weight": [1.5, 1.0]})
    assert sample_weights(table).tolist() == [3.0, 4.0]
    assert (
        sample_weights(
            pa.table({"sample_weight": [2.0, 1.0], "survival_weight": [1.0, 2.0]})
        )
        is None
    )


def test_analyze_weighs_what_is_left_and_says_so(rng, tmp_path):
    rows = listing(rng, 3000)
    left = rows[rows["found"]]
    dates = np.array([f"2022-0{m + 1}-03" for m in left["month"]], "M8[ms]")
    names = {"id": left["id"].tolist(), "created_at": pa.array(dates)}
    table = columns.add(
        pa.table({"image_name": left["id"].tolist()}),
        **names, label_10_cluster=pa.array(left["theme"], pa.int32()), nsfw_score=(left["theme"] == 3).to_numpy(float),
    )  # fmt: skip
    write_parquet(tmp_path / "release" / "metadata-00000.parquet", table)
    work = write_work(tmp_path / "work", rows)
    write_parquet(work / "images.parquet", table.select(["image_name", "id"]))
    found = analyze(tmp_path / "release", tmp_path / "out", work=work)
    share = found["values"]["nsfw_share/twigma"]
    assert share["low"] < (rows["theme"] == 3).mean() < share["high"]
    assert found["figures"]["fig1b"]["notes"] == [LOST]
    lost, unknown = found["figures"]["fig4d"]["notes"]
    assert lost == LOST and unknown.startswith("Owners unknown in twigma: images are")
    months = pd.read_parquet(tmp_path / "out" / "results" / "fig1b.parquet")
    assert months["posts"].to_numpy() == pytest.approx(np.bincount(rows["month"]))
    assert (
        found["values"]["survival/2022-01/3"]["value"]
        < 0.3
        < found["values"]["survival/2022-06/1"]["value"]
    )
    assert "Posts of the id list that are left" in report(tmp_path / "out").read_text(
        "utf-8"
    )
    assert load.load(tmp_path / "release", work, {}).lost["found"].sum() == len(left)
    forget(work, rows.loc[~rows["found"], "id"])
    found = analyze(tmp_path / "release", tmp_path / "some", work=work)
    assert "survival/2022-01/3" not in found["values"]
    (note,) = found["figures"]["fig1b"]["notes"]
    assert note == (
        f"{len(rows) - len(left):,} ids of the list were never looked up: this says nothing of them, and they do not "
        "count as lost."
    )
    assert note in report(tmp_path / "some").read_text("utf-8")
