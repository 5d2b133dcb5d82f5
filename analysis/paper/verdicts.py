"""Whether our numbers agree with the paper's: the rule for one claim; `twigma analyze` applies it to all of them.

The paper gives its numbers without the data, rounded, and where with an interval then one that takes images as
independent. Ours come with intervals that may be wide. So there are three verdicts, and the third is no failure.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import NormalDist

from twigma.analysis.inference.intervals import Z
from twigma.analysis.page.formatting import number
from twigma.analysis.paper.claim import Claim, Measured

AGREES, DIFFERS, UNKNOWN = "agrees", "differs", "not identifiable from this data"
LEVEL = 0.05  # of a test that decides on a sign
TENTH = 1.1  # amounts and ratios: equivalent up to this factor either way
NEAR = 0.05  # correlations: equivalent up to this distance
TOO_NARROW = (
    "the paper's interval takes images as independent and is too narrow to contradict ours: what its own figures or "
    "our authors imply is {wider:.0f} times as wide"
)
NOT_STATED = "the paper gives no interval; with the standard error that its own figures imply, the two can be equal"
TOO_WIDE = "our interval reaches beyond {low} to {high}: too wide to confirm the paper's number or contradict it"
LARGER_P = "a p-value falls with the number of images, so a larger one says nothing against the paper's"
NO_INTERVAL = "ours has no interval"
WITHIN = "our interval lies within {low} to {high}"
APART = "by more than both intervals allow"

Scale = Callable[[float], float]  # on which numbers are compared
Verdict = tuple[str, str]  # AGREES, DIFFERS or UNKNOWN; and the reason
Bounds = tuple[float, float]


def judge(claim: Claim, *ours: Measured) -> Verdict:
    """The verdict on one claim, and the reason in words.

    One idea for every kind: ours agrees only where its 95% interval could have contradicted the paper and does not.
    An interval so wide that it holds the paper's number and its opposite is no evidence, and neither is a number that
    our method makes (`Measured.artefact`): both are "not identifiable from this data".

    count
        A number of rows has no sampling error: agrees when it rounds to the paper's digits, else differs.
    amount, ratio, correlation
        Agrees when all of our interval lies within bounds around the numbers that round to the paper's: a tenth
        either way (a factor of 1.1) for amounts and rate ratios, 0.05 for correlations. A tenth is less than half of
        what lies between the paper's quintiles 1 and 5, so that no interval agrees with both; 0.05 keeps τ = −0.1
        apart from 0. Differs when, with d the distance beyond rounding and h, H the halves of the two intervals that
        face each other, d² > h² + H²; H is the paper's, or what its own figures or our authors imply where that is
        wider.
    positive, negative
        Agrees when our interval (or, where there is a test, its adjusted p below .05) excludes no effect on the
        paper's side; differs when it excludes it on the other.
    highest, lowest
        `ours` are the differences of the first number to each of the others. Agrees when each excludes 0 on the
        paper's side; differs when one excludes it on the other, at a level divided by how many there are.
    majority
        The first number less the sum of all others: as positive.
    alike
        `ours` are differences: agrees when all of each interval lies within a tenth of the number it is a part of;
        differs when one lies beyond that altogether, at a level divided likewise.
    p_value
        Agrees when ours is below the paper's, on its side of no effect; differs when ours is below .05 on the other.
        A larger p is no evidence against it, since a p falls with the number of images; nor is one at the floor that
        a number of permutations sets.
    none
        Nothing that a data set can hold: not identifiable, for the reason that the claim gives.

    Parameters
    ----------
    ours : one number; for highest, lowest and alike the differences, one at least.
    """
    if claim.kind == "none":
        return UNKNOWN, claim.why
    for one in ours:
        if one.artefact:
            return UNKNOWN, one.artefact
        if not math.isfinite(one.value):
            return UNKNOWN, "ours is not a finite number"
    return RULES[claim.kind](claim, ours)


# ------------------------------------------------------------------ one number


def _by_count(claim: Claim, ours: Sequence[Measured]) -> Verdict:
    """Whether the count rounds to the paper's."""
    (one,) = ours
    if abs(one.value - claim.value) > claim.rounding:
        return DIFFERS, "another number"
    return AGREES, "the same, as the paper rounds it" if claim.rounding else "equal"


def _by_interval(claim: Claim, ours: Sequence[Measured]) -> Verdict:
    """Whether our interval lies within the bounds, or is apart from the paper's number."""
    (one,) = ours
    if math.isnan(one.low) and math.isnan(one.high):
        return UNKNOWN, NO_INTERVAL
    low, high = _bounds(claim)
    bounds = {"low": number(low), "high": number(high)}
    if low <= one.low and one.high <= high:
        return AGREES, WITHIN.format(**bounds)
    scale = _log if claim.kind == "ratio" else float
    gap = _gap(claim, one, scale)
    half = _our_half(claim, one, scale)
    stated = _stated_half(claim, one, scale)
    implied = max(stated * one.wider, Z * (claim.se or 0.0))
    if gap > math.hypot(half, implied):
        return DIFFERS, APART
    if gap > math.hypot(half, stated):
        width = _stated_width(claim, scale)
        if width:
            return UNKNOWN, TOO_NARROW.format(wider=implied / width)
        return UNKNOWN, NOT_STATED
    return UNKNOWN, TOO_WIDE.format(**bounds)


