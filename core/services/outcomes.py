"""What one try of a call to a service came to: an answer of any status, or a failure without one."""

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twigma.core.safety.bounded import load_json

NO_CONTENT, TOO_MANY_REQUESTS = 204, 429


@dataclass(frozen=True)
class Answer:
    """What a service answered: the body as text, without the token."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    text: str
    url: str

    @property
    def retry_after(self) -> float:
        """Seconds that the service asks to wait, counted from its own clock to a date; 0 where it names none."""
        value = self.headers.get("retry-after", "").strip()
        if value.isdigit():
            return seconds_of(value)
        try:
            now = email.utils.parsedate_to_datetime(self.headers.get("date", ""))
            until = email.utils.parsedate_to_datetime(value)
            return max(0.0, (until - now).total_seconds())
        except (ValueError, TypeError):
            return 0.0

    @property
    def problem(self) -> str:
        """The status, for a message."""
        return f"HTTP {self.status}"

    def json(self) -> Any:
        """The body as JSON; OSError where it is something else, as the page of a proxy or of a login is.

        {} where the status says that there is no body.
        """
        if self.status == NO_CONTENT:
            return {}
        try:
            return load_json(self.text)
        except (ValueError, RecursionError):
            kind = self.headers.get("content-type", "no type").partition(";")[0]
            raise OSError(
                f"{self.url} answers with {kind[:60]} instead of JSON "
                f"({self.text[:60]!r}): is a proxy or a login page in between? Try again later"
            ) from None

    def refuse_errors(self) -> None:
        """OSError unless the status says success: of what kind, and what to do.

        PermissionError for 401 and 403, FileNotFoundError for 404 and 410.
        """
        if 300 <= self.status < 400:
            target = self.headers.get("location", "an unnamed address")
            raise OSError(
                f"{self.url} redirects to {target[:200]} (HTTP {self.status}), which is not followed"
            )
        if self.status < 400:
            return
        status = f"HTTP {self.status}{self.detail()}"
        if self.status in (401, 403):
            raise PermissionError(f"{self.url} refuses access ({status})")
        if self.status in (404, 410):
            raise FileNotFoundError(f"{self.url} does not exist ({status})")
        if self.status == TOO_MANY_REQUESTS:
            raise OSError(
                f"{self.url} limits the number of calls ({status}): {self._when()}"
            )
        if self.status >= 500:
            raise OSError(f"{self.url} is out of order ({status}): run again later")
        raise OSError(f"{self.url} refuses the call ({status})")

    def _when(self) -> str:
        """When to call again."""
        if not self.retry_after:
            return "run again later"
        return f"run again in {self.retry_after:,.0f} s"

    def detail(self) -> str:
        """What the service says of an error, for a message: nothing of a page of HTML."""
        kind = self.headers.get("content-type", "")
        if not self.text or "html" in kind:
            return ""
        try:
            body = load_json(self.text)
        except (ValueError, RecursionError):
            body = None
        detail = None
        if isinstance(body, dict):
            detail = f"{body.get('message') or ''}{_fields(body.get('errors'))}"
        one_line = " ".join((detail or self.text).split())
        return f": {one_line[:300]}"


@dataclass(frozen=True)
class Failure:
    """A try without an answer: why, the seconds lost on an answer that was too slow, whether the call was sent."""

    problem: str
    seconds: float = 0.0
    sent: bool = True


def seconds_of(header: str | None) -> float:
    """The whole seconds that a header holds; 0 where it holds none."""
    if header is None or not re.fullmatch(r"[0-9]{1,12}", header):
        return 0.0
    return float(header)


def _fields(errors: Any) -> str:
    """The fields that an answer names as wrong, each with its reasons."""
    if not isinstance(errors, list):
        return ""
    parts = []
    for error in errors:
        if isinstance(error, dict):
            parts.append(f" {error.get('field')}: {error.get('messages')}")
    return "".join(parts)
