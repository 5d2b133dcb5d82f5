"""What the paper states of likes and similarity to human images: the bars of Fig 2d, and Eq (1)."""

import math
from collections.abc import Iterator

from twigma.analysis.inference.intervals import Z
from twigma.analysis.paper import stated
from twigma.analysis.paper.claim import Claim

SETS = {"photographs": "LAION", "paintings": "ArtBench"}
LEAST_TO_MOST = {
    1: "least similar",
    2: "second least similar",
    3: "in the middle by similarity",
    4: "second most similar",
    5: "most similar",
}


def likes_claims() -> Iterator[Claim]:
    """The claims on likes, in the order of the paper."""
    for role in stated.LIKES:
        yield from _means(role)
        yield _fewer_likes(role)
    for role, quintiles in stated.EQ1.items():
        for quintile, ratio in quintiles.items():
            if ratio is not None:
                yield _rate_ratio(role, quintile, ratio)
    for role, quintiles in stated.EQ1.items():
        for quintile, ratio in quintiles.items():
            if ratio is not None and ratio[1] is not None:
                yield _p_value(role, quintile)


def _means(role: str) -> Iterator[Claim]:
    """Fig 2d."""
    name = SETS[role]
    for quintile, (value, low, high) in stated.LIKES[role].items():
        degree = LEAST_TO_MOST[quintile]
        yield Claim(
            figure="Fig 2d",
            quantity=f"mean likes, {name}, quintile {quintile}",
            sentence=f"The fifth of the images {degree} to {name} has {value} likes on average.",
            stated=f"{value} [{low}, {high}]",
            kind="amount",
            keys=(f"likes/{role}/{quintile}",),
            roles=(role,),
            value=value,
            low=low,
            high=high,
            rounding=0.05,
            result=f"fig2d_{role}",
        )


def _fewer_likes(role: str) -> Claim:
    name = SETS[role]
    return Claim(
        figure="Fig 2d",
        quantity=f"mean likes, {name}, quintile 1 less quintile 5",
        sentence=f"Images least similar to {name} have more likes than those most similar.",
        stated="above 0",
        kind="positive",
        keys=(f"likes/{role}/1", f"likes/{role}/5"),
        roles=(role,),
        result=f"fig2d_{role}",
    )


def _rate_ratio(role: str, quintile: int, ratio: stated.Interval) -> Claim:
    """Eq (1)."""
    value, low, high = ratio
    name, degree = SETS[role], LEAST_TO_MOST[quintile]
    text = f"{value}"
    if low is not None:
        text = f"{value:.2f} [{low:.2f}, {high:.2f}]"
    return Claim(
        figure="Eq (1)",
        quantity=f"rate ratio, {name}, quintile {quintile}",
        sentence=f"Given followers, the fifth {degree} to {name} has {value} times the likes of the most similar.",
        stated=text,
        kind="ratio",
        keys=(f"eq1/{role}/robust/quintile {quintile}",),
        roles=(role,),
        value=value,
        low=low,
        high=high,
        # The paper gives three significant digits.
        rounding=0.0005 if value < 1 else 0.005,
        se=implied_se(role),
        result=f"eq1_{role}",
    )


def _p_value(role: str, quintile: int) -> Claim:
    name, degree = SETS[role], LEAST_TO_MOST[quintile]
    return Claim(
        figure="Eq (1)",
        quantity=f"p of the rate ratio, {name}, quintile {quintile}",
        sentence=f"The rate ratio of the fifth {degree} to {name} is above 1 beyond chance.",
        stated=f"p < {stated.EQ1_P}",
        kind="p_value",
        keys=(f"eq1/{role}/robust/quintile {quintile}",),
        roles=(role,),
        value=stated.EQ1_P,
        null=1.0,
        result=f"eq1_{role}",
    )


def implied_se(role: str) -> float:
    """The standard error of a log rate ratio that the bars of Fig 2d imply: √Σ (half width / 1.96 mean)² of two bars.

    The rate ratio of quintiles 1 and 5 without followers is the ratio of their bars, so this is what the paper's own
    picture says of its precision: 54 to 97 times the naive Poisson standard error.

    >>> round(implied_se("photographs"), 3)
    0.047
    """
    parts = []
    for mean, low, high in stated.LIKES[role].values():
        if low and high:
            parts.append((high - low) / 2 / Z / mean)
    return math.hypot(*parts)
