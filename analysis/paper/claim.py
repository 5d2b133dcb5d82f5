"""What a claim of the paper is, and what of ours it is compared with; `claims` lists them, `verdicts` judges them."""

import math
from dataclasses import dataclass
from typing import Literal

# How ours is compared with the paper's; `verdicts.judge` states the rule of each.
Kind = Literal[
    "count",
    "amount",
    "ratio",
    "correlation",
    "positive",
    "negative",
    "highest",
    "lowest",
    "majority",
    "alike",
    "p_value",
    "none",
]


@dataclass(frozen=True)
class Claim:
    """One number or direction of the paper, the sentence that it is from, and where ours is.

    `figure` is where the paper states it: a figure, its abstract, its Table 1, or its text. `sentence` is the paper's
    statement in our words. `keys` are of our numbers in the results: one; two, of which the second is taken from the
    first; for "highest", "lowest" and "majority" the first and those that it is compared with; for "alike" all. `part`
    names the part of our number that is meant, where that is not its value. `null` is what "no effect" means, which a
    direction excludes. `roles` are those of the reference sets that it is about.
    """

    figure: str
    quantity: str
    sentence: str
    stated: str  # as the paper writes it
    kind: Kind
    keys: tuple[str, ...] = ()
    value: float = math.nan
    low: float | None = None
    high: float | None = None
    rounding: float = 0.0  # half a unit of the last digit the paper gives
    # What its own figures imply, on the log scale for a ratio; its interval may be narrower.
    se: float | None = None
    part: str = ""
    null: float = 0.0
    roles: tuple[str, ...] = ()  # photographs, paintings, prompts
    result: str = ""  # the figure of ours that gives it
    why: str = ""  # of the kind "none": why no data can be held against it


@dataclass(frozen=True)
class Measured:
    """Our number with the interval that is compared; a limit that is NaN is not known.

    `wider` is how many times as wide the interval is as one that takes images as independent. `p` is of a test, and
    `p_floor` the smallest that its permutations can give. `size` is what a difference is a part of. `artefact` says
    why the number is one of our method and not of the data; empty where it is not.
    """

    value: float
    low: float
    high: float
    n: int | None
    wider: float = 1.0
    p: float | None = None
    p_floor: float | None = None
    size: float = math.nan
    artefact: str = ""
