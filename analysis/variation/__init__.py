"""How much the images of a set vary: distances, entropies, prompts, texts.

`conditional_vendi` and `text_variation` are imported from the modules of their names.
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "conditional_vendi": ("matrix_entropies",),
        "distance": ("mean_pairwise_distance",),
        "duplicate_sensitivity": ("near_duplicates",),
        "entropy_bins": ("entropies",),
        "groups": (
            "grouped_distance",
            "same_different_ratio",
        ),
        "measures": (
            "Entropy",
            "entropy",
            "iev",
            "pmv",
            "vendi",
        ),
        "prompts": (
            "Correlation",
            "kendall",
            "prompt_variation",
        ),
        "spread": ("variation_table",),
        "text_variation": ("Texts",),
    },
)
