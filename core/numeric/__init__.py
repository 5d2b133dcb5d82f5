"""Small computations that several rooms share.

Rows scaled to norm 1, also of a file; principal components; counts by calendar month.
"""

from twigma.core.numeric.components import first_components
from twigma.core.numeric.months import (
    distinct_per_month,
    month_labels,
    months_between,
)
from twigma.core.numeric.stored_rows import StoredRows, rows_of, stored_unit_rows
from twigma.core.numeric.unit_vectors import (
    require_unit_rows,
    unit_rows,
    usable_unit_rows,
)

__all__ = [
    "StoredRows",
    "distinct_per_month",
    "first_components",
    "month_labels",
    "months_between",
    "require_unit_rows",
    "rows_of",
    "stored_unit_rows",
    "unit_rows",
    "usable_unit_rows",
]
