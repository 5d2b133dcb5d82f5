"""Calls to Zenodo that end in what was asked for, or in a sentence that says why not.

Zenodo limits its calls a minute and answers 429 beyond, which is waited out. It may also answer 504 to what it has
done: nothing that a second time would double is repeated before a look at what is there. The token is in no error.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from twigma.core.progress import ProgressBar
from twigma.core.services.backoff import BackoffPolicy, Retries
from twigma.core.services.deadline import ANSWER_SECONDS, LEAST_SPEED
from twigma.core.services.http import ServiceClient
from twigma.core.services.outcomes import TOO_MANY_REQUESTS, Answer, Failure

TOKEN_VARIABLE = "ZENODO_TOKEN"
RETRY = BackoffPolicy()
BLOCK = 1 << 20  # bytes sent at a time
# The metadata as they are stored; `application/json` gives those of Zenodo's old API.
JSON_TYPE = "application/vnd.inveniordm.v1+json"

Record = dict[str, Any]  # a record, draft or file, as the API describes it


class Calls:
    """A connection to a server that speaks the API of Zenodo (InvenioRDM).

    Its methods raise PermissionError when the token is refused, FileNotFoundError where nothing is at a path, and
    OSError for any other refusal or where nothing usable answers.
    """

    def __init__(self, url: str, token: str) -> None:
        self.http = ServiceClient(
            "Zenodo",
            f"{url.rstrip('/')}/api",
            token,
            headers={"Accept": JSON_TYPE},
            policy=RETRY,
        )

    def call(self, method: str, path: str, body: Any = None) -> Record:
        """A call that may be repeated, with retries."""
        return _record(self.http.call(method, path, json=body))

    def find(self, path: str) -> Record | None:
        """What is at a path; None where there is nothing."""
        try:
            return self.call("GET", path)
        except FileNotFoundError:
            return None

    def post_once(
        self, path: str, body: Any, look: Callable[[], Record | None]
    ) -> Record:
        """A POST that is not to have its effect twice.

        After an error that leaves open whether it was done, `look` returns what it was to make where that is there;
        else it is repeated.
        """
        retries = Retries(RETRY)
        outcome: Answer | Failure = Failure("no try was allowed")
        unclear = False
        while retries.start():
            outcome = self.http.try_once("POST", path, json=body)
            if isinstance(outcome, Answer) and outcome.status < 400:
                return _record(outcome)
            unclear = unclear or _may_be_done(outcome)
            wait = None
            if _is_temporary(outcome):
                wait = retries.wait_after(outcome)
            if wait is not None:
                self.http.pause(wait)
            if unclear:
                done = look()
                if done is not None:
                    return done
            if wait is None:
                break
        return _record(outcome)

    def put_file(self, path: str, name: str, file: Path, bar: ProgressBar) -> str:
        """Send the bytes of a file; OSError where not all of them left.

        "", or the problem that leaves open whether they have all arrived.
        """
        size = file.stat().st_size
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
        }
        retries = Retries(RETRY)
        while retries.start():
            content = Content(file, bar)
            outcome = self.http.try_once(
                "PUT",
                path,
                content=content,
                headers=headers,
                seconds=ANSWER_SECONDS + size / LEAST_SPEED,
            )
            if _may_be_done(outcome) and content.sent == size:
                return outcome.problem
            if isinstance(outcome, Failure):
                break  # the next run sends the file again
            wait = None
            if outcome.status == TOO_MANY_REQUESTS:
                wait = retries.wait_after(outcome)
            if wait is None:
                refuse_errors(outcome)
                return ""
            bar.update(-content.sent)
            self.http.pause(wait)
        raise not_sent(name, outcome.problem)


def not_sent(name: str, problem: str) -> OSError:
    """That a file did not arrive, and what to do."""
    return OSError(f"{name} was not sent to Zenodo ({problem}); run again to resume")


class Content:
    """The bytes of a file, in blocks; `sent` counts those that have left."""

    def __init__(self, file: Path, bar: ProgressBar) -> None:
        self._file = file
        self._bar = bar
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        with self._file.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
                self.sent += len(block)
                self._bar.update(len(block))


def _is_temporary(outcome: Answer | Failure) -> bool:
    """Whether the same call may succeed later."""
    if isinstance(outcome, Failure):
        return True
    return outcome.status == TOO_MANY_REQUESTS or outcome.status >= 500


def _may_be_done(outcome: Answer | Failure) -> bool:
    """Whether a call may have had its effect although its answer is an error, or is lost."""
    if isinstance(outcome, Failure):
        return outcome.sent
    return outcome.status >= 500


def _record(outcome: Answer | Failure) -> Record:
    """The object that an answer holds."""
    if isinstance(outcome, Failure):
        raise OSError(
            f"no usable answer from Zenodo ({outcome.problem}); run again to resume"
        )
    refuse_errors(outcome)
    value = outcome.json()
    if not isinstance(value, dict):
        raise OSError(
            f"{outcome.url} answers with {type(value).__name__} instead of an object: is it a Zenodo?"
        )
    return value


def refuse_errors(answer: Answer) -> None:
    """Raise what an answer refuses."""
    is_page = "html" in answer.headers.get("content-type", "")
    if answer.status in (401, 403) and not is_page:
        raise PermissionError(
            f"Zenodo refuses the token (HTTP {answer.status}{answer.detail()}): ${TOKEN_VARIABLE} needs the scopes "
            "deposit:write and deposit:actions, and must be of someone who may edit the record; zenodo.org and the "
            "sandbox have tokens of their own"
        )
    answer.refuse_errors()
