"""Splits: their sizes, their order in time, and that no author is in two."""

import datetime
import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from twigma.builder.finetuning.splits import FEWEST, OTHER_SPLIT, RULE, split

from .worlds import WORLDS, table


def open_rows(posts):
    return pa.chunked_array([pa.nulls(len(posts), pa.string())])


def posts_of(author, days, dated=1.0, seed=0):
    """Posts of these authors at these times, a share of them dated."""
    n = len(author)
    posts = table(np.full(n, 9), np.full(n, 100.0), days, author)
    known = np.random.default_rng(seed).random(n) < dated
    times = posts["created_at"].to_pylist()
    times = [time if keep else None for time, keep in zip(times, known, strict=True)]
    return posts.set_column(2, "created_at", pa.array(times, pa.timestamp("ms")))


def careers(kind, n, seed=0):
    """(author, days) of n posts."""
    rng = np.random.default_rng(seed)
    if kind == "one post each":
        return np.arange(n), 800 * rng.random(n)
    if kind == "ten posts each, at any time":
        return rng.integers(0, n // 10, n), 800 * rng.random(n)
    if kind == "short careers":
        author = rng.integers(0, n // 6, n)
        return author, 800 * rng.random(n // 6)[author] + 30 * rng.random(n)
    if kind == "a few with most posts":
        return rng.zipf(1.6, n) % (n // 3), 800 * rng.random(n)
    return rng.integers(0, n // 4, n), 260 * np.log1p(20 * rng.random(n))


KINDS = (
    "one post each",
    "ten posts each, at any time",
    "short careers",
    "a few with most posts",
    "growth",
)


def check_disjoint(frame):
    """No author in two splits, and each split later than the one before it."""
    written = frame.dropna(subset="split")
    authors = written.dropna(subset="author_id").groupby("author_id")["split"]
    assert authors.nunique().max() == 1
    dated = written.dropna(subset="created_at")
    ends = dated.groupby("split")["created_at"].agg(["min", "max"])
    order = [name for name in ("train", "validation", "test") if name in ends.index]
    for earlier, later in itertools.pairwise(order):
        assert ends.loc[earlier, "max"] < ends.loc[later, "min"]


@pytest.mark.parametrize("dated", [1.0, 0.7])
@pytest.mark.parametrize("n", [500, 4000])
@pytest.mark.parametrize("kind", KINDS)
def test_sizes_are_as_asked_for_and_splits_are_disjoint(kind, n, dated):
    posts = posts_of(*careers(kind, n), dated)
    made = split(posts, open_rows(posts), seed=0)
    frame = posts.to_pandas().assign(split=made.of_row)
    check_disjoint(frame)
    shares = frame["split"].value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.8, abs=0.02)
    assert shares["validation"] == pytest.approx(0.1, abs=0.02)
    assert shares["test"] == pytest.approx(0.1, abs=0.02)
    assert made.warning == ""
    left_out = [reason for reason in made.reasons.to_pylist() if reason]
    assert left_out == [OTHER_SPLIT] * int(frame["split"].isna().sum())
    assert made.counts() == frame["split"].value_counts().to_dict()


@pytest.mark.parametrize("world", WORLDS)
def test_the_worlds_of_the_selection_too(world):
    posts = world(0)
    made = split(posts, open_rows(posts), seed=0)
    frame = posts.to_pandas().assign(split=made.of_row)
    check_disjoint(frame)
    shares = frame["split"].value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.8, abs=0.02)


def test_few_images_are_left_out_where_that_is_possible():
    posts = posts_of(*careers("one post each", 1000))
    assert split(posts, open_rows(posts), seed=0).reasons.null_count == 1000
    posts = posts_of(*careers("short careers", 1000))
    assert split(posts, open_rows(posts), seed=0).reasons.null_count > 930
    # Authors who post all the time: more than 0.43 of the images in any plan of this kind, by arithmetic.
    posts = posts_of(*careers("ten posts each, at any time", 4000))
    assert split(posts, open_rows(posts), seed=0).reasons.null_count > 0.55 * 4000


def test_sizes_that_cannot_be_had_are_said():
    author = np.repeat([0, 1], 300)  # two authors cannot be in three splits
    posts = posts_of(author, np.linspace(0, 800, 600))
    made = split(posts, open_rows(posts), seed=0)
    check_disjoint(posts.to_pandas().assign(split=made.of_row))
    counts = made.counts()
    total = sum(counts.values())
    assert f"{100 * counts['train'] / total:.1f}" in made.warning
    assert "not 80, 10 and 10" in made.warning


def test_too_few_to_split_are_all_for_training():
    posts = posts_of(*careers("one post each", FEWEST - 1))
    made = split(posts, open_rows(posts), seed=0)
    assert made.counts() == {"train": FEWEST - 1, "validation": 0, "test": 0}
    assert made.warning == "19 images are too few to split: all are in train"


def test_images_whose_author_or_date_is_not_known_are_counted():
    posts = posts_of(*careers("one post each", 100))
    assert split(posts, open_rows(posts), seed=0).rule == RULE
    for name, rows in (("author_id", 30), ("created_at", 40)):
        values = posts[name].to_pylist()
        column = pa.array([None] * rows + values[rows:], posts[name].type)
        posts = posts.set_column(posts.column_names.index(name), name, column)
    made = split(posts, open_rows(posts), seed=0)
    assert made.rule.startswith(RULE)
    kept = [row for row, name in enumerate(made.of_row) if name]
    missing = [sum(row < unknown for row in kept) for unknown in (30, 40)]
    assert f"of {len(kept)} images, {missing[0]} have no author and" in made.rule
    assert f" and {missing[1]} no date, " in made.rule


def test_equal_times_are_in_one_split():
    posts = posts_of(np.arange(600), np.repeat([0.0, 100.0, 200.0], 200))
    made = split(posts, open_rows(posts), seed=0)
    frame = posts.to_pandas().assign(split=made.of_row)
    assert frame.groupby("created_at")["split"].nunique().max() == 1
    assert made.warning


def test_images_without_a_date_go_with_their_author():
    posts = posts_of(*careers("short careers", 2000), dated=0.0)
    made = split(posts, open_rows(posts), seed=3)
    assert made.reasons.null_count == 2000
    frame = posts.to_pandas().assign(split=made.of_row)
    check_disjoint(frame)
    assert frame["split"].value_counts(normalize=True)["train"] == pytest.approx(
        0.8, abs=0.02
    )
    assert split(posts, open_rows(posts), seed=3).of_row == made.of_row
    assert split(posts, open_rows(posts), seed=4).of_row != made.of_row


def test_rows_with_a_reason_are_in_no_split():
    posts = posts_of(*careers("one post each", 600))
    reasons = pa.chunked_array([["no likes"] * 100 + [None] * 500])
    made = split(posts, reasons, seed=0)
    assert made.of_row[:100] == [None] * 100
    assert made.reasons[:100].to_pylist() == ["no likes"] * 100
    later = posts["created_at"].to_pylist()[100:]
    assert isinstance(later[0], datetime.datetime)
    assert pd.Series(made.of_row[100:]).notna().all()
