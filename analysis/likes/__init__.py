"""Likes: means by quintile of similarity, Eq (1) with honest intervals, NSFW images, and jumps at model releases.

`eq1`, `quintiles` and `event_study` are imported from the modules of their names.
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "count_regression": ("fit_cells",),
        "eq1": ("eq1_sensitivity",),
        "nsfw": ("nsfw_likes",),
        "quintiles": ("likes_by_quintile",),
    },
)
