"""The share that is chosen, in worlds with known likes: level over followers and time, at most so many of an author."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from twigma.builder.finetuning.selection import (
    NO_LIKES,
    TOO_MANY,
    Ranking,
    cell_quotas,
    choose,
    select_liked,
)

from .worlds import WORLDS, demo, heavy_authors, nonlinear_followers, table

FEWEST = 40  # images of a stratum whose share is looked at

UNPOPULAR = "likes not in the top of posts with as many followers at that time"


def open_rows(table):
    return pa.chunked_array([pa.nulls(len(table), pa.string())])


def chosen_of(table, quantile=0.9, per_author=10, seed=0):
    """bool[n]: which images are chosen."""
    reasons = select_liked(table, open_rows(table), quantile, per_author, seed)
    return np.asarray(reasons.is_null())


def strata(table):
    """The strata in which the share has to be level, each a label per image."""
    frame = table.to_pandas()
    rank = frame["follower_count"].rank(method="first")
    # Unknown followers are a stratum too.
    tenth = pd.qcut(rank, 10, labels=False).fillna(-1).astype(int)
    fine = pd.qcut(rank, 40, labels=False).fillna(-1).astype(int)
    time = frame["created_at"].dt
    year = time.year.astype(str)
    return {
        "tenth": tenth,
        "fortieth": fine,
        "year": year,
        "quarter": time.to_period("Q").astype(str),
        "month": time.to_period("M").astype(str),
        "tenth and year": tenth.astype(str) + " " + year,
    }


def worst_z(chosen, label, share):
    """How many binomial standard deviations the share of a stratum is off, at most."""
    groups = pd.Series(chosen).groupby(np.asarray(label, str))
    counts = groups.agg(["mean", "size"])
    counts = counts[counts["size"] >= FEWEST]
    error = np.sqrt(share * (1 - share) / counts["size"])
    return float(((counts["mean"] - share).abs() / error).max())


@pytest.mark.parametrize("quantile", [0.9, 0.7])
@pytest.mark.parametrize("world", WORLDS)
def test_the_share_is_level_over_followers_and_time(world, quantile):
    posts = world(0)
    # Not capped, nor short of likes: these are tested below.
    chosen = chosen_of(posts, quantile, per_author=10_000)
    for name, label in strata(posts).items():
        assert worst_z(chosen, label, 1 - quantile) < 3, name
    assert chosen.mean() == pytest.approx(1 - quantile, abs=0.002)


@pytest.mark.parametrize("world", WORLDS)
def test_a_plain_ranking_would_not_be_level(world):
    """The worlds are such that the test above can fail."""
    posts = world(0)
    likes = posts["like_count"].to_numpy()
    chosen = likes >= np.quantile(likes, 0.9)
    worst = max(worst_z(chosen, label, 0.1) for label in strata(posts).values())
    assert worst > 5


def test_the_most_liked_of_a_cell_are_chosen():
    posts = nonlinear_followers(1)
    frame = posts.to_pandas().assign(chosen=chosen_of(posts))
    known = frame[frame["follower_count"].notna()].copy()
    known["place"] = pd.qcut(known["follower_count"].rank(method="first"), 20)
    rank = known.groupby("place", observed=True)["like_count"].rank(pct=True)
    assert rank[known["chosen"]].median() > 0.9
    assert rank[known["chosen"]].quantile(0.05) > 0.75


def test_the_cap_holds_and_what_it_removes_is_replaced():
    posts = heavy_authors(0)
    authors = posts["author_id"].to_pandas()
    assert authors[chosen_of(posts, per_author=10_000)].value_counts().max() > 30
    capped = chosen_of(posts, per_author=10)
    assert authors[capped].value_counts().max() == 10
    # Where one author has most images of a tenth, the share cannot be reached; the second half of the authors can.
    busiest = authors.value_counts().index[:30]
    labels = strata(posts)["tenth"]
    for tenth in range(10):
        rows = np.asarray(labels == tenth)
        if authors[rows].isin(busiest).mean() < 0.5:
            assert capped[rows].mean() == pytest.approx(0.1, abs=0.04)
    reasons = select_liked(posts, open_rows(posts), 0.9, 10, 0).to_pylist()
    over = [row for row, reason in enumerate(reasons) if reason == TOO_MANY]
    counts = authors[capped].value_counts()
    assert (counts[authors[over].unique()] == 10).all()


def test_the_share_stays_level_under_a_cap_that_leaves_enough_images():
    """An author in a hundred has a hundred posts, and all the likes."""
    rng = np.random.default_rng(0)
    author = np.where(rng.random(6000) < 0.3, rng.integers(0, 20, 6000), -1)
    author[author < 0] = np.arange(20, 20 + (author < 0).sum())
    followers = np.exp(rng.normal(6.5, 2, author.max() + 1)).astype(int)
    mean = 0.5 * np.log1p(followers[author]) + 3 * (author < 20)
    likes = rng.poisson(np.exp(mean + rng.normal(size=6000))) + 1
    posts = table(
        likes, followers[author].astype(float), 800 * rng.random(6000), author
    )
    capped = chosen_of(posts, per_author=3)
    assert pd.Series(author[capped]).value_counts().max() == 3
    labels = strata(posts)
    for name in ("tenth", "year", "quarter", "month"):
        assert worst_z(capped, labels[name], 0.1) < 3, name


def test_no_image_that_few_like_replaces_one_over_the_cap():
    """One author has all likes but one: nobody else's images are among the liked."""
    n = 1000
    author = np.where(np.arange(n) % 10 < 8, -1, np.arange(n))
    likes = np.where(author < 0, 100 + np.arange(n), 1)
    posts = table(likes, np.full(n, 50.0), np.full(n, 3.0), author)
    chosen = chosen_of(posts, per_author=7)
    assert (author[chosen] == -1).all() and chosen.sum() == 7
    reasons = np.array(select_liked(posts, open_rows(posts), 0.9, 7, 0).to_pylist())
    assert set(reasons[author >= 0]) == {UNPOPULAR}


