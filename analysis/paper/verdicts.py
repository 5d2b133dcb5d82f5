"""Whether our numbers agree with the paper's: a rule for one claim, and the table of all; for `twigma analyze`.

The paper gives its numbers without the data, rounded, and where with an interval then one that takes images as
independent. So there are three verdicts, and the third is no failure:

- agrees: ours and the paper's differ by no more than rounding and the two 95% intervals together allow;
- differs: by more, even with the widest interval that the paper's own figures imply;
- not identifiable from this data: columns, sets or labels are missing; our interval holds both signs; or the two
  differ for the paper's naive interval alone, which is too narrow to say.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

AGREES, DIFFERS, UNKNOWN = "agrees", "differs", "not identifiable from this data"
LEVEL = 0.05
Z = 1.959963984540054

Entry = Mapping[str, Any]
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
    se: float | None = (
        None  # what its own figures imply, on the log scale for a ratio; its interval may be narrower
    )
    result: str = ""  # the figure of ours that gives it
    why: str = ""


@dataclass(frozen=True)
class Measured:
    """Our number with the interval that is compared, and how many times as wide as the paper's way of it that is."""

    value: float
    low: float
    high: float
    n: int | None
    wider: float = 1.0
    p: float | None = None  # of a test that gives no interval


def verdicts(
    claims: Iterable[Claim], values: Mapping[str, Entry], lacking: Mapping[str, str]
) -> pd.DataFrame:
    """Every number the paper states beside ours.

    Parameters
    ----------
    claims : what the paper states.
    values : our numbers by key, as in results.json: value, and low and high where there is an interval.
    lacking : by figure of ours that was not computed, what it lacks.

    Returns
    -------
    DataFrame (figure, quantity, stated, paper, paper_low, paper_high, ours, low, high, n, verdict, reason), one row a
    claim; numbers are NaN where there are none.
    """
    return pd.DataFrame([_row(claim, values, lacking) for claim in claims])


def judge(claim: Claim, ours: Measured) -> tuple[str, str]:
    """The verdict on one claim, and the reason: how far apart, and what would be needed to say more.

    Numbers: with d the distance beyond rounding and h, H the halves of the two intervals that face each other, ours
    agrees if d² ≤ h² + H². Where that fails, H is made that of the paper's implied standard error, or as many times
    wider as ours is by author than by image: if d² ≤ h² + H² then, the data cannot tell.
    """
    if claim.kind == "count":
        return (
            (AGREES, "equal")
            if ours.value == claim.value
            else (DIFFERS, "another number of rows")
        )
    if claim.kind in ("positive", "negative"):
        return _by_sign(claim, ours)
    if math.isnan(ours.low) or math.isnan(ours.high):
        return UNKNOWN, "ours has no interval"
    scale = math.log if claim.kind == "ratio" else float
    gap = _gap(claim, ours, scale)
    half = abs(
        scale(ours.value) - scale(ours.low if ours.value > claim.value else ours.high)
    )
    stated = _stated_half(claim, ours, scale)
    if gap <= math.hypot(half, stated):
        return (
            AGREES,
            "within the intervals"
            if stated
            else "the paper's number is inside our interval",
        )
    implied = max(stated * ours.wider, Z * (claim.se or 0.0))
    if gap <= math.hypot(half, implied):
        return UNKNOWN, (
            "the paper's interval takes images as independent and is too narrow to say: what its own figures or our "
            f"authors imply is {implied / stated:.0f} times as wide"
            if stated
            else "the paper gives no interval; with the standard error that its own figures imply, the two can be equal"
        )
    return DIFFERS, "by more than both intervals allow"


def _gap(claim: Claim, ours: Measured, scale: Any) -> float:
    """How far ours is from every number that the paper's digits may stand for."""
    nearest = min(
        max(ours.value, claim.value - claim.rounding), claim.value + claim.rounding
    )
    return abs(float(scale(ours.value) - scale(nearest)))


def _stated_half(claim: Claim, ours: Measured, scale: Any) -> float:
    """The half of the paper's interval that faces ours; 0 where it gives none."""
    limit = claim.high if ours.value > claim.value else claim.low
    return 0.0 if limit is None else abs(float(scale(limit) - scale(claim.value)))


def _by_sign(claim: Claim, ours: Measured) -> tuple[str, str]:
    if not (ours.p < LEVEL if ours.p is not None else ours.low > 0 or ours.high < 0):
        return (
            UNKNOWN,
            "our interval holds both signs"
            if ours.p is None
            else "our test finds no trend",
        )
    positive = ours.value > 0
    return (
        (AGREES, "the same sign")
        if positive == (claim.kind == "positive")
        else (DIFFERS, "the other sign")
    )


# ------------------------------------------------------------------ the table


def _row(
    claim: Claim, values: Mapping[str, Entry], lacking: Mapping[str, str]
) -> dict[str, Any]:
    entries = [
        values[key]
        for key in claim.keys
        if key in values and values[key].get("value") is not None
    ]
    ours = (
        _measured(entries) if claim.keys and len(entries) == len(claim.keys) else None
    )
    if claim.kind == "unstated":
        verdict, reason = UNKNOWN, claim.why
    elif ours is None or math.isnan(ours.value):
        verdict, reason = (
            UNKNOWN,
            lacking.get(claim.result, "the figure does not give this number here"),
        )
    else:
        verdict, reason = judge(claim, ours)
    return {
        "figure": claim.figure,
        "quantity": claim.quantity,
        "stated": claim.stated,
        "paper": claim.value,
        "paper_low": math.nan if claim.low is None else claim.low,
        "paper_high": math.nan if claim.high is None else claim.high,
        "ours": ours.value if ours else math.nan,
        "low": ours.low if ours else math.nan,
        "high": ours.high if ours else math.nan,
        "n": ours.n if ours else None,
        "verdict": verdict,
        "reason": reason,
    }


def _measured(entries: list[Entry]) -> Measured:
    if len(entries) == 1:
        return _one(entries[0])
    first, second = (_one(entry) for entry in entries)
    value = first.value - second.value
    low = value - math.hypot(first.value - first.low, second.high - second.value)
    high = value + math.hypot(first.high - first.value, second.value - second.low)
    return Measured(
        value,
        low,
        high,
        min((m.n for m in (first, second) if m.n is not None), default=None),
    )


def _one(entry: Entry) -> Measured:
    """Our number with its honest interval, or the p-value of its test."""
    value, n = float(entry["value"]), entry.get("n")
    low, high = _number(entry.get("low")), _number(entry.get("high"))
    if "robust_low" in entry and not math.isnan(wide := _number(entry["robust_low"])):
        naive = value - low
        wider = (value - wide) / naive if naive > 0 else 1.0
        return Measured(value, wide, _number(entry["robust_high"]), n, max(1.0, wider))
    return Measured(
        value, low, high, n, p=entry.get("p_adjusted") if math.isnan(low) else None
    )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
