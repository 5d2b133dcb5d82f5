"""How often a call to a service is tried, and how long it waits in between; the clock and the call are the client's."""

import random
from dataclasses import dataclass

from twigma.core.services.outcomes import TOO_MANY_REQUESTS, Answer, Failure

LONGEST_BACKOFF = 60.0  # seconds
IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")
UNAVAILABLE = 503


@dataclass(frozen=True)
class BackoffPolicy:
    """How often a call is tried and how long it waits.

    `attempts` tries, `patience` seconds of waiting in all, at least `rate_limit_wait` seconds after a 429, and at most
    `rate_limit_waits` such waits.
    """

    attempts: int = 5
    patience: float = 300.0
    rate_limit_wait: float = 2.0
    rate_limit_waits: int = 4


PATIENT = BackoffPolicy()


class Retries:
    """The tries of one call under a policy: `while retries.start(): …; wait = retries.wait_after(outcome)`."""

    def __init__(self, policy: BackoffPolicy) -> None:
        self.policy = policy
        self.tries = 0
        self.waited = 0.0
        self.rate_limited = 0

    def start(self) -> bool:
        """Count one more try; False when all have been used."""
        if self.tries == self.policy.attempts:
            return False
        self.tries += 1
        return True

    def wait_after(self, outcome: Answer | Failure) -> float | None:
        """Seconds to wait before the next try; None when this call is given up."""
        # Full jitter: clients that failed together do not come back together.
        backoff = random.uniform(0, min(LONGEST_BACKOFF, 2 ** (self.tries - 1)))
        if isinstance(outcome, Failure):
            self.waited += outcome.seconds
            wait = backoff
        elif outcome.status == TOO_MANY_REQUESTS:
            self.rate_limited += 1
            wait = max(outcome.retry_after, self.policy.rate_limit_wait)
        else:
            wait = max(outcome.retry_after, backoff)
        self.waited += wait
        too_often = self.rate_limited > self.policy.rate_limit_waits
        too_long = self.waited > self.policy.patience
        if too_often or too_long or self.tries == self.policy.attempts:
            return None
        return wait


def may_retry(method: str, outcome: Answer | Failure) -> bool:
    """Whether a call may be tried again: not where the first try may have had an effect that a second would double."""
    if isinstance(outcome, Failure):
        return method in IDEMPOTENT or not outcome.sent
    if outcome.status in (TOO_MANY_REQUESTS, UNAVAILABLE):
        return True
    return outcome.status >= 500 and method in IDEMPOTENT
