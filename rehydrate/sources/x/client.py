"""The X API v2 client: look-ups and full-archive search as raw pages; `twigma rehydrate` and `twigma collect` use it.

It waits out rate limits, retries what can be retried within a budget, and stops at once, with the reason, when
credits, the spend cap or the usage cap are gone. The token appears in no log, error, repr or file.
"""

import email.utils
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from twigma.core.services.backoff import LONGEST_BACKOFF, BackoffPolicy, Retries
from twigma.core.services.deadline import ANSWER_SECONDS
from twigma.core.services.http import ServiceClient
from twigma.core.services.outcomes import Answer, seconds_of
from twigma.rehydrate.sources.x.answers import (
    IsSilent,
    Page,
    Received,
    is_silent_about_users,
    is_silent_count,
    is_silent_lookup,
    is_silent_search,
    read_page,
)
from twigma.rehydrate.sources.x.bearer_token import check_token
from twigma.rehydrate.sources.x.dialects import FIELDS, Dialect, fields_of
from twigma.rehydrate.sources.x.refusals import (
    ApiError,
    refusal,
    stop_reason,
)

API_URL = "https://api.x.com"
LOOKUP, SEARCH = "/2/tweets", "/2/tweets/search/all"
USERS, COUNTS = "/2/users", "/2/tweets/counts/all"
IDS_PER_CALL = 100
POSTS_PER_PAGE = 500
FEWEST_PER_PAGE = 10
SMALLER_PAGE = 100  # posts a page, after pages failed
FAILED_TRIES = 2  # tries of a page after which a smaller one is asked for
QUERY_LENGTH = 1024  # characters
RESET_MARGIN = 2.0  # seconds after the stated reset of a rate limit
LONGEST_WAIT = 1000.0  # seconds; a rate limit window is 900
LOGGED_WAIT = 5.0  # seconds; a longer wait is logged
PLAIN_WAIT = 10.0  # seconds after a 429 without a reset time
PLAIN_WAITS = 2  # such waits in a call
SILENT_TRIES = 5  # tries of a call whose answers say nothing


