"""Our number for each claim, taken from the results of all figures, and the table of verdicts; for `twigma analyze`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from twigma.analysis.paper.claim import Claim, Measured
from twigma.analysis.paper.verdicts import UNKNOWN, judge

NOT_GIVEN = "the figure does not give this number here"
EMPTY_CLUSTERS = (
    "infinite without smoothing on both sides: the smoothed numbers then grow with the number of images alone, and "
    "their order means nothing"
)
AT_THE_FLOOR = (
    "both are within what two samples of one set give, so their order means nothing"
)

SIZES = {"difference": "base_distance"}  # of what a part of a number is a part

Entry = Mapping[str, Any]


def verdicts(
    claims: Iterable[Claim], values: Mapping[str, Entry], missing: Mapping[str, str]
) -> pd.DataFrame:
    """Every number and direction that the paper states beside ours.

    Parameters
    ----------
    claims : what the paper states.
    values : our numbers by key, as in results.json: value, and low and high where there is an interval.
    missing : by figure of ours that was not computed, what it is missing.

    Returns
    -------
    DataFrame (figure, quantity, sentence, stated, kind, paper, paper_low, paper_high, ours, low, high, n, verdict,
    reason), one row a claim; numbers are NaN where there are none. Of several numbers, `ours` is the difference that
    decides: the smallest in the paper's direction, or of sets that are alike the largest.
    """
    return pd.DataFrame([_row(claim, values, missing) for claim in claims])


def _row(
    claim: Claim, values: Mapping[str, Entry], missing: Mapping[str, str]
) -> dict[str, Any]:
    """One claim beside our number."""
    ours = measured(claim, values)
    if claim.kind == "none" or ours:
        verdict, reason = judge(claim, *ours)
    else:
        verdict, reason = UNKNOWN, missing.get(claim.result, claim.why or NOT_GIVEN)
    shown = _shown(claim, ours)
    return {
        "figure": claim.figure,
        "quantity": claim.quantity,
        "sentence": claim.sentence,
        "stated": claim.stated,
        "kind": claim.kind,
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


def _shown(claim: Claim, ours: Sequence[Measured]) -> Measured:
    """The number that the table shows."""
    if not ours:
        return Measured(math.nan, math.nan, math.nan, None)
    if claim.kind == "alike":
        return max(ours, key=lambda one: abs(one.value))
    if claim.kind == "lowest":
        return max(ours, key=lambda one: one.value)
    return min(ours, key=lambda one: one.value)


def measured(claim: Claim, values: Mapping[str, Entry]) -> tuple[Measured, ...]:
    """Our numbers for a claim, as `verdicts.judge` takes them; none where the results lack one of its keys."""
    found = [values.get(key, {}) for key in claim.keys]
    entries = [entry for entry in found if entry.get(claim.part or "value") is not None]
    if not entries or len(entries) < len(claim.keys):
        return ()
    numbers = [_one(entry, claim) for entry in entries]
    if len(numbers) == 1:
        return (numbers[0],)
    if claim.kind == "majority":
        return (_difference(numbers[0], _total(numbers[1:]), ""),)
    pairs = list(combinations(range(len(numbers)), 2))
    if claim.kind != "alike":
        pairs = [(first, other) for first, other in pairs if first == 0]
    differences = []
    for i, j in pairs:
        artefact = _artefact(entries[i], entries[j])
        differences.append(_difference(numbers[i], numbers[j], artefact))
    return tuple(differences)


def _difference(first: Measured, second: Measured, artefact: str) -> Measured:
    """The first number less the second, as if the two were independent."""
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    counts = [number.n for number in (first, second) if number.n is not None]
    return Measured(
        value=value,
        low=value - below,
        high=value + above,
        n=min(counts, default=None),
        size=max(abs(first.value), abs(second.value)),
        artefact=artefact,
    )


def _total(numbers: Sequence[Measured]) -> Measured:
    """The sum of numbers, as if they were independent."""
    value = sum(number.value for number in numbers)
    below = math.hypot(*(number.value - number.low for number in numbers))
    above = math.hypot(*(number.high - number.value for number in numbers))
    return Measured(value, value - below, value + above, numbers[0].n)


def _artefact(first: Entry, second: Entry) -> str:
    """Why the order of two divergences is one of the method; empty where it is not."""
    if "kl_raw" not in first:
        return ""
    if math.isinf(_number(first["kl_raw"])) and math.isinf(_number(second["kl_raw"])):
        return EMPTY_CLUSTERS
    floors = [_number(entry.get("noise_95")) for entry in (first, second)]
    if first["value"] <= floors[0] and second["value"] <= floors[1]:
        return AT_THE_FLOOR
    return ""


def _one(entry: Entry, claim: Claim) -> Measured:
    """Our number, or the part of it that the claim is about, with its honest interval and the p-value of its test."""
    if claim.part:
        return _part(entry, claim.part)
    value = float(entry["value"])
    low, high = _number(entry.get("low")), _number(entry.get("high"))
    robust_low = _number(entry.get("robust_low"))
    wider = 1.0
    if not math.isnan(robust_low):
        naive = value - low
        if naive > 0:
            wider = max(1.0, (value - robust_low) / naive)
        low, high = robust_low, _number(entry.get("robust_high"))
    # Of a family of tests the adjusted p decides, whatever the interval of one of them.
    name = "p" if claim.kind == "p_value" else "p_adjusted"
    return Measured(
        value=value,
        low=low,
        high=high,
        n=entry.get("n"),
        wider=wider,
        p=entry.get(name),
        p_floor=entry.get("p_floor"),
    )


def _part(entry: Entry, name: str) -> Measured:
    """A further number of an entry, with its limits."""
    return Measured(
        value=float(entry[name]),
        low=_number(entry.get(f"{name}_low")),
        high=_number(entry.get(f"{name}_high")),
        n=entry.get("n"),
        size=_number(entry.get(SIZES.get(name, ""))),
    )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
