"""What a collection still has to search: the days of each hashtag that no earlier search has covered, as queries.

The ledger knows which hashtags each search was for, over which period, and how far it came. Hashtags in another order,
one more of them, or a later end so cost only what is new. Pure; `collect.py` buys, `twigma status` reads it too.
"""

import datetime
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from twigma.rehydrate.ledger.search_progress import SearchRow
from twigma.rehydrate.sources.x.client import QUERY_LENGTH

FILTERS = " has:images -is:retweet"

Moment = datetime.date | datetime.datetime | str
Period = tuple[str, str]  # [start, end) as X writes moments, which sort as text


class PlannedSearch(NamedTuple):
    """One search to run: its query, the hashtags it is for, those whose posts it leaves out, and its period."""

    query: str
    tags: tuple[str, ...]
    excluded: tuple[str, ...]
    start: str
    end: str


def plan_searches(
    hashtags: Sequence[str], start: str, end: str, rows: Sequence[SearchRow]
) -> list[PlannedSearch]:
    """The searches that are left for these hashtags from `start` to `end`, given those in the ledger, oldest first.

    Searches that were stopped come first, where all they look for is wanted. The posts of hashtags that are covered
    already are left out of the others by their query, as far as its length permits: they are in the folder.
    """
    tags = normalized(hashtags)
    planned: list[PlannedSearch] = []
    expected: list[SearchRow] = []
    for row in rows:
        is_wanted = set(row.tags) <= set(tags) and start <= row.start and row.end <= end
        if is_wanted and not row.done:
            search = PlannedSearch(
                row.query, row.tags, row.excluded, row.start, row.end
            )
            planned.append(search)
            expected.append(row._replace(done=True))
        else:
            expected.append(row)
    covered = coverage(expected)
    for segment, wanted in _gaps(tags, (start, end), covered):
        done = [tag for tag in covered if _is_within(segment, covered[tag])]
        for group in _groups(wanted, QUERY_LENGTH - len(FILTERS) - len("()")):
            excluded = _fitting(group, done)
            query = _query(group, excluded)
            planned.append(PlannedSearch(query, group, excluded, *segment))
            done += group
    return planned


def coverage(rows: Sequence[SearchRow]) -> dict[str, list[Period]]:
    """The periods of which a folder has every post of a hashtag, by hashtag; `rows` in the order in which they began.

    A search that left out the posts of other hashtags counts where these were covered before it.
    """
    covered: dict[str, list[Period]] = {}
    for row in rows:
        period = _covered_by(row)
        if period is None:
            continue
        periods = [period]
        for tag in row.excluded:
            missing = subtract(periods, covered.get(tag, []))
            periods = subtract(periods, missing)
        for tag in row.tags:
            covered[tag] = sorted([*covered.get(tag, []), *periods])
    return covered


def subtract(periods: Sequence[Period], covered: Sequence[Period]) -> list[Period]:
    """What of some periods is in none of others.

    >>> subtract([("1", "5")], [("2", "3"), ("4", "9")])
    [('1', '2'), ('3', '4')]
    """
    left = list(periods)
    for first, last in covered:
        pieces: list[Period] = []
        for start, end in left:
            pieces += [(start, min(end, first)), (max(start, last), end)]
        left = [(start, end) for start, end in pieces if start < end]
    return left


def normalized(hashtags: Sequence[str]) -> tuple[str, ...]:
    """Hashtags as `#aiart`, each once; ValueError where there is none, or one that cannot be."""
    tags = tuple(dict.fromkeys(_tag(tag) for tag in hashtags))
    if not tags:
        raise ValueError("expected at least one hashtag to search for")
    return tags


