"""Calls to the Hub that end: tried again where that is safe, and refused in a sentence that says what to do.

The Hub's own client tries only some calls again. Here every call is; one that changes something is tried again only
after a look at whether the first try, whose answer was lost, has changed it already. Used by `twigma publish hub` and
`twigma reference add`.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError
from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

from twigma.core.services.backoff import BackoffPolicy, Retries
from twigma.core.services.deadline import ANSWER_SECONDS, TooSlow, within
from twigma.core.services.outcomes import Answer, Failure
from twigma.core.services.user_agent import HUB_LIBRARY

T = TypeVar("T")

RETRY = BackoffPolicy()
TRANSIENT = (408, 429, 500, 502, 503, 504)
FAILURES = (httpx2.HTTPError, TooSlow, json.JSONDecodeError, KeyError, TypeError)
NOT_OURS = (json.JSONDecodeError, KeyError, TypeError)  # an answer of another shape

Sentence = tuple[type[Exception], str]
# What the user of a refused call reads, by status.
SENTENCES: Mapping[int, Sentence] = {
    401: (
        PermissionError,
        "the Hub does not accept the token for {repo} ({answer}): `hf auth login` with a valid one, or set HF_TOKEN",
    ),
    403: (
        PermissionError,
        "this token may not do that with {repo} ({answer}): use one with the role `write`, of somebody who may write "
        "in {namespace}",
    ),
    404: (
        FileNotFoundError,
        "{repo} is not on the Hub, or lacks what was asked for, or this token may not see it ({answer}): check the "
        "name and `hf auth whoami`",
    ),
    409: (
        RuntimeError,
        "{repo} is in another state than expected ({answer}): somebody else may be changing it; look at it, then run "
        "again",
    ),
    412: (
        RuntimeError,
        "{repo} was changed meanwhile ({answer}): look at it, then run again",
    ),
    429: (
        OSError,
        "the Hub limits how often it may be asked, and waiting did not help ({answer}): run again in some minutes to "
        "resume",
    ),
}
TROUBLE: Sentence = (
    OSError,
    "the Hub is in trouble ({answer}, about {repo}): nothing is wrong on this side; run again later to resume",
)
OTHER: Sentence = (OSError, "the Hub refuses what was asked of {repo} ({answer})")


def hub_api(endpoint: str | None = None, token: str | None = None) -> HfApi:
    """The Hub's client under our name; `token` is another one than that of `hf auth login` or $HF_TOKEN."""
    return HfApi(endpoint=endpoint, token=token, **HUB_LIBRARY)


def retried(
    call: Callable[[], T], what: str, seconds: float | None = ANSWER_SECONDS
) -> T:
    """What a call that changes nothing returns, after more than one try if need be; the last error as it is."""
    retries = Retries(RETRY)
    while True:
        retries.start()
        try:
            return _limited(call, seconds, f"the Hub, about {what}")
        except FAILURES as error:
            wait = _wait(retries, error)
            if wait is None:
                raise
            time.sleep(wait)


class Calls:
    """The calls about one repository, NAMESPACE/NAME."""

    def __init__(self, repo: str) -> None:
        self.repo = repo

    def read(self, call: Callable[[], T], seconds: float | None = ANSWER_SECONDS) -> T:
        """What a call that changes nothing returns; a try may take so many seconds.

        PermissionError where the token is refused, FileNotFoundError where there is nothing, RuntimeError where
        somebody else has changed it, OSError for any other failure.
        """
        try:
            return retried(call, self.repo, seconds)
        except FAILURES as error:
            raise refusal(self.repo, error) from None

    def write(
        self,
        what: str,
        call: Callable[[], object],
        is_done: Callable[[], bool],
        seconds: float | None = ANSWER_SECONDS,
    ) -> None:
        """Make a change, with at most `seconds` for a try, and look that it is there; errors as of `read`.

        A try that failed, as by a 504, may have made the change all the same: `is_done` looks before the next one.
        """
        retries = Retries(RETRY)
        while True:
            retries.start()
            try:
                _limited(call, seconds, f"the Hub, to {what}")
                break
            except FAILURES as error:
                if retries.tries > 1 and is_done():
                    return
                wait = _wait(retries, error)
                if wait is None:
                    raise refusal(self.repo, error) from None
            time.sleep(wait)
            if is_done():
                return
        # A page of a proxy, or a redirect that turned the call into a plain GET, looks like success.
        if not is_done():
            raise OSError(
                f"the Hub answers as if it were done, but does not show it ({what}, {self.repo}): "
                "is a proxy or a login page in between? Run again later"
            )


def _wait(retries: Retries, error: Exception) -> float | None:
    """Seconds to wait before the next try; None where there is none, or where it could not help."""
    outcome = _outcome(error)
    return None if outcome is None else retries.wait_after(outcome)


def _limited(call: Callable[[], T], seconds: float | None, what: str) -> T:
    return call() if seconds is None else within(seconds, call, what)


def _outcome(error: Exception) -> Answer | Failure | None:
    """What a try came to; None where another one cannot help."""
    if isinstance(error, NOT_OURS):
        return None
    if not isinstance(error, HfHubHTTPError):
        return Failure(f"{type(error).__name__}: {error}")
    response = error.response
    if response.status_code not in TRANSIENT:
        return None
    headers = dict(response.headers)
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        headers["retry-after"] = str(limit.reset_in_seconds)
    return Answer(response.status_code, headers, "", str(response.url))


def refusal(repo: str, error: Exception) -> Exception:
    """The exception that tells the user of a failed call what happened and what to do."""
    if isinstance(error, HfHubHTTPError):
        return _of_status(repo, error)
    if isinstance(error, NOT_OURS):
        return OSError(
            f"what answers in the Hub's place about {repo} is not the Hub ({type(error).__name__}: {error}): "
            "is a proxy or a login page in between? Try again later"
        )
    if isinstance(error, TooSlow):
        return error
    return OSError(
        f"no connection to the Hub ({type(error).__name__}: {error}); run again to resume"
    )


def _of_status(repo: str, error: HfHubHTTPError) -> Exception:
    if isinstance(error, GatedRepoError):
        return PermissionError(
            f"{repo} is open to those who accept its terms: accept them on its page, then `hf auth login`"
        )
    status = error.response.status_code
    answer = f"HTTP {status}: {_message(error)}"
    general = TROUBLE if status >= 500 else OTHER
    kind, sentence = SENTENCES.get(status, general)
    namespace = repo.partition("/")[0]
    return kind(sentence.format(repo=repo, answer=answer, namespace=namespace))


def _message(error: HfHubHTTPError) -> str:
    """What the Hub says of an error, in one line; nothing of a page of HTML."""
    text = error.server_message or str(error)
    with suppress(IndexError):
        text = text.strip().splitlines()[0]
    return text[:300]
