"""Whether our numbers agree with the paper's: a rule for one claim, and the table of all; for `twigma analyze`.

The paper gives its numbers without the data, rounded, and where with an interval then one that takes images as
independent. So there are three verdicts, and the third is no failure:

- agrees: ours and the paper's differ by no more than rounding and the two 95% intervals together allow;
- differs: by more, even with the widest interval that the paper's own figures imply;
- not identifiable from this data: columns, sets or labels are missing; our interval holds both signs; or the two
  differ for the paper's naive interval alone, which is too narrow to say.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from twigma.analysis.inference.intervals import Z

AGREES, DIFFERS, UNKNOWN = "agrees", "differs", "not identifiable from this data"
LEVEL = 0.05  # of a test that decides on a sign
TOO_NARROW = (
    "the paper's interval takes images as independent and is too narrow to say: what its own figures or our authors "
    "imply is {wider:.0f} times as wide"
)
NO_INTERVAL = "the paper gives no interval; with the standard error that its own figures imply, the two can be equal"
NOT_GIVEN = "the figure does not give this number here"

Entry = Mapping[str, Any]
Scale = Callable[[float], float]  # on which numbers are compared: math.log or float
Verdict = tuple[str, str]  # AGREES, DIFFERS or UNKNOWN; and the reason
Kind = Literal["number", "ratio", "count", "positive", "negative", "unstated"]


@dataclass(frozen=True)
class Claim:
    """One number or direction of the paper, and where ours is.

    `kind` is how they are compared: "number"; "ratio", on the log scale; "count", exactly; "positive" or "negative",
    by the sign of ours; "unstated", not at all, for the reason `why`.
    """

    figure: str
    quantity: str
    stated: str  # as the paper writes it
    kind: Kind
    keys: tuple[str, ...] = ()  # of our number in the results; of two, their difference
    value: float = math.nan
    low: float | None = None
    high: float | None = None
    rounding: float = 0.0  # half a unit of the last digit the paper gives
    # What its own figures imply, on the log scale for a ratio; its interval may be narrower.
    se: float | None = None
    result: str = ""  # the figure of ours that gives it
    why: str = ""


@dataclass(frozen=True)
class Measured:
    """Our number with the interval that is compared."""

    value: float
    low: float
    high: float
    n: int | None
    wider: float = (
        1.0  # how many times as wide as an interval that takes images as independent
    )
    p: float | None = None  # of a test that gives no interval


def verdicts(
    claims: Iterable[Claim], values: Mapping[str, Entry], missing: Mapping[str, str]
) -> pd.DataFrame:
    """Every number the paper states beside ours.

    Parameters
    ----------
    claims : what the paper states.
    values : our numbers by key, as in results.json: value, and low and high where there is an interval.
    missing : by figure of ours that was not computed, what it is missing.

    Returns
    -------
    DataFrame (figure, quantity, stated, paper, paper_low, paper_high, ours, low, high, n, verdict, reason), one row a
    claim; numbers are NaN where there are none.
    """
    return pd.DataFrame([_row(claim, values, missing) for claim in claims])


def judge(claim: Claim, ours: Measured) -> Verdict:
    """The verdict on one claim, and the reason: how far apart, and what would be needed to say more.

    Numbers: with d the distance beyond rounding and h, H the halves of the two intervals that face each other, ours
    agrees if d² ≤ h² + H². Where that fails, H is made that of the paper's implied standard error, or as many times
    wider as ours is by author than by image: if d² ≤ h² + H² then, the data cannot tell.
    """
    if claim.kind == "count":
        return _by_count(claim, ours)
    if claim.kind in ("positive", "negative"):
        return _by_sign(claim, ours)
    return _by_interval(claim, ours)


def _by_count(claim: Claim, ours: Measured) -> Verdict:
    """Whether the two are equal."""
    if ours.value == claim.value:
        return AGREES, "equal"
    return DIFFERS, "another number of rows"


def _by_interval(claim: Claim, ours: Measured) -> Verdict:
    """Whether the two intervals allow the distance between the numbers."""
    if math.isnan(ours.low) or math.isnan(ours.high):
        return UNKNOWN, "ours has no interval"
    scale: Scale = math.log if claim.kind == "ratio" else float
    gap = _gap(claim, ours, scale)
    half = _our_half(claim, ours, scale)
    stated = _stated_half(claim, ours, scale)
    if gap <= math.hypot(half, stated):
        inside = "the paper's number is inside our interval"
        return AGREES, "within the intervals" if stated else inside
    implied = max(stated * ours.wider, Z * (claim.se or 0.0))
    if gap <= math.hypot(half, implied):
        if stated:
            return UNKNOWN, TOO_NARROW.format(wider=implied / stated)
        return UNKNOWN, NO_INTERVAL
    return DIFFERS, "by more than both intervals allow"


def _gap(claim: Claim, ours: Measured, scale: Scale) -> float:
    """How far ours is from every number that rounds to the paper's digits."""
    lowest, highest = claim.value - claim.rounding, claim.value + claim.rounding
    nearest = min(max(ours.value, lowest), highest)
    return abs(scale(ours.value) - scale(nearest))