def _bounds(claim: Claim) -> Bounds:
    """Between which numbers ours is equivalent to the paper's."""
    lowest, highest = claim.value - claim.rounding, claim.value + claim.rounding
    if claim.kind == "correlation":
        return lowest - NEAR, highest + NEAR
    return lowest / TENTH, highest * TENTH


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _gap(claim: Claim, ours: Measured, scale: Scale) -> float:
    """How far ours is from every number that rounds to the paper's digits."""
    lowest, highest = claim.value - claim.rounding, claim.value + claim.rounding
    nearest = min(max(ours.value, lowest), highest)
    return abs(scale(ours.value) - scale(nearest))


def _our_half(claim: Claim, ours: Measured, scale: Scale) -> float:
    """The half of our interval that faces the paper's number; infinite where that limit is not known."""
    limit = ours.low if ours.value > claim.value else ours.high
    if math.isnan(limit):
        return math.inf
    return abs(scale(ours.value) - scale(limit))


def _stated_half(claim: Claim, ours: Measured, scale: Scale) -> float:
    """The half of the paper's interval that faces ours; 0 where it gives none."""
    limit = claim.high if ours.value > claim.value else claim.low
    if limit is None:
        return 0.0
    return abs(scale(limit) - scale(claim.value))


def _stated_width(claim: Claim, scale: Scale) -> float:
    """Half the width of the paper's interval; 0 where it gives none. Rounding may leave nothing of one half alone."""
    if claim.low is None or claim.high is None:
        return 0.0
    return (scale(claim.high) - scale(claim.low)) / 2


def _by_sign(claim: Claim, ours: Sequence[Measured]) -> Verdict:
    """Whether ours has the sign that the paper states, beyond chance."""
    (one,) = ours
    side = _side(one, claim.null)
    if side == 0:
        return UNKNOWN, _why_no_side(one)
    if (side > 0) == (claim.kind != "negative"):
        return AGREES, "the same direction, beyond chance"
    return DIFFERS, "the other direction, beyond chance"


def _side(ours: Measured, null: float) -> int:
    """1 where ours is above no effect beyond chance, −1 where it is below, 0 where neither is sure."""
    if ours.p is not None:
        if ours.p < LEVEL:
            return 1 if ours.value > null else -1
        return 0
    if ours.low > null:
        return 1
    if ours.high < null:
        return -1
    return 0


def _why_no_side(ours: Measured) -> str:
    if ours.p is not None:
        return "our test finds no direction"
    if math.isnan(ours.low) and math.isnan(ours.high):
        return NO_INTERVAL
    return "our interval holds both directions"


def _by_p(claim: Claim, ours: Sequence[Measured]) -> Verdict:
    """Whether our test is as sure as the paper's, and of the same thing."""
    (one,) = ours
    if one.p is None or math.isnan(one.p):
        return UNKNOWN, "ours has no p-value"
    if one.p_floor is not None and one.p <= one.p_floor and one.p >= claim.value:
        return (
            UNKNOWN,
            f"{number(one.p_floor, 1)} is the smallest p that our draws can give",
        )
    if one.value < claim.null:
        if one.p < LEVEL:
            return DIFFERS, f"the other direction, p = {number(one.p, 2)}"
    elif one.p < claim.value:
        return AGREES, f"p = {number(one.p, 2)}"
    return UNKNOWN, f"p = {number(one.p, 2)}: {LARGER_P}"


# ------------------------------------------------------------------ several numbers


def _by_order(claim: Claim, ours: Sequence[Measured]) -> Verdict:
    """Whether the first of several numbers is above, or below, each of the others."""
    expected = 1 if claim.kind == "highest" else -1
    for one in ours:
        if _side(_widened(one, len(ours)), 0.0) == -expected:
            return DIFFERS, "one of the others is beyond it, beyond chance"
    for one in ours:
        if _side(one, 0.0) != expected:
            return UNKNOWN, _why_no_side(one)
    return AGREES, "beyond chance against each of the others"


def _by_likeness(claim: Claim, ours: Sequence[Measured]) -> Verdict:
    """Whether all differences are within a tenth."""
    if any(math.isnan(one.low) or math.isnan(one.high) for one in ours):
        return UNKNOWN, NO_INTERVAL
    if any(math.isnan(one.size) for one in ours):
        return UNKNOWN, "what the difference is a part of is not known"
    for one in ours:
        wide = _widened(one, len(ours))
        margin = _margin(one)
        if wide.low > margin or wide.high < -margin:
            return DIFFERS, "apart by more than a tenth, beyond chance"
    for one in ours:
        margin = _margin(one)
        if one.low < -margin or one.high > margin:
            return UNKNOWN, "our interval reaches beyond a tenth of it"
    return AGREES, "all of our interval is within a tenth"


def _margin(ours: Measured) -> float:
    return (TENTH - 1) * abs(ours.size)


def _widened(ours: Measured, times: int) -> Measured:
    """The interval of one of several comparisons at a level divided by their number (Bonferroni)."""
    factor = NormalDist().inv_cdf(1 - LEVEL / 2 / times) / Z
    return replace(
        ours,
        low=ours.value - factor * (ours.value - ours.low),
        high=ours.value + factor * (ours.high - ours.value),
    )


RULES: dict[str, Callable[[Claim, Sequence[Measured]], Verdict]] = {
    "count": _by_count,
    "amount": _by_interval,
    "ratio": _by_interval,
    "correlation": _by_interval,
    "positive": _by_sign,
    "negative": _by_sign,
    "highest": _by_order,
    "lowest": _by_order,
    "majority": _by_sign,
    "alike": _by_likeness,
    "p_value": _by_p,
}
