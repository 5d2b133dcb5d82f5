"""Small computations that several rooms share: rows scaled to norm 1, and counts by calendar month."""

from twigma.core.numeric.months import distinct_per_month, months_between
from twigma.core.numeric.unit_vectors import (
    require_unit_rows,
    unit_rows,
    usable_unit_rows,
)

__all__ = [
    "distinct_per_month",
    "months_between",
    "require_unit_rows",
    "unit_rows",
    "usable_unit_rows",
]
