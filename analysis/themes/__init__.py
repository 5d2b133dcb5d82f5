"""What the images show: clusters over time, captions, words, NSFW scores, similar pairs.

`concordance` and `drift` are imported from the modules of their names.
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "captions_and_nsfw": (
            "nsfw_density",
            "nsfw_share",
            "top_words",
        ),
        "cluster_count": ("granularity",),
        "concordance": ("between_annotators",),
        "similar_pairs": ("neighbour_pairs",),
        "timeline": (
            "cluster_share",
            "frequent_words",
            "growth",
            "posts_per_month",
        ),
        "trends": (
            "mann_kendall",
            "trend_table",
        ),
    },
)
