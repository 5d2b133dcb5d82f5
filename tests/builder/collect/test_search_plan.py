"""What is left to search, against a brute-force count of days and hashtags."""

import datetime
import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twigma.builder.collect.collect import PAPER_HASHTAGS, PAPER_PERIOD
from twigma.builder.collect.search_plan import (
    coverage,
    period,
    plan_searches,
    subtract,
)
from twigma.rehydrate.ledger.search_progress import SearchRow


def queries(hashtags: Sequence[str]) -> list[str]:
    """The queries of a period in which nothing was searched."""
    return [one.query for one in plan_searches(hashtags, day(1), day(2), [])]


@given(
    tags=st.lists(
        st.from_regex(r"[a-z]{1,60}", fullmatch=True), min_size=1, max_size=120
    )
)
def test_queries_name_every_hashtag_once_within_the_limit(tags: list[str]) -> None:
    made = queries(tags)
    named = [tag for query in made for tag in query[1 : query.index(")")].split(" OR ")]
    assert named == [f"#{tag}" for tag in dict.fromkeys(tags)]
    assert all(
        len(query) <= 1024 and query.endswith(") has:images -is:retweet")
        for query in made
    )
    assert all(
        len(a) + len(b.split()[0]) > 1024 - 4 - 30 for a, b in itertools.pairwise(made)
    )


@pytest.mark.parametrize("tags", [[], ["a OR b"], ["#"], ["a)"], ["2022"], ["a-b"]])
def test_what_is_no_hashtag(tags: list[str]) -> None:
    with pytest.raises(ValueError, match="hashtag"):
        queries(tags)


def test_periods() -> None:
    assert period(*PAPER_PERIOD) == ("2021-01-01T00:00:00Z", "2023-04-01T00:00:00Z")
    assert period("2021-01-01", "2023-03-31") == period(*PAPER_PERIOD)
    assert period("2021-01-01T02:00:00+02:00", "2021-01-02T00:00:00") == (
        "2021-01-01T00:00:00Z",
        "2021-01-02T00:00:00Z",
    )
    with pytest.raises(ValueError, match="a start before the end"):
        period("2022-01-02", "2022-01-01")
    with pytest.raises(ValueError, match="a period that has passed"):
        period("2022-01-02", datetime.date.today() + datetime.timedelta(days=2))
    assert queries(PAPER_HASHTAGS)[0].count("#") == 6


def day(number: int) -> str:
    return f"2022-01-{number:02}T00:00:00Z"


DAYS = range(1, 12)


def posts_of(search: object) -> set[tuple[int, frozenset[str]]]:
    """The (day, hashtags) of posts that a search finds, of all sets of three hashtags on every day."""
    found = set()
    for number in DAYS:
        for size in (1, 2, 3):
            for tags in map(frozenset, itertools.combinations("abc", size)):
                marks = {f"#{tag}" for tag in tags}
                inside = search.start <= day(number) < search.end  # type: ignore[attr-defined]
                wanted = marks & set(search.tags)  # type: ignore[attr-defined]
                left_out = marks & set(search.excluded)  # type: ignore[attr-defined]
                if inside and wanted and not left_out:
                    found.add((number, tags))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_a_row_of_collections_buys_every_post_once(seed: int) -> None:
    draw = random.Random(seed)
    rows: list[SearchRow] = []
    bought: list[tuple[int, frozenset[str]]] = []
    expected = set()
    for _ in range(4):
        first, last = sorted(draw.sample(DAYS, 2))
        tags = draw.sample("abc", draw.randint(1, 3))
        for search in plan_searches(tags, day(first), day(last), rows):
            bought += posts_of(search)
            rows.append(SearchRow(*search, oldest=None, done=True))
        for number in range(first, last):
            for size in (1, 2, 3):
                for marks in map(frozenset, itertools.combinations("abc", size)):
                    if marks & set(tags):
                        expected.add((number, marks))
        assert plan_searches(tags[::-1], day(first), day(last), rows) == []
    assert set(bought) >= expected
    assert len(bought) == len(set(bought))


def test_a_stopped_search_resumes_where_all_of_it_is_wanted() -> None:
    query = queries(["a", "b"])[0]
    row = SearchRow(
        query, ("#a", "#b"), (), day(1), day(9), "2022-01-05T12:00:00.000Z", False
    )
    (search,) = plan_searches(["b", "a"], day(1), day(9), [row])
    assert search[:1] + search[3:] == (query, day(1), day(9))
    (search,) = plan_searches(["a"], day(1), day(9), [row])
    assert search.tags == ("#a",)
    assert (search.start, search.end) == (day(1), "2022-01-05T12:00:01Z")
    searches = plan_searches(["a", "b", "c"], day(1), day(9), [row])
    assert [one.query for one in searches] == [
        query,
        "(#c) -#a -#b has:images -is:retweet",
    ]


def test_coverage_that_rested_on_a_lost_search_is_searched_again() -> None:
    first = SearchRow("q", ("#a",), (), day(1), day(5), None, True)
    second = SearchRow("r", ("#b",), ("#a",), day(1), day(5), None, True)
    assert coverage([first, second])["#b"] == [(day(1), day(5))]
    assert coverage([second])["#b"] == []
    shorter = first._replace(start=day(3))
    assert coverage([shorter, second])["#b"] == [(day(3), day(5))]


def test_what_is_left_out_fits_the_query() -> None:
    many = [f"tag{n:03}{'x' * 40}" for n in range(30)]
    rows = [
        SearchRow("q", tuple(f"#{tag}" for tag in many), (), day(1), day(5), None, True)
    ]
    (search,) = plan_searches(["new"], day(1), day(5), rows)
    assert len(search.query) <= 1024 and 15 < len(search.excluded) < 30


def test_subtract_leaves_nothing_of_what_is_covered() -> None:
    assert subtract([("1", "9")], [("1", "4"), ("4", "9")]) == []
    assert subtract([("1", "9")], []) == [("1", "9")]
