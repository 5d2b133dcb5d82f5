"""Whether a list of ids was damaged on the way, or holds ids of something else: tests against what chance allows.

A float holds 53 bits and a spreadsheet 15 digits, so that ids of 18 to 19 digits come back as multiples of 64 to 256,
or of 1,000 and more. Real ids are such multiples too, by a structure of their own: the lower 12 bits count the posts of
one machine in one millisecond, and most often are 0. In two public lists of 72,439 ids of 2021 and 1,667 of 2017 to
2018, 20 and 60 % were multiples of 256, every one of them of 4,096 too, and 0.2 to 0.3 % of 1,000.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.rehydrate.ids.post_id import FIRST_SNOWFLAKE, SNOWFLAKE_EPOCH
from twigma.rehydrate.ids.skipped_lines import BadLine

UNLIKELY = math.log(1e-5)  # probability by chance below which a list is refused
FEWEST = 3  # rounded ids below which nothing is concluded
LOWEST = 1 << 58  # ids from 2013 on, which a float rounds to multiples of 64 and more
HIGHEST = (1 << 63) - 1  # ids have 63 bits
COUNTER = 1 << 12  # multiples of it: the first post of a machine in its millisecond
# At most these shares of real ids: of exact floats, and of those that are no multiple of COUNTER.
MOST_FLOATS, MOST_ODD_FLOATS = 0.7, 1 / 64
DECIMALS = range(3, 8)  # powers of ten that a spreadsheet rounds to
LOST = 0.1  # share of lines written as floats above which a list is refused

Numbers = npt.NDArray[np.int64]


class Mark(NamedTuple):
    """A mark of rounding: how many ids carry it, at most how many of real ones do, and what leaves it."""

    rounded: int
    share: float
    multiple: str
    culprit: str

    def log_probability(self, total: int) -> float:
        """The logarithm of a bound on the probability that chance leaves it on so many of `total` real ids."""
        return log_tail_bound(self.rounded, total, self.share)

    def is_unlikely(self, total: int) -> bool:
        """Whether less than one list of 100,000 has it on so many ids."""
        return self.rounded >= FEWEST and self.log_probability(total) < UNLIKELY


def refuse_damaged(
    path: Path | str, ids: Collection[str], bad: Sequence[BadLine] = ()
) -> None:
    """Raise ValueError with the numbers when ids carry the mark of a float or a spreadsheet that chance does not leave.

    A mark is tested by a bound on its binomial probability (`log_tail_bound`); `bad` are lines without a usable id.
    """
    numbers = _numbers(ids)
    total = len(numbers)
    marks = [*_decimal_marks(numbers), _float_mark(numbers)]
    mark = min(marks, key=lambda mark: mark.log_probability(total))
    if mark.is_unlikely(total):
        raise ValueError(
            f"{path}: {mark.rounded:,} of {total:,} ids ({mark.rounded / total:.1%}) are multiples of {mark.multiple}, "
            f"as at most {mark.share:.1%} of real ids are: they were rounded by {mark.culprit}; "
            "get the list again as text"
        )
    floats = [line for line in bad if "digits are lost" in line.reason]
    lines = len(ids) + len(bad)
    if len(floats) >= FEWEST and len(floats) > LOST * lines:
        raise ValueError(
            f"{path}: {len(floats):,} of {lines:,} ids are written as floating-point numbers, such as "
            f"{floats[0].value!r} on line {floats[0].line}: their last digits are lost; get the list again as text"
        )


def _numbers(ids: Collection[str]) -> Numbers:
    """The ids from LOWEST on that 63 bits hold, as those of posts do: int64[n]."""
    try:
        texts = pa.array(list(ids), pa.string())
        numbers: Numbers = texts.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:  # one of them is beyond 63 bits
        within = [number for number in map(int, ids) if number <= HIGHEST]
        numbers = np.array(within, np.int64)
    return numbers[numbers >= LOWEST]


def _decimal_marks(numbers: Numbers) -> Iterator[Mark]:
    """The marks of a spreadsheet."""
    for power in DECIMALS:
        step = 10**power
        rounded = int(np.count_nonzero(numbers % step == 0))
        # Multiples of COUNTER are multiples of 2^power already: then 5^power decides.
        yield Mark(rounded, 5.0**-power, f"{step:,}", "a spreadsheet")


def _float_mark(numbers: Numbers) -> Mark:
    """The mark of a float; where real ids may carry it as often, that of the multiples that are no first posts."""
    culprit = "a float64 column"
    # One that is no float may be taken for a bit longer: it is no multiple of the larger step either.
    bits = np.frexp(numbers.astype(np.float64))[1]
    steps_of_all = np.int64(1) << np.maximum(bits - 53, 0).astype(np.int64)
    is_float = numbers % steps_of_all == 0
    floats = numbers[is_float]
    steps = np.unique(steps_of_all[is_float]).tolist()
    multiple = " or ".join(map(str, steps))
    mark = Mark(len(floats), MOST_FLOATS, multiple, culprit)
    if mark.is_unlikely(len(numbers)):
        return mark
    odd = int(np.count_nonzero(floats % COUNTER))
    return Mark(odd, MOST_ODD_FLOATS, f"{multiple} but not of {COUNTER:,}", culprit)


def float_step(number: int) -> int:
    """What float64 rounds a number to multiples of: 256 from 2^60 on.

    >>> float_step(1547770898463771828)
    256
    """
    return 1 << max(number.bit_length() - 53, 0)


def log_tail_bound(count: int, total: int, share: float) -> float:
    """Log of an upper bound on P(`count` or more of `total` draws succeed), each with probability `share`.

    Chernoff's: -total · D, where D = a ln(a / share) + (1 - a) ln((1 - a) / (1 - share)) and a = count / total.

    >>> log_tail_bound(5, 5, 0.5) == 5 * math.log(0.5)
    True
    """
    if count <= share * total:
        return 0.0
    if count == total:
        return total * math.log(share)
    rate = count / total
    divergence = rate * math.log(rate / share)
    divergence += (1 - rate) * math.log((1 - rate) / (1 - share))
    return -total * divergence


def doubts(ids: Collection[str], now: datetime | None = None) -> list[str]:
    """Sentences on ids that are likely of no post: without a time in them, or of a time to come."""
    tomorrow = (now or datetime.now(UTC)) + timedelta(days=1)
    latest = (round(tomorrow.timestamp() * 1000) - SNOWFLAKE_EPOCH) << 22
    numbers = [int(post) for post in ids]
    early = [number for number in numbers if number < FIRST_SNOWFLAKE]
    late = [number for number in numbers if number > latest]
    sentences: list[str] = []
    if early:
        sentences.append(
            f"{len(early):,} of {len(ids):,} ids, such as {early[0]}, have {_digits(early)}: they are of posts before "
            "November 2010, or of users"
        )
    if late:
        sentences.append(
            f"{len(late):,} of {len(ids):,} ids, such as {late[0]}, are of a time to come: they are no ids of posts"
        )
    return sentences


def _digits(numbers: Sequence[int]) -> str:
    """How long these numbers are, such as `8 to 10 digits`."""
    lengths = {len(str(number)) for number in numbers}
    if len(lengths) == 1:
        return f"{min(lengths)} digits"
    return f"{min(lengths)} to {max(lengths)} digits"