class XClient:
    """Calls to the X API, one at a time. Use as a context manager, or close it.

    `dialect` is the vocabulary asked for and answered in. `search_pace` is the least time between two searches, in
    seconds. `timeout` is for a read, `deadline` for a whole answer, in seconds. A call is tried up to `attempts` times,
    and backs off for up to `patience` seconds in all, with what answers took that were too slow.
    """

    def __init__(
        self,
        base_url: str = API_URL,
        token: str = "",
        dialect: Dialect = "legacy",
        *,
        search_pace: float = 1.0,
        timeout: float = 30.0,
        deadline: float = ANSWER_SECONDS,
        attempts: int = 8,
        patience: float = 300.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if dialect not in FIELDS:
            raise ValueError(f"expected dialect legacy or current, found {dialect!r}")
        self.dialect = dialect
        self.search_pace = search_pace
        self._sleep = sleep
        self._not_before: dict[str, float] = {}  # on the monotonic clock, by path
        self._largest_page = POSTS_PER_PAGE
        policy = BackoffPolicy(attempts, patience, PLAIN_WAIT, PLAIN_WAITS)
        self._http = ServiceClient(
            "X API",
            base_url,
            check_token(token, "token"),
            follow_redirects=False,
            timeout=timeout,
            deadline=deadline,
            policy=policy,
        )
        self.base_url = self._http.base_url

    def __repr__(self) -> str:
        return f"XClient({self.base_url!r}, dialect={self.dialect!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def lookup(
        self,
        ids: Sequence[str],
        followers: bool = False,
        *,
        may_say_nothing: bool = False,
    ) -> Page:
        """The raw page of up to 100 posts. `followers` adds their authors, which are billed one by one.

        An answer that says nothing of any of them is no page, unless it `may_say_nothing`. Raises ApiError when there
        is no page, PermissionError when the token is refused.
        """
        if not 1 <= len(ids) <= IDS_PER_CALL:
            raise ValueError(
                f"expected 1 to {IDS_PER_CALL} ids a call, found {len(ids)}"
            )
        params = {"ids": ",".join(ids), **fields_of(self.dialect, followers)}
        if may_say_nothing:
            return self._get(LOOKUP, params, lambda page: False)
        return self._get(LOOKUP, params, is_silent_lookup(ids))

    def users(self, ids: Sequence[str]) -> Page:
        """The raw page of up to 100 users with their follower counts, billed one by one; raises as `lookup`."""
        if not 1 <= len(ids) <= IDS_PER_CALL:
            raise ValueError(
                f"expected 1 to {IDS_PER_CALL} users a call, found {len(ids)}"
            )
        params = {"ids": ",".join(ids), "user.fields": "id,public_metrics"}
        return self._get(USERS, params, is_silent_about_users(ids))

    def counts(
        self, query: str, start: str, end: str, next_token: str | None = None
    ) -> Page:
        """A raw page of how many posts of the full archive match a query, by day; a request has a price, posts none.

        Raises as `lookup` does.
        """
        params = {
            "query": query,
            "start_time": start,
            "end_time": end,
            "granularity": "day",
        }
        if next_token is not None:
            params["next_token"] = next_token
        return self._get(COUNTS, params, is_silent_count, self.search_pace)

    def search_all(
        self,
        query: str,
        start: str,
        end: str,
        next_token: str | None = None,
        *,
        followers: bool = False,
        max_results: int = POSTS_PER_PAGE,
    ) -> Page:
        """A raw page of the full-archive search, newest first; `start` and `end` as `2021-01-01T00:00:00Z`.

        Raises as `lookup` does, and ValueError for a query over 1,024 characters.
        """
        if len(query) > QUERY_LENGTH:
            raise ValueError(
                f"expected a query of at most {QUERY_LENGTH} characters, found {len(query)}"
            )
        params = {
            "query": query,
            "start_time": start,
            "end_time": end,
            "max_results": str(min(max_results, self._largest_page)),
        }
        if next_token is not None:
            params["next_token"] = next_token
        params.update(fields_of(self.dialect, followers))
        return self._get(SEARCH, params, is_silent_search, self.search_pace)

    # -------------------------------------------------------------- one call

    def _get(
        self,
        path: str,
        params: dict[str, str],
        is_silent: IsSilent,
        pace: float = 0.0,
    ) -> Page:
        """Call until there is a page, a refusal, or no try left."""
        retries = Retries(self._http.policy)
        status, problem, silent, failed = 0, "no try was allowed", 0, 0
        while retries.start():
            self._wait_for_turn(path, pace)
            outcome = self._http.try_once("GET", path, params=params)
            status, problem = 0, outcome.problem
            if isinstance(outcome, Answer):
                received = self._receive(outcome, path, is_silent)
                if received.page is not None:
                    return received.page
                status, problem = outcome.status, received.problem
                silent += received.is_silent
                failed += status >= 500
                if failed >= FAILED_TRIES:
                    self._ask_for_less(params)
                if status == 429 and self._resets_later(path, pace):
                    continue  # the next turn comes after the reset
            wait = retries.wait_after(outcome)
            if wait is None or silent == SILENT_TRIES:
                break
            asks = isinstance(outcome, Answer) and outcome.retry_after > 0
            self._pause(wait, "as it asks" if asks else "before the next try")
        raise ApiError(
            f"X API: no page from {path} in {retries.tries} tries, last {problem}; "
            "the pages received are stored, run again to resume",
            status,
            "RetriesExhausted",
        )

    def _ask_for_less(self, params: dict[str, str]) -> None:
        """Ask for smaller pages from now on: the search answers 503 to large ones that smaller ones pass."""
        if int(params.get("max_results", "0")) > SMALLER_PAGE:
            self._largest_page = SMALLER_PAGE
            params["max_results"] = str(SMALLER_PAGE)

    def _wait_for_turn(self, path: str, pace: float) -> None:
        pause = self._not_before.get(path, 0.0) - time.monotonic()
        if pause > 0:
            self._pause(pause, "until its rate limit resets")
        self._not_before[path] = time.monotonic() + pace

    def _pause(self, seconds: float, reason: str) -> None:
        if seconds >= LOGGED_WAIT:
            logging.getLogger(__name__).warning(
                "X API: waiting %.0f s, %s", seconds, reason
            )
        self._sleep(seconds)

    def back_off(self, tries: int) -> None:
        """Wait before a page is asked for once more that came without some of its posts: longer after each try."""
        self._pause(min(2.0**tries, LONGEST_BACKOFF), "before the next try")

    def _resets_later(self, path: str, pace: float) -> bool:
        """Whether the service named the time of the next call, which is more than our own pace asks for."""
        return self._not_before[path] > time.monotonic() + pace

    def _receive(self, answer: Answer, path: str, is_silent: IsSilent) -> Received:
        """The page, or what is wrong where the call may be tried again; raises where it may not."""
        self._heed_limits(answer, path)
        if answer.status == 200:
            return read_page(answer, is_silent)
        retryable = answer.status == 429 or answer.status >= 500
        if retryable and stop_reason(answer.status, answer.text) is None:
            return Received(None, answer.problem)
        raise refusal(self.base_url, answer)

    def _heed_limits(self, answer: Answer, path: str) -> None:
        """When nothing remains, put the next turn after the reset: by the server's clock, on our monotonic one."""
        headers = answer.headers
        reset = headers.get("x-rate-limit-reset", "")
        if headers.get("x-rate-limit-remaining") != "0" or not reset.isascii():
            return
        pause = seconds_of(reset) - _server_time(headers)
        pause = min(max(pause, 0.0) + RESET_MARGIN, LONGEST_WAIT)
        turn = time.monotonic() + pause
        self._not_before[path] = max(self._not_before.get(path, 0.0), turn)


def _server_time(headers: Mapping[str, str]) -> float:
    """The server's clock in seconds since 1970; ours where it sends no Date."""
    try:
        return email.utils.parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()
