"""Fair comparison of likes, caps and splits: against statsmodels, brute force, and what was planted."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm

from twigma.builder.finetuning.like_residuals import residual_likes, select_liked, split
from twigma.core import columns

START = datetime.datetime(2022, 1, 1)


def make(n=400, seed=0, authors=40):
    """Posts whose likes follow followers and month, some unknown; every fourth post has two images."""
    rng = np.random.default_rng(seed)
    followers = rng.lognormal(6, 2, n).astype(int)
    month = rng.integers(0, 6, n)
    likes = rng.poisson(np.exp(0.5 * np.log1p(followers) + 0.3 * month - 1))
    rows = {
        "id": [str(10**18 + (i - 1 if i % 4 == 1 else i)) for i in range(n)],
        "image_name": [str(2 * 10**18 + i) for i in range(n)],
        "created_at": [
            START + datetime.timedelta(days=int(30 * m + i % 29))
            for i, m in enumerate(month)
        ],
        "like_count": likes.tolist(),
        "follower_count": [
            None if i % 10 == 0 else int(f) for i, f in enumerate(followers)
        ],
        "author_id": [None if i % 25 == 0 else str(i % authors) for i in range(n)],
    }
    return pa.table(
        {
            name: pa.array(values, columns.COLUMNS[name].type)
            for name, values in rows.items()
        }
    )


def open_rows(table):
    return pa.chunked_array([pa.nulls(len(table), pa.string())])


def test_the_residual_is_that_of_statsmodels():
    table = make()
    frame = table.to_pandas()
    frame["known"] = frame["follower_count"].notna().astype(float)
    frame["followers"] = np.log1p(frame["follower_count"].fillna(0))
    frame["month"] = frame["created_at"].dt.strftime("%Y-%m")
    design = (
        frame[["followers", "known"]]
        .join(frame["month"].str.get_dummies())
        .astype(float)
    )
    likes = np.log1p(frame["like_count"])
    first = ~frame["id"].duplicated()
    fit = sm.OLS(likes[first], design[first]).fit()
    np.testing.assert_allclose(
        residual_likes(table), likes - fit.predict(design), atol=1e-9
    )


def test_followers_and_month_say_nothing_about_the_residual():
    table = make(4000, authors=4000)
    residual, frame = residual_likes(table), table.to_pandas()
    known = frame["follower_count"].notna()
    assert (
        abs(
            np.corrcoef(residual[known], np.log1p(frame["follower_count"][known]))[0, 1]
        )
        < 0.05
    )
    months = frame.assign(r=residual).groupby(frame["created_at"].dt.month)["r"].mean()
    assert months.abs().max() < 0.1
    raw = np.corrcoef(
        np.log1p(frame["like_count"][known]), np.log1p(frame["follower_count"][known])
    )[0, 1]
    assert raw > 0.7  # what a plain ranking would have picked


def test_the_top_is_taken_and_no_author_has_more_than_the_cap():
    table = make()
    found = select_liked(table, open_rows(table), 0.8, 2).to_pylist()
    residual = residual_likes(table)
    liked = residual >= np.quantile(residual, 0.8)
    assert [
        reason is None or reason.startswith("over") for reason in found
    ] == liked.tolist()
    authors = {}
    for row in np.flatnonzero(liked):
        author = table["author_id"][row].as_py() or f"nobody {row}"
        authors.setdefault(author, []).append(
            (-residual[row], table["image_name"][row].as_py(), row)
        )
    expected = {row for rows in authors.values() for _, _, row in sorted(rows)[:2]}
    assert {row for row, reason in enumerate(found) if reason is None} == expected


def test_rows_that_are_out_stay_out_and_do_not_count():
    table = make()
    first = pa.chunked_array(
        [pa.array(["duplicate: near"] * 200 + [None] * 200, pa.string())]
    )
    found = select_liked(table, first, 0.5, 1000)
    assert found[:200].to_pylist() == ["duplicate: near"] * 200
    alone = select_liked(table.slice(200), open_rows(table.slice(200)), 0.5, 1000)
    assert found[200:].to_pylist() == alone.to_pylist()
    nobody = pa.chunked_array([pa.array(["no caption"] * 400)])
    assert select_liked(table, nobody, 0.5, 1).to_pylist() == nobody.to_pylist()


def test_splits_follow_in_time_and_share_no_author():
    table = make(2000, authors=500)
    which, reasons = split(table, open_rows(table), seed=0)
    frame = table.to_pandas().assign(split=which)
    kept = frame.dropna(subset="split")
    assert {"train", "validation", "test"} == set(kept["split"])
    ends = kept.groupby("split")["created_at"].agg(["min", "max"])
    assert ends.loc["train", "max"] <= ends.loc["validation", "min"]
    assert ends.loc["validation", "max"] <= ends.loc["test", "min"]
    assert (
        kept.dropna(subset="author_id").groupby("author_id")["split"].nunique().max()
        == 1
    )
    assert [reason for reason in reasons.to_pylist() if reason] == [
        "its author is in an earlier split"
    ] * (2000 - len(kept))
    assert 0.75 < (kept["split"] == "train").mean() < 0.99


def test_images_without_a_date_are_split_by_author_the_same_way_every_time():
    table = make(2000, authors=300)
    table = table.set_column(2, "created_at", pa.nulls(len(table), pa.timestamp("ms")))
    which, reasons = split(table, open_rows(table), seed=3)
    assert reasons.null_count == len(table)
    frame = table.to_pandas().assign(split=which)
    assert (
        frame.dropna(subset="author_id").groupby("author_id")["split"].nunique().max()
        == 1
    )
    assert frame["split"].value_counts(normalize=True)["train"] == pytest.approx(
        0.8, abs=0.06
    )
    assert (
        split(table, open_rows(table), seed=3)[0]
        == which
        != split(table, open_rows(table), seed=4)[0]
    )
    part = split(table.slice(0, 900), open_rows(table.slice(0, 900)), seed=3)[0]
    assert part == which[:900]
