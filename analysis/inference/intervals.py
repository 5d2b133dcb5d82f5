"""An estimate with its 95% interval, and the interval of a mean whose rows may depend on each other.

Images by one author, of one artist or of one prompt are not independent: an interval takes them together as a block,
or is too narrow. Every estimator of `twigma analyze` gets its intervals here.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Floats
from twigma.analysis.inference.blocks import (
    FEWEST,
    dense_blocks,
    half_width,
    mean_jackknife,
)
from twigma.core.safety.failures import DataError

Z = 1.959963984540054  # the 97.5% quantile of the normal distribution
# Of the size of the numbers: a half width below it is what the rounding of sums leaves, and no width.
ROUNDING = 1e-9
SMALL = 1e-4  # below it numbers are written with an exponent


@dataclass(frozen=True, repr=False)
class Estimate:
    """A value, the limits of its 95% interval (NaN where it has none), and the rows it is from.

    It prints as in a text; `value`, `low`, `high` and `n` hold all digits, and `dict(estimate)` is a row of a table.

    >>> Estimate(1.02137, 1.01888, 1.02386, 2633)
    1.021 [1.019, 1.024], n = 2,633
    >>> Estimate(0.25, float("nan"), float("nan"), 2)
    0.25 (no interval), n = 2
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if not np.isfinite(self.high - self.low):
            return f"{self.value:.4g} (no interval), n = {self.n:,}"
        form = self._format()
        low, high = format(self.low, form), format(self.high, form)
        return f"{self.value:{form}} [{low}, {high}], n = {self.n:,}"

    def __repr__(self) -> str:
        return str(self)

    def _format(self) -> str:
        """How its numbers are written: with the first digit of the half width, three decimals where it has no width."""
        size = max(abs(self.value), abs(self.low), abs(self.high))
        if 0 < size < SMALL:
            return ".4g"
        decimals = decimals_of_width((self.high - self.low) / 2, size)
        return f",.{3 if decimals is None else decimals}f"

    def keys(self) -> Iterator[str]:
        """The names of the fields, so that `dict(estimate)` works."""
        return (field.name for field in fields(self))

    def __getitem__(self, name: str) -> Any:
        if name not in asdict(self):
            raise KeyError(name)
        return getattr(self, name)


def decimals_of_width(half: float, size: float) -> int | None:
    """Decimals that show the first digit of the half width of an interval; None where it has no width.

    Parameters
    ----------
    half : half width. size : the largest of the numbers beside it, without its sign. A half width below a billionth
        of it is what rounding leaves, and no width.

    >>> decimals_of_width(0.025, 1.0), decimals_of_width(120.0, 5000.0), decimals_of_width(2e-15, 1.0)
    (2, 0, None)
    """
    if half <= ROUNDING * size:
        return None
    return max(0, -int(np.floor(np.log10(half))))


def limits(
    value: float, half: float, least: float = -np.inf, most: float = np.inf
) -> tuple[float, float]:
    """The limits of value ± half that the quantity can have: cut at its least and its most; NaN for a half of NaN.

    A value that is itself outside, by rounding or as an unbiased estimate may be, is its own limit.

    >>> limits(0.66, 2.4, 0.0, 0.69), limits(0.4, 0.1, 0.0, 1.0), limits(-0.1, 0.2, 0.0, 1.0)
    ((0.0, 0.69), (0.30000000000000004, 0.5), (-0.1, 0.1))
    """
    low = np.maximum(value - half, min(least, value))
    high = np.minimum(value + half, max(most, value))
    return float(low), float(high)


def interval(
    value: float,
    influence: Floats,
    blocks: Any = None,
    *,
    least: float = -np.inf,
    most: float = np.inf,
) -> Estimate:
    """Value ± 1.96 se, where the value is to first order the mean of its rows' influence: se = ‖ψ − ψ̄‖/n.

    With blocks the standard error is the jackknife's, which leaves out each block, and Student's quantile that of as
    many blocks as count (`blocks.half_width`): of twelve authors 1.96 would be too little.

    Parameters
    ----------
    value : the estimate.
    influence : float64[n], ψ_i of each row.
    blocks : label per row (artist, prompt, author), [n], or None. The rows of a block may depend on each other; a row
        without a label is a block of its own.
    least, most : of what the quantity can be; limits beyond them are cut there (`limits`).

    Returns
    -------
    Estimate of n rows, without an interval for fewer than three rows or blocks. ValueError when all rows are of one
    block.
    """
    n = len(influence)
    if blocks is None:
        half = float("nan")
        if n >= FEWEST:
            centred = influence - influence.mean()
            half = Z * float(np.sqrt(centred @ centred)) / n
        return Estimate(value, *limits(value, half, least, most), n)
    codes = dense_blocks(blocks, n)
    if codes.max() < 1:
        raise DataError(
            "interval: all rows are of one block, so there is no interval; leave the blocks out"
        )
    half = half_width(mean_jackknife(influence, codes))
    return Estimate(value, *limits(value, half, least, most), n)


def block_codes(labels: Any) -> npt.NDArray[np.int64]:
    """A number from 0 for the block of each row; a row without a label is a block of its own.

    Parameters
    ----------
    labels : text, numbers or None, [n].

    Returns
    -------
    int64[n]. Not every number up to the largest need be used: integers that lie close together keep their distances,
    which spares hashing 800,000 of them.

    >>> block_codes(["ada", None, "ada", "bo", None]).tolist()
    [0, 2, 0, 1, 3]
    """
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and len(labels):
        low, high = int(labels.min()), int(labels.max())
        if high - low < 2 * len(labels):
            return np.subtract(labels, low, dtype=np.int64, casting="unsafe")
    return dense_blocks(labels, len(labels))
