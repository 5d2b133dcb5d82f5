"""What one try of a call to a service came to: an answer of any status, or a failure without one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twigma.core.safety.bounded import load_json


@dataclass(frozen=True)
class Answer:
    """What a service answered: the body as text, without the token."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    text: str
    url: str

    @property
    def retry_after(self) -> float:
        """Seconds that the service asks to wait; 0 where it names none."""
        return seconds_of(self.headers.get("retry-after"))

    @property
    def problem(self) -> str:
        """The status, for a message."""
        return f"HTTP {self.status}"

    def json(self) -> Any:
        """The body as JSON; OSError where it is something else, as the page of a proxy or of a login is."""
        if not self.text:
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
        """OSError unless the status says success."""
        if 300 <= self.status < 400:
            target = self.headers.get("location", "an unnamed address")
            raise OSError(
                f"{self.url} redirects to {target[:200]} (HTTP {self.status}), which is not followed"
            )
        if self.status >= 400:
            raise OSError(f"{self.url} answers HTTP {self.status}{self._detail()}")

    def _detail(self) -> str:
        """What the service says of an error, for a message: nothing of a page of HTML."""
        kind = self.headers.get("content-type", "")
        if not self.text or "html" in kind:
            return ""
        try:
            body = load_json(self.text)
        except (ValueError, RecursionError):
            body = None
        detail = body.get("message") if isinstance(body, dict) else None
        one_line = " ".join(str(detail or self.text).split())
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
