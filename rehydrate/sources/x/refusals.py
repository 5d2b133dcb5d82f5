"""Answers of the X API that are no page: which of them end a run, and the error each becomes."""

from typing import Any

from twigma.core.safety.bounded import load_json
from twigma.core.services.outcomes import Answer
from twigma.rehydrate.posts.page_content import dicts
from twigma.rehydrate.sources.x.bearer_token import TOKEN_VARIABLE

# What marks an answer after which another call only costs: statuses, marks in the body, reason.
STOPS = (
    ((429, 403), ("UsageCapExceeded", "usage-capped"), "UsageCapExceeded"),
    ((403, 429), ("SpendCapReached", "problems/credits"), "SpendCapReached"),
    ((402,), ("",), "CreditsDepleted"),
)


class ApiError(RuntimeError):
    """X sent no page: `status` (0 when no answer came) and `reason`, such as UsageCapExceeded."""

    def __init__(self, sentence: str, status: int, reason: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.reason = reason


def stop_reason(status: int, text: str) -> str | None:
    """Why another call only costs, such as UsageCapExceeded; None where a call may still be answered."""
    for statuses, marks, reason in STOPS:
        if status in statuses and any(mark in text for mark in marks):
            return reason
    return None


def refusal(base_url: str, answer: Answer) -> Exception:
    """The error of an answer that no retry would change: PermissionError for the token, ApiError for the rest."""
    status = answer.status
    detail = _detail(answer.text)
    if status == 401:
        return PermissionError(
            f"X API: {base_url} refused the token (HTTP 401): check {TOKEN_VARIABLE}. The pages received are stored; "
            "run the same command again with a valid token to resume"
        )
    if 300 <= status < 400:
        target = answer.headers.get("location", "an unnamed address")
        return ApiError(
            f"X API: {base_url} redirects to {target[:200]} (HTTP {status}), which is not followed: "
            "is a proxy or a login page in between?",
            status,
            f"HTTP {status}",
        )
    reason = stop_reason(status, answer.text)
    if reason is not None:
        return ApiError(
            f"X API: stopped, {reason} (HTTP {status}): {detail}. The pages received are stored; "
            "run the same command again once the account allows it",
            status,
            reason,
        )
    return ApiError(
        f"X API: refused the call (HTTP {status}): {detail}", status, f"HTTP {status}"
    )


def _detail(text: str) -> str:
    """What the service writes of its refusal, at most 300 characters; an HTML page as it came."""
    body = parse_json(text)
    if not isinstance(body, dict):
        return text[:300]
    return str(body.get("detail") or body.get("title") or "")[:300]


def describe_errors(page: dict[str, Any]) -> str:
    """What an answer names as its first error, in brackets; empty where it names none."""
    for error in dicts(page.get("errors")):
        text = error.get("detail") or error.get("title") or error.get("message")
        if text:
            return f" ({str(text)[:200]})"
    return ""


def parse_json(text: str) -> Any:
    """The JSON value of an answer; None where it is none, as an HTML error page."""
    try:
        return load_json(text)
    except (ValueError, RecursionError):
        return None
