"""Exact nearest neighbours by cosine, on a processor, a GPU or a Ray cluster."""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "blocks": ("Search",),
        "ray_search": ("search_on",),
        "search": (
            "mean_top_k",
            "nearest",
        ),
    },
)