def test_images_without_likes_count_and_are_never_chosen():
    rng = np.random.default_rng(0)
    followers = np.exp(rng.normal(6, 2, 3000)).astype(int).astype(float)
    likes = rng.poisson(0.001 * followers)  # nobody likes those whom few follow
    posts = table(likes, followers, 800 * rng.random(3000), np.arange(3000))
    reasons = np.array(select_liked(posts, open_rows(posts), 0.9, 10, 0).to_pylist())
    assert (reasons[likes == 0] == NO_LIKES).all()
    assert set(reasons[likes > 0]) == {None, UNPOPULAR}
    # Of those many follow, a tenth; of those few follow, all that anybody likes at all.
    many = followers > np.quantile(followers, 0.8)
    assert (reasons[many] == None).mean() == pytest.approx(0.1, abs=0.01)  # noqa: E711


def test_an_unknown_follower_count_is_compared_with_its_like():
    posts = nonlinear_followers(2)
    unknown = np.asarray(posts["follower_count"].is_null())
    assert chosen_of(posts)[unknown].mean() == pytest.approx(0.1, abs=0.01)
    likes = posts["like_count"].to_numpy()
    assert likes[unknown & chosen_of(posts)].min() > np.median(likes[unknown])


def test_rows_that_are_out_stay_out_and_do_not_count():
    posts = demo(0)
    half = len(posts) // 2
    first = ["duplicate: near"] * half + [None] * (len(posts) - half)
    reasons = pa.chunked_array([pa.array(first, pa.string())])
    selected = select_liked(posts, reasons, 0.5, 1000, 0)
    assert selected[:half].to_pylist() == ["duplicate: near"] * half
    rest = posts.slice(half)
    alone = select_liked(rest, open_rows(rest), 0.5, 1000, 0)
    assert selected[half:].to_pylist() == alone.to_pylist()
    nobody = pa.chunked_array([pa.array(["no caption"] * len(posts))])
    assert select_liked(posts, nobody, 0.5, 1, 0).to_pylist() == nobody.to_pylist()


def test_the_seed_decides_between_equals_and_the_order_of_rows_does_not():
    equal = np.full(1000, 5)
    posts = table(equal, np.full(1000, 100.0), np.arange(1000.0) / 2, np.arange(1000))
    assert (chosen_of(posts, seed=1) == chosen_of(posts, seed=1)).all()
    assert (chosen_of(posts, seed=1) != chosen_of(posts, seed=2)).any()
    shuffled = np.random.default_rng(0).permutation(1000)
    again = chosen_of(posts.take(pa.array(shuffled)), seed=1)
    assert (again == chosen_of(posts, seed=1)[shuffled]).all()


def test_choose_is_what_brute_force_finds():
    rng = np.random.default_rng(0)
    for _ in range(20):
        cells = np.repeat(np.arange(6), 20)
        score = rng.random(120)
        authors = rng.integers(0, 15, 120)
        eligible = rng.random(120) < 0.8
        ranking = Ranking(cells, np.argsort(-score), eligible, authors)
        chosen, over = choose(ranking, 0.2, 2)
        assert (np.bincount(cells[chosen], minlength=6) <= 4).all()
        assert np.bincount(authors[chosen]).max() <= 2
        assert not (chosen & over).any() and ranking.eligible[chosen].all()
        # An image that is left beside a worse one of its cell is out because of its author.
        for row in np.flatnonzero(ranking.eligible & ~chosen):
            worse = chosen & (cells == cells[row]) & (score < score[row])
            assert over[row] or not worse.any()


def test_quotas_add_up_whatever_the_sizes():
    sizes = np.random.default_rng(0).integers(1, 60, 500)
    quotas = cell_quotas(sizes, 0.1)
    assert quotas.sum() == round(0.1 * sizes.sum())
    assert (np.abs(quotas - 0.1 * sizes) <= 1).all()
