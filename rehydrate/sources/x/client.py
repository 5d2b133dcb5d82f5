"""The X API v2 client: look-ups and full-archive search as raw pages; `twigma rehydrate` and `twigma collect` use it.

It waits out rate limits, retries what can be retried within a budget, and stops at once, with the reason, when
credits, the spend cap or the usage cap are gone. The token appears in no log, error, repr or file.
"""

import email.utils
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from twigma.core.services.backoff import BackoffPolicy, Retries
from twigma.core.services.deadline import ANSWER_SECONDS
from twigma.core.services.http import ServiceClient
from twigma.core.services.outcomes import Answer, seconds_of
from twigma.rehydrate.sources.x.bearer_token import check_token
from twigma.rehydrate.sources.x.dialects import FIELDS, Dialect, fields_of
from twigma.rehydrate.sources.x.refusals import (
    ApiError,
    parse_json,
    refusal,
    stop_reason,
)

API_URL = "https://api.x.com"
LOOKUP, SEARCH = "/2/tweets", "/2/tweets/search/all"
IDS_PER_CALL = 100
POSTS_PER_PAGE = 500
FEWEST_PER_PAGE = 10
QUERY_LENGTH = 1024  # characters
RESET_MARGIN = 2.0  # seconds after the stated reset of a rate limit
LONGEST_WAIT = 1000.0  # seconds; a rate limit window is 900
LOGGED_WAIT = 5.0  # seconds; a longer wait is logged
PLAIN_WAIT = 10.0  # seconds after a 429 without a reset time
PLAIN_WAITS = 2  # such waits in a call


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

    def lookup(self, ids: Sequence[str], followers: bool = False) -> dict[str, Any]:
        """The raw page of up to 100 posts. `followers` adds their authors, which are billed one by one.

        Raises ApiError when there is no page, PermissionError when the token is refused.
        """
        if not 1 <= len(ids) <= IDS_PER_CALL:
            raise ValueError(
                f"expected 1 to {IDS_PER_CALL} ids a call, found {len(ids)}"
            )
        return self._get(
            LOOKUP, {"ids": ",".join(ids), **fields_of(self.dialect, followers)}
        )

    def search_all(
        self,
        query: str,
        start: str,
        end: str,
        next_token: str | None = None,
        *,
        followers: bool = False,
        max_results: int = POSTS_PER_PAGE,
    ) -> dict[str, Any]:
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
            "max_results": str(max_results),
        }
        if next_token is not None:
            params["next_token"] = next_token
        params.update(fields_of(self.dialect, followers))
        return self._get(SEARCH, params, self.search_pace)

    # -------------------------------------------------------------- one call

    def _get(
        self, path: str, params: dict[str, str], pace: float = 0.0
    ) -> dict[str, Any]:
        """Call until there is a page, a refusal, or no try left."""
        retries = Retries(self._http.policy)
        status, problem = 0, "no try was allowed"
        while retries.start():
            self._wait_for_turn(path, pace)
            outcome = self._http.try_once("GET", path, params=params)
            status, problem = 0, outcome.problem
            if isinstance(outcome, Answer):
                page = self._page(outcome, path)
                if page is not None:
                    return page
                status, problem = outcome.status, _without_page(outcome)
                if status == 429 and self._resets_later(path, pace):
                    continue  # the next turn comes after the reset
            wait = retries.wait_after(outcome)
            if wait is None:
                break
            self._pause(wait)
        raise ApiError(
            f"X API: no page from {path} in {retries.tries} tries, last {problem}; "
            "the pages received are stored, run again to resume",
            status,
            "RetriesExhausted",
        )

    def _wait_for_turn(self, path: str, pace: float) -> None:
        pause = self._not_before.get(path, 0.0) - time.monotonic()
        if pause > 0:
            self._pause(pause)
        self._not_before[path] = time.monotonic() + pace

    def _pause(self, seconds: float) -> None:
        if seconds >= LOGGED_WAIT:
            logging.getLogger(__name__).warning(
                "X API: waiting %.0f s, as it asks", seconds
            )
        self._sleep(seconds)

    def _resets_later(self, path: str, pace: float) -> bool:
        """Whether the service named the time of the next call, which is more than our own pace asks for."""
        return self._not_before[path] > time.monotonic() + pace

    def _page(self, answer: Answer, path: str) -> dict[str, Any] | None:
        """The page, or None where the call may be tried again; raises where it may not."""
        self._heed_limits(answer, path)
        if answer.status == 200:
            page = parse_json(answer.text)
            return page if isinstance(page, dict) else None
        retryable = answer.status == 429 or answer.status >= 500
        if retryable and stop_reason(answer.status, answer.text) is None:
            return None
        raise refusal(self.base_url, answer.status, answer.text)

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


def _without_page(answer: Answer) -> str:
    """What came in the place of a page of posts, for a message."""
    if answer.status != 200:
        return answer.problem
    kind = answer.headers.get("content-type", "an unnamed type").partition(";")[0][:60]
    hint = ""
    if "html" in kind:
        hint = ": is a proxy or a login page in between?"
    return f"an answer of {kind} that is no page of posts{hint}"


def _server_time(headers: Mapping[str, str]) -> float:
    """The server's clock in seconds since 1970; ours where it sends no Date."""
    try:
        return email.utils.parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()
