"""Answers of the X API with status 200: the page in each, or why it is none. `client.py` asks for them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from twigma.core.services.outcomes import Answer
from twigma.rehydrate.posts.page_content import (
    counts_posts,
    dicts,
    says_nothing,
    user_ids,
)
from twigma.rehydrate.sources.x.refusals import describe_errors, parse_json

Page = dict[str, Any]
IsSilent = Callable[[Page], bool]  # whether a page says nothing of what was asked for


class Received(NamedTuple):
    """What became of one try: the page, or None with the problem; whether the answer was a 200 that says nothing."""

    page: Page | None
    problem: str
    is_silent: bool = False


def read_page(answer: Answer, is_silent: IsSilent) -> Received:
    """The page of an answer with status 200, or what it is instead."""
    page = parse_json(answer.text)
    if not isinstance(page, dict):
        kind = answer.headers.get("content-type", "no type").partition(";")[0]
        problem = f"HTTP 200 with {kind[:60]} that is no page ({answer.text[:60]!r})"
        if "html" in kind:
            problem += ": is a proxy or a login page in between?"
        return Received(None, problem, is_silent=True)
    if is_silent(page):
        errors = describe_errors(page)
        problem = f"HTTP 200 that says nothing of what was asked for{errors}"
        return Received(None, problem, is_silent=True)
    return Received(page, "")


def is_silent_lookup(ids: Sequence[str]) -> IsSilent:
    """Whether a page tells of none of these posts."""
    return lambda page: says_nothing(ids, page)


def is_silent_about_users(ids: Sequence[str]) -> IsSilent:
    """Whether a page tells of none of these users."""
    return lambda page: not user_ids(page).intersection(ids)


def is_silent_search(page: Page) -> bool:
    """Whether a page of a search neither has posts nor says that there are none."""
    return counts_posts(page) != 0 and not dicts(page.get("data"))


def is_silent_count(page: Page) -> bool:
    """Whether a page of counts has no list of days."""
    return not isinstance(page.get("data"), list)
