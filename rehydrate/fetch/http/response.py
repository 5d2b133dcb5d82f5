"""What an answer over HTTP means: its class (`failure_classes.py`), opt-outs, and the pauses that hosts ask for."""

import email.utils
import re
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
from yarl import URL

ROBOT = "twigma"
# The rules of X-Robots-Tag that keep an image out: img2dataset's default list.
OPT_OUT = frozenset({"noai", "noimageai", "noindex", "noimageindex"})
DEFAULT_PAUSE = 5.0  # seconds, when a host says 429 and not for how long
_REDIRECTS = (301, 302, 303, 307, 308)
_NAMED = (401, 403, 404, 408, 410, 425, 429, 451)  # codes with a status of their own
_RULES_WITH_VALUE = frozenset(
    {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}
)


@dataclass(frozen=True)
class Outcome:
    """How one request ended: `success` with bytes, or the class of failure with a sentence."""

    status: str
    error: str | None = None
    data: bytes = b""
    pause: float | None = None  # seconds the host asked everyone to wait
    final: bool = False  # not worth another try in this run


def refusal(response: aiohttp.ClientResponse) -> Outcome | None:
    """What the status line and headers already decide; None when the body is wanted.

    A redirect has the status `redirect`, and the next address in the place of a sentence.
    """
    code = response.status
    if code in _REDIRECTS and "Location" in response.headers:
        target = response.url.join(URL(response.headers["Location"]))
        return Outcome("redirect", str(target))
    if code != 200:
        pause = _retry_after(response) if code in (429, 503) else None
        return Outcome(_status_of(code), f"HTTP {code}", pause=pause)
    rules = opted_out(response.headers.getall("X-Robots-Tag", []))
    if rules:
        return Outcome("noai", f"X-Robots-Tag says {rules}")
    return None


def _status_of(code: int) -> str:
    if code in _NAMED:
        return f"http_{code}"
    if code >= 500:
        return "http_5xx"
    return "http_4xx"


def opted_out(values: Sequence[str]) -> str | None:
    """The first X-Robots-Tag value that forbids use by this robot or by all; a value for another robot is not ours."""
    for value in values:
        if _is_for_other_robot(value):
            continue
        rules = set(re.split(r"[\s,:]+", value.lower()))
        if OPT_OUT & rules:
            return value
    return None


def _is_for_other_robot(value: str) -> bool:
    """Whether a value begins with the name of a robot that is not this one, as in `otherbot: noindex`."""
    before, colon, _ = value.partition(":")
    name = before.strip().lower()
    if not colon or "," in name or name in _RULES_WITH_VALUE:
        return False
    return name not in (ROBOT, "*")


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds to pause, a date being counted from the server's own Date; None when a 503 has no Retry-After."""
    value = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        now = email.utils.parsedate_to_datetime(response.headers["Date"])
        end = email.utils.parsedate_to_datetime(value)
        return max(0.0, (end - now).total_seconds())
    except (KeyError, ValueError, TypeError):
        return DEFAULT_PAUSE if response.status == 429 else None
