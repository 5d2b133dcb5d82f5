"""The X API v2 client: look-ups and full-archive search as raw pages; `twigma rehydrate` and `twigma collect` use it.

It waits out rate limits, retries what can be retried within a budget, and stops at once, with the reason, when
credits, the spend cap or the usage cap are gone. The token appears in no log, error, repr or file.
"""

import email.utils
import logging
import os
import random
import re
import stat
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import httpx

from twigma.core.safety.bounded import load_json
from twigma.core.services.deadline import ANSWER_SECONDS, TooSlow, read_answer, within

API_URL = "https://api.x.com"
TOKEN_VARIABLE = "X_BEARER_TOKEN"
TOKEN_FILE = Path("~/.config/twigma/x_token")
LOOKUP, SEARCH = "/2/tweets", "/2/tweets/search/all"
IDS_PER_CALL, POSTS_PER_PAGE, FEWEST_PER_PAGE, QUERY_LENGTH = 100, 500, 10, 1024
RESET_MARGIN, PLAIN_WAIT, LONGEST_WAIT = (
    2.0,
    10.0,
    1000.0,
)  # seconds; a rate limit window is 900
TOLD_WAIT = 5.0  # seconds; a longer wait is logged
SECRET = (
    16  # characters; a shorter token is a test's, and may well be a word of the answer
)
UNEXPLAINED = 2  # how many 429s in a row without a reset time are waited out

Dialect = Literal["legacy", "current"]
_MEDIA = {"media.fields": "height,media_key,type,url,width"}
FIELDS: Mapping[str, Mapping[str, str]] = {
    "legacy": {
        "tweet.fields": "attachments,author_id,created_at,edit_history_tweet_ids,entities,id,note_tweet,"
        "possibly_sensitive,public_metrics,referenced_tweets,text",
        "expansions": "attachments.media_keys",
        **_MEDIA,
    },
    # `author_id` and `referenced_posts` are expansions here, which are billed: left out unless asked for.
    "current": {
        "post.fields": "attachments,created_at,entities,id,note_post,possibly_sensitive,public_metrics,text",
        "expansions": "attachments.media_keys",
        **_MEDIA,
    },
}
STOPS = (  # what marks an answer after which another call only costs: (status, in the body) -> reason
    ((429, 403), ("UsageCapExceeded", "usage-capped"), "UsageCapExceeded"),
    ((403, 429), ("SpendCapReached", "problems/credits"), "SpendCapReached"),
    ((402,), ("",), "CreditsDepleted"),
)


class ApiError(RuntimeError):
    """X did not give the page: `status` (0 when no answer came) and `reason`, such as UsageCapExceeded."""

    def __init__(self, sentence: str, status: int, reason: str) -> None:
        super().__init__(sentence)
        self.status, self.reason = status, reason


def read_token(path: Path | None = None) -> str:
    """The bearer token: from `path` if given, else from $X_BEARER_TOKEN, else from ~/.config/twigma/x_token.

    Raises PermissionError when there is none or when others may read the file, ValueError when it is not a token.
    """
    if path is None and os.environ.get(TOKEN_VARIABLE):
        return _checked(os.environ[TOKEN_VARIABLE], f"${TOKEN_VARIABLE}")
    file = Path(path or TOKEN_FILE).expanduser()
    try:
        with file.open(encoding="ascii", errors="replace") as handle:
            mode = stat.S_IMODE(os.fstat(handle.fileno()).st_mode)
            if mode & 0o077:
                raise PermissionError(
                    f"{file} has mode {mode:04o}, so others can read the token: chmod 600 {file}"
                )
            return _checked(handle.read(), str(file))
    except FileNotFoundError:
        raise PermissionError(
            f"no X API token: set ${TOKEN_VARIABLE}, or write the bearer token to {file} with mode 0600"
        ) from None


