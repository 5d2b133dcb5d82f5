"""Likes against similarity and followers: means by quintile, and Eq (1) with honest intervals.

`eq1` and `quintiles` are imported from the modules of their names.
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "count_regression": ("fit_cells",),
        "eq1": ("eq1_sensitivity",),
        "quintiles": ("likes_by_quintile",),
    },
)