def _our_half(claim: Claim, ours: Measured, scale: Scale) -> float:
    """The half of our interval that faces the paper's number."""
    limit = ours.low if ours.value > claim.value else ours.high
    return abs(scale(ours.value) - scale(limit))


def _stated_half(claim: Claim, ours: Measured, scale: Scale) -> float:
    """The half of the paper's interval that faces ours; 0 where it gives none."""
    limit = claim.high if ours.value > claim.value else claim.low
    if limit is None:
        return 0.0
    return abs(scale(limit) - scale(claim.value))


def _by_sign(claim: Claim, ours: Measured) -> Verdict:
    """Whether ours has the sign that the paper states, beyond chance."""
    if ours.p is not None:
        if not ours.p < LEVEL:
            return UNKNOWN, "our test finds no trend"
    elif not (ours.low > 0 or ours.high < 0):
        return UNKNOWN, "our interval holds both signs"
    positive = ours.value > 0
    if positive == (claim.kind == "positive"):
        return AGREES, "the same sign"
    return DIFFERS, "the other sign"


# ------------------------------------------------------------------ the table


def _row(
    claim: Claim, values: Mapping[str, Entry], missing: Mapping[str, str]
) -> dict[str, Any]:
    """One claim beside our number."""
    ours = _measured(claim, values)
    if claim.kind == "unstated":
        verdict, reason = UNKNOWN, claim.why
    elif ours is None or math.isnan(ours.value):
        verdict, reason = UNKNOWN, missing.get(claim.result, NOT_GIVEN)
    else:
        verdict, reason = judge(claim, ours)
    shown = ours or Measured(math.nan, math.nan, math.nan, None)
    return {
        "figure": claim.figure,
        "quantity": claim.quantity,
        "stated": claim.stated,
        "paper": claim.value,
        "paper_low": _number(claim.low),
        "paper_high": _number(claim.high),
        "ours": shown.value,
        "low": shown.low,
        "high": shown.high,
        "n": shown.n,
        "verdict": verdict,
        "reason": reason,
    }


def _measured(claim: Claim, values: Mapping[str, Entry]) -> Measured | None:
    """Our number for a claim; None where the results lack one of its keys."""
    numbers = []
    for key in claim.keys:
        entry = values.get(key, {})
        if entry.get("value") is not None:
            numbers.append(_one(entry))
    if not numbers or len(numbers) < len(claim.keys):
        return None
    return numbers[0] if len(numbers) == 1 else _difference(numbers)


def _difference(numbers: Sequence[Measured]) -> Measured:
    """The first number less the second, as if the two were independent."""
    first, second = numbers
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    counts = [number.n for number in numbers if number.n is not None]
    n = min(counts, default=None)
    return Measured(value, value - below, value + above, n)


def _one(entry: Entry) -> Measured:
    """Our number with its honest interval, or the p-value of its test."""
    value, n = float(entry["value"]), entry.get("n")
    low, high = _number(entry.get("low")), _number(entry.get("high"))
    robust_low = _number(entry.get("robust_low"))
    if not math.isnan(robust_low):
        naive = value - low
        wider = (value - robust_low) / naive if naive > 0 else 1.0
        robust_high = _number(entry.get("robust_high"))
        return Measured(value, robust_low, robust_high, n, max(1.0, wider))
    p = entry.get("p_adjusted") if math.isnan(low) else None
    return Measured(value, low, high, n, p=p)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
