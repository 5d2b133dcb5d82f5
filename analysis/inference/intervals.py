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
from twigma.analysis.inference.blocks import dense_blocks, half_width, mean_jackknife

Z = 1.959963984540054  # the 97.5% quantile of the normal distribution


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
        digits = self._digits()
        limits = f"[{self.low:,.{digits}f}, {self.high:,.{digits}f}]"
        return f"{self.value:,.{digits}f} {limits}, n = {self.n:,}"

    def __repr__(self) -> str:
        return str(self)

    def _digits(self) -> int:
        """Decimals that show the first digit of the interval's half width, three where it has no width."""
        half = (self.high - self.low) / 2
        if half <= 0:
            return 3
        return max(0, -int(np.floor(np.log10(half))))

    def keys(self) -> Iterator[str]:
        """The names of the fields, so that `dict(estimate)` works."""
        return (field.name for field in fields(self))

    def __getitem__(self, name: str) -> Any:
        if name not in asdict(self):
            raise KeyError(name)
        return getattr(self, name)


def interval(value: float, influence: Floats, blocks: Any = None) -> Estimate:
    """Value ± 1.96 se, where the value is to first order the mean of its rows' influence: se = ‖ψ − ψ̄‖/n.

    With blocks the standard error is the jackknife's, which leaves out each block, and Student's quantile that of as
    many blocks as count (`blocks.half_width`): of twelve authors 1.96 would be too little.

    Parameters
    ----------
    value : the estimate.
    influence : float64[n], ψ_i of each row.
    blocks : label per row (artist, prompt, author), [n], or None. The rows of a block may depend on each other; a row
        without a label is a block of its own.

    Returns
    -------
    Estimate of n rows. ValueError when all rows are of one block.
    """
    n = len(influence)
    if blocks is None:
        centred = influence - influence.mean()
        half = Z * float(np.sqrt(centred @ centred)) / n
        return Estimate(value, value - half, value + half, n)
    codes = dense_blocks(blocks, n)
    if codes.max() < 1:
        raise ValueError(
            "interval: all rows are of one block, so there is no interval; leave the blocks out"
        )
    half = half_width(mean_jackknife(influence, codes))
    return Estimate(value, value - half, value + half, n)


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
