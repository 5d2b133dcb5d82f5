"""One client for the HTTP services we ask: the X API and Zenodo; downloads of files are in `download.py`.

Every answer is of bounded size and time, is JSON or refused in a sentence, and comes from an address that may be asked:
redirects are followed only where a service uses them, and never with the token to another host. One retry policy
decides how long a call waits and when it gives up. The token appears in no answer, error or repr.
"""

import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import httpx2

from twigma.core.services.backoff import PATIENT, BackoffPolicy, Retries, may_retry
from twigma.core.services.deadline import ANSWER_SECONDS, TooSlow, read_answer, within
from twigma.core.services.outcomes import Answer, Failure
from twigma.core.services.user_agent import USER_AGENT

READ_TIMEOUT = 60.0  # seconds without a byte
MOST_REDIRECTS = 5
READING = ("GET", "HEAD")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
SHORTEST_SECRET = 16  # characters; a shorter token is a test's, and may be a plain word


# ------------------------------------------------------------------ the client


class ServiceClient:
    """Calls to one service, one at a time. Use as a context manager, or close it.

    `service` is its name in messages. `timeout` is for one read, `deadline` for a whole answer, in seconds. The proxy
    that the environment names (HTTPS_PROXY) is used, except for this machine.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        token: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        timeout: float = READ_TIMEOUT,
        deadline: float = ANSWER_SECONDS,
        policy: BackoffPolicy = PATIENT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.service = service
        self.base_url = require_safe_url(base_url, service, secret=bool(token))
        self.policy = policy
        self.deadline = deadline
        self._token = token
        self._headers = dict(headers or {})
        self._follow_redirects = follow_redirects
        self._timeout = timeout
        self._sleep = sleep
        self._http = self._connect()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.service!r}, {self.base_url!r})"

    def __enter__(self) -> "ServiceClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def pause(self, seconds: float) -> None:
        """Wait between two calls."""
        self._sleep(seconds)

    def _connect(self) -> httpx2.Client:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": USER_AGENT,
            **self._headers,
        }
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return httpx2.Client(
            base_url=self.base_url,
            headers=headers,
            timeout=self._timeout,
            # A proxy sees no token: only https goes through one, as a tunnel, and nothing that is on this machine.
            trust_env=httpx2.URL(self.base_url).host not in LOOPBACK,
        )

    def get_json(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """What a GET answers, as JSON; OSError when the service does not answer, refuses, or sends something else."""
        answer = self.call("GET", path, params=params)
        answer.refuse_errors()
        return answer.json()

    def call(self, method: str, path: str, **request: Any) -> Answer:
        """One call with retries; the last answer, whatever its status. OSError when there was none.

        `request` is what `try_once` takes.
        """
        retries = Retries(self.policy)
        outcome: Answer | Failure = Failure("no try was allowed")
        while retries.start():
            outcome = self.try_once(method, path, **request)
            if not may_retry(method, outcome):
                break
            wait = retries.wait_after(outcome)
            if wait is None:
                break
            self.pause(wait)
        if isinstance(outcome, Answer):
            return outcome
        raise OSError(
            f"no usable answer from {self.service} ({outcome.problem}); run again to resume"
        )

    def try_once(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        content: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Answer | Failure:
        """One try, over after `seconds` (the client's deadline); an answer of any status, or why there is none."""
        request = self._http.build_request(
            method, path, params=params, json=json, content=content, headers=headers
        )
        deadline = self.deadline if seconds is None else seconds
        started = time.monotonic()
        try:
            return within(deadline, lambda: self._read(request, deadline), self.service)
        except TooSlow as error:
            self.close()  # which ends the thread that waits for the rest
            self._http = self._connect()
            return Failure(str(error), seconds=time.monotonic() - started)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            return Failure(self._describe(error), sent=False)
        except (httpx2.HTTPError, ValueError, zlib.error) as error:
            return Failure(self._describe(error))

    def _read(self, request: httpx2.Request, deadline: float) -> Answer:
        """Send a request and read its answer; ValueError where it is larger than any of the service's."""
        response = send(self._http, request, follow_redirects=self._follow_redirects)
        try:
            body = read_answer(
                response.iter_raw(),
                response.headers.get("content-encoding", ""),
                self.service,
                seconds=deadline,
            )
        finally:
            response.close()
        text = body.decode("utf-8-sig", "replace")  # some proxies add a mark
        # A page of results is data: a token as short as a word would blot it out.
        if response.status_code != 200 or len(self._token) >= SHORTEST_SECRET:
            text = self._scrub(text)
        url = str(response.request.url.copy_with(query=None))
        headers = httpx2.Headers(
            [
                (name, self._scrub(value))
                for name, value in response.headers.multi_items()
            ]
        )
        return Answer(response.status_code, headers, text, url)

    def _describe(self, error: Exception) -> str:
        return f"{type(error).__name__}: {self._scrub(str(error))}"

    def _scrub(self, text: str) -> str:
        return text.replace(self._token, "***") if self._token else text


# ------------------------------------------------------------------ sending


def send(
    client: httpx2.Client, request: httpx2.Request, *, follow_redirects: bool
) -> httpx2.Response:
    """The response to a request, its body still to be read; the caller closes it.

    Redirects are followed here, and not by `httpx2`, which would read their bodies whole. It has the rule, though, by
    which a redirect to another host loses its Authorization. ValueError where one leads from https to http. Only what
    reads is redirected: a POST would become a GET, whose success says nothing of what was to be done.
    """
    for _ in range(MOST_REDIRECTS + 1):
        response = client.send(request, stream=True, follow_redirects=False)
        following = response.next_request
        if following is None or not follow_redirects or request.method not in READING:
            return response
        response.close()
        if request.url.scheme == "https" and following.url.scheme != "https":
            raise ValueError(
                f"{request.url.host} redirects to {following.url.host} without https"
            )
        request = following
    raise ValueError(f"{request.url.host} redirects more than {MOST_REDIRECTS} times")


def require_safe_url(url: str, service: str, *, secret: bool) -> str:
    """The URL without a slash at its end; ValueError where it is none, or would send a token in the clear."""
    parts = httpx2.URL(url)
    if parts.scheme not in ("https", "http"):
        raise ValueError(f"expected an http(s) address of {service}, found {url!r}")
    if secret and parts.scheme != "https" and parts.host not in LOOPBACK:
        raise ValueError(
            f"expected an https URL for {service}, or http on this machine, found {url!r}"
        )
    return url.rstrip("/")