def period(start: Moment, end: Moment) -> Period:
    """The period as X wants it: [start, end) in UTC seconds. A last date counts to its end."""
    first, last = _moment(start, 0), _moment(end, 1)
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=30)
    if not first < last:
        raise ValueError(f"expected a start before the end, found {start} and {end}")
    if last > now:
        raise ValueError(
            f"expected a period that has passed, found one that ends {last:%Y-%m-%d %H:%M} UTC"
        )
    return f"{first:%Y-%m-%dT%H:%M:%SZ}", f"{last:%Y-%m-%dT%H:%M:%SZ}"


def second_after(time: str) -> str:
    """A post's time, up to the next second: the end that still includes it."""
    moment = datetime.datetime.fromisoformat(time) + datetime.timedelta(seconds=1)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


# ------------------------------------------------------------------ parts of a plan


def _covered_by(row: SearchRow) -> Period | None:
    """What a search has covered: all of its period, or what is above its oldest post."""
    if row.done:
        return row.start, row.end
    if row.oldest is None:
        return None
    return min(second_after(row.oldest), row.end), row.end


def _gaps(
    tags: Sequence[str], whole: Period, covered: Mapping[str, list[Period]]
) -> Iterator[tuple[Period, list[str]]]:
    """(period, hashtags) of what is not covered: as few periods as there are sets of hashtags, in order of time."""
    gaps = {tag: subtract([whole], covered.get(tag, [])) for tag in tags}
    # Also where the coverage of any other hashtag changes, as what a query leaves out does.
    moments = {
        moment for periods in covered.values() for moment in itertools.chain(*periods)
    }
    moments |= {
        moment for periods in gaps.values() for moment in itertools.chain(*periods)
    }
    pending: tuple[Period, list[str], list[str]] | None = None
    for segment in itertools.pairwise(sorted(moments)):
        wanted = [tag for tag in tags if _is_within(segment, gaps[tag])]
        done = [tag for tag in covered if _is_within(segment, covered[tag])]
        if pending and pending[0][1] == segment[0] and pending[1:] == (wanted, done):
            pending = (pending[0][0], segment[1]), wanted, done
            continue
        if pending and pending[1]:
            yield pending[0], pending[1]
        pending = segment, wanted, done
    if pending and pending[1]:
        yield pending[0], pending[1]


def _is_within(segment: Period, periods: Sequence[Period]) -> bool:
    return not subtract([segment], periods)


def _query(tags: Sequence[str], excluded: Sequence[str]) -> str:
    without = "".join(f" -{tag}" for tag in excluded)
    return f"({' OR '.join(tags)}){without}{FILTERS}"


def _fitting(tags: Sequence[str], excluded: Sequence[str]) -> tuple[str, ...]:
    """As many of the hashtags to leave out as a query of these has room for."""
    chosen: list[str] = []
    for tag in excluded:
        if len(_query(tags, [*chosen, tag])) <= QUERY_LENGTH:
            chosen.append(tag)
    return tuple(chosen)


def _groups(tags: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    group: list[str] = []
    for tag in tags:
        if group and len(" OR ".join([*group, tag])) > length:
            yield tuple(group)
            group = []
        group.append(tag)
    yield tuple(group)


def _tag(text: str) -> str:
    tag = text.strip().removeprefix("#").lower()
    if not re.fullmatch(r"\w{1,100}", tag) or tag.isdigit():
        raise ValueError(f"expected a hashtag of letters, digits and _, found {text!r}")
    return "#" + tag


def _moment(value: Moment, days: int) -> datetime.datetime:
    """A moment in UTC; a date is its midnight, `days` later."""
    if isinstance(value, str):
        is_date = len(value) <= len("2021-01-01")
        moment = datetime.datetime.fromisoformat(value)
        value = moment.date() if is_date else moment
    if not isinstance(value, datetime.datetime):
        midnight = datetime.datetime.combine(value, datetime.time(), datetime.UTC)
        return midnight + datetime.timedelta(days=days)
    if value.tzinfo is None:
        return value.replace(tzinfo=datetime.UTC)
    return value.astimezone(datetime.UTC)