def _checked(token: str, where: str) -> str:
    token = token.strip()
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError(
            f"{where}: expected a bearer token on one line, found {len(token)} other characters"
        )
    return token


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
        self.base_url, self.dialect = _safe_url(base_url), dialect
        self.search_pace, self.attempts, self.patience, self._sleep = (
            search_pace,
            attempts,
            patience,
            sleep,
        )
        self._token = _checked(token, "token")
        self._not_before: dict[str, float] = {}
        self._timeout, self._deadline = timeout, deadline
        self._http = self._connect()

    def _connect(self) -> httpx.Client:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "User-Agent": "twigma",
            "Accept-Encoding": "gzip",
        }
        return httpx.Client(
            base_url=self.base_url,
            headers=headers,
            timeout=self._timeout,
            trust_env=False,
        )

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
        return self._get(LOOKUP, {"ids": ",".join(ids), **self._fields(followers)})

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
        return self._get(SEARCH, params | self._fields(followers), self.search_pace)

    def _fields(self, followers: bool) -> dict[str, str]:
        fields = dict(FIELDS[self.dialect])
        if followers:
            fields |= {
                "expansions": fields["expansions"] + ",author_id",
                "user.fields": "id,public_metrics",
            }
        return fields

    # -------------------------------------------------------------- one call

    def _get(
        self, path: str, params: dict[str, str], pace: float = 0.0
    ) -> dict[str, Any]:
        """Ask until there is a page, a refusal, or no budget left."""
        waited, unexplained, problem = 0.0, 0, ""
        for attempt in range(self.attempts):
            self._wait_for_turn(path, pace)
            started = time.monotonic()
            try:
                response, text = within(
                    self._deadline, lambda: self._ask(path, params), "X API"
                )
            except TooSlow as error:
                self.close()  # which ends the thread that waits for the rest
                self._http = self._connect()
                waited, status, problem, pause = (
                    waited + time.monotonic() - started,
                    0,
                    str(error),
                    0.0,
                )
            except (httpx.RequestError, ValueError, zlib.error) as error:
                status, problem, pause = (
                    0,
                    f"{type(error).__name__}: {self._scrub(str(error))}",
                    0.0,
                )
            else:
                page = self._page(response, text)
                if page is not None:
                    return page
                status, problem = (
                    response.status_code,
                    f"HTTP {response.status_code} without a page",
                )
                pause = _seconds(response.headers.get("retry-after"))
            if status == 429:
                if self._not_before[path] > time.monotonic() + pace:
                    continue  # the next turn comes after the reset
                unexplained += 1
                pause = max(pause, PLAIN_WAIT)
            else:
                pause = max(
                    pause, random.uniform(0, min(60, 2**attempt))
                )  # full jitter
            waited += pause
            if unexplained > UNEXPLAINED or waited > self.patience:
                break
            self._pause(pause)
        raise ApiError(
            f"X API: no page from {path} in {attempt + 1} tries, last {problem}; what was bought is stored, run again",
            status,
            "RetriesExhausted",
        )

    def _ask(self, path: str, params: dict[str, str]) -> tuple[httpx.Response, str]:
        """One answer and its text, without the token; ValueError where it is larger than any page."""
        with self._http.stream("GET", path, params=params) as response:
            encoding = response.headers.get("content-encoding", "")
            text = read_answer(
                response.iter_raw(), encoding, "X API", seconds=self._deadline
            ).decode("utf-8", "replace")
        return response, text if response.status_code == 200 and len(
            self._token
        ) < SECRET else self._scrub(text)

    def _wait_for_turn(self, path: str, pace: float) -> None:
        pause = self._not_before.get(path, 0.0) - time.monotonic()
        if pause > 0:
            self._pause(pause)
        self._not_before[path] = time.monotonic() + pace

    def _pause(self, seconds: float) -> None:
        if seconds >= TOLD_WAIT:
            logging.getLogger(__name__).warning(
                "X API: waiting %.0f s, as it asks", seconds
            )
        self._sleep(seconds)

    def _page(self, response: httpx.Response, text: str) -> dict[str, Any] | None:
        """The page, or None where the call may be tried again; raises where it may not."""
        self._heed_limits(response)
        status = response.status_code
        if status == 200:
            page = _json(text)
            return page if isinstance(page, dict) else None
        reason = _stop_reason(status, text)
        if reason is None and (status == 429 or status >= 500):
            return None
        raise self._refusal(status, reason, text)

    def _heed_limits(self, response: httpx.Response) -> None:
        """When nothing remains, put the next turn after the reset: by the server's clock, on our monotonic one."""
        headers, path = response.headers, response.request.url.path
        if (
            headers.get("x-rate-limit-remaining") == "0"
            and headers.get("x-rate-limit-reset", "").isascii()
        ):
            pause = _seconds(headers.get("x-rate-limit-reset")) - _server_time(headers)
            pause = min(max(pause, 0.0) + RESET_MARGIN, LONGEST_WAIT)
            self._not_before[path] = max(
                self._not_before.get(path, 0.0), time.monotonic() + pause
            )

    def _refusal(self, status: int, reason: str | None, text: str) -> Exception:
        body = _json(text)
        detail = (
            str(body.get("detail") or body.get("title") or "")
            if isinstance(body, dict)
            else text
        )
        detail = detail[:300]
        if status == 401:
            return PermissionError(
                f"X API: {self.base_url} refused the token (HTTP 401): check {TOKEN_VARIABLE}"
            )
        if reason is not None:
            sentence = f"X API: stopped, {reason} (HTTP {status}): {detail}. What was bought is stored"
            return ApiError(
                f"{sentence}; run the same command again once the account allows it",
                status,
                reason,
            )
        return ApiError(
            f"X API: refused the call (HTTP {status}): {detail}",
            status,
            f"HTTP {status}",
        )

    def _scrub(self, text: str) -> str:
        return text.replace(self._token, "***")


def _safe_url(url: str) -> str:
    """The URL, unless it would send the token in the clear across a network."""
    parts = httpx.URL(url)
    if parts.scheme != "https" and not (
        parts.scheme == "http" and parts.host in ("127.0.0.1", "::1", "localhost")
    ):
        raise ValueError(
            f"expected an https URL for the X API, or http on this machine, found {url!r}"
        )
    return url.rstrip("/")


def _stop_reason(status: int, text: str) -> str | None:
    for statuses, marks, reason in STOPS:
        if status in statuses and any(mark in text for mark in marks):
            return reason
    return None


def _json(text: str) -> Any:
    try:
        return load_json(text)
    except (ValueError, RecursionError):
        return None


def _seconds(value: str | None) -> float:
    return float(value) if value and re.fullmatch(r"[0-9]{1,12}", value) else 0.0


def _server_time(headers: Mapping[str, str]) -> float:
    """The server's clock in seconds since 1970; ours where it sends no Date."""
    try:
        return email.utils.parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()
