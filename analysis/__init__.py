"""Every figure of the paper as plain functions, for notebooks: `import twigma`, then `twigma.analysis.kl_matrix(…)`.

    twigma.analysis.figure("fig2c", "twigma", references={"laion": "refs/laion"})  # .table, .text, .plot()
    twigma.analysis.kl_matrix({"ours": x, "laion": y})
    twigma.analysis.mean_pairwise_distance(x, groups=artist)              # 1.021 [1.019, 1.024], n = 2,633
    twigma.analysis.eq1(df, cluster="author_id")

**In**: arrays, lists, DataFrames, Series, Arrow tables and columns. Embeddings are [n, d], one row an image, or a
table with a column `embedding`; columns have one value an image, and Series are matched by their index.

**Out**: a table is a tidy DataFrame, one row an estimate, its 95% interval in `low` and `high` and its rows in `n`.
A single number is an `Estimate`, which prints as in a text and holds `value`, `low`, `high` and `n`; some also have a p
value and the like. A statistic without an interval (`iev`, `pmv`, `vendi`) is a float.

Images by one author are not independent: pass the authors (artists, prompts) as `groups`, `cluster` or `blocks`, and
intervals take them together. Nothing is imported before it is used.
"""

from typing import TYPE_CHECKING

from twigma.analysis.exports import lazy_names

if TYPE_CHECKING:
    from twigma.analysis.api import FigureResult, figure
    from twigma.analysis.comparison.cluster_shares import cluster_shares
    from twigma.analysis.comparison.divergence import kl_matrix
    from twigma.analysis.comparison.divergence_sensitivity import kl_sensitivity
    from twigma.analysis.comparison.hubness import csls, hubness
    from twigma.analysis.comparison.joint_map import joint_map, overlaps
    from twigma.analysis.comparison.kernel_distance import cmmd, kernel_distances, kid
    from twigma.analysis.comparison.manifold import manifolds
    from twigma.analysis.inference.intervals import Estimate, interval
    from twigma.analysis.inference.multiple_testing import benjamini_hochberg
    from twigma.analysis.inference.proportions import weighted_share, wilson
    from twigma.analysis.inference.sample_weights import weighted_mean
    from twigma.analysis.likes.eq1 import eq1, eq1_sensitivity
    from twigma.analysis.likes.event_study import event_study
    from twigma.analysis.likes.nsfw import nsfw_likes
    from twigma.analysis.likes.quintiles import likes_by_quintile, quintiles
    from twigma.analysis.neighbours.search import mean_top_k, nearest
    from twigma.analysis.themes.captions_and_nsfw import (
        nsfw_density,
        nsfw_share,
        top_words,
    )
    from twigma.analysis.themes.drift import drift
    from twigma.analysis.themes.similar_pairs import neighbour_pairs
    from twigma.analysis.themes.timeline import (
        cluster_share,
        frequent_words,
        growth,
        posts_per_month,
    )
    from twigma.analysis.themes.trends import mann_kendall, trend_table
    from twigma.analysis.variation.conditional_vendi import conditional_vendi
    from twigma.analysis.variation.distance import mean_pairwise_distance
    from twigma.analysis.variation.duplicate_sensitivity import near_duplicates
    from twigma.analysis.variation.entropy_bins import entropies
    from twigma.analysis.variation.groups import grouped_distance, same_different_ratio
    from twigma.analysis.variation.measures import entropy, iev, pmv, vendi
    from twigma.analysis.variation.prompts import kendall, prompt_variation
    from twigma.analysis.variation.spread import variation_table
    from twigma.analysis.variation.text_variation import text_variation

# The module of each public name, which is imported when the name is first used.
_HOMES = {
    "api": ("FigureResult", "figure"),
    "comparison.cluster_shares": ("cluster_shares",),
    "comparison.divergence": ("kl_matrix",),
    "comparison.divergence_sensitivity": ("kl_sensitivity",),
    "comparison.hubness": ("csls", "hubness"),
    "comparison.joint_map": ("joint_map", "overlaps"),
    "comparison.kernel_distance": ("cmmd", "kernel_distances", "kid"),
    "comparison.manifold": ("manifolds",),
    "inference.intervals": ("Estimate", "interval"),
    "inference.multiple_testing": ("benjamini_hochberg",),
    "inference.proportions": ("weighted_share", "wilson"),
    "inference.sample_weights": ("weighted_mean",),
    "likes.eq1": ("eq1", "eq1_sensitivity"),
    "likes.event_study": ("event_study",),
    "likes.nsfw": ("nsfw_likes",),
    "likes.quintiles": ("likes_by_quintile", "quintiles"),
    "neighbours.search": ("mean_top_k", "nearest"),
    "themes.captions_and_nsfw": ("nsfw_density", "nsfw_share", "top_words"),
    "themes.drift": ("drift",),
    "themes.similar_pairs": ("neighbour_pairs",),
    "themes.timeline": (
        "cluster_share",
        "frequent_words",
        "growth",
        "posts_per_month",
    ),
    "themes.trends": ("mann_kendall", "trend_table"),
    "variation.conditional_vendi": ("conditional_vendi",),
    "variation.distance": ("mean_pairwise_distance",),
    "variation.duplicate_sensitivity": ("near_duplicates",),
    "variation.entropy_bins": ("entropies",),
    "variation.groups": ("grouped_distance", "same_different_ratio"),
    "variation.measures": ("entropy", "iev", "pmv", "vendi"),
    "variation.prompts": ("kendall", "prompt_variation"),
    "variation.spread": ("variation_table",),
    "variation.text_variation": ("text_variation",),
}
_, __getattr__ = lazy_names(__name__, _HOMES)

__all__ = [
    "Estimate",
    "FigureResult",
    "benjamini_hochberg",
    "cluster_share",
    "cluster_shares",
    "cmmd",
    "conditional_vendi",
    "csls",
    "drift",
    "entropies",
    "entropy",
    "eq1",
    "eq1_sensitivity",
    "event_study",
    "figure",
    "frequent_words",
    "grouped_distance",
    "growth",
    "hubness",
    "iev",
    "interval",
    "joint_map",
    "kendall",
    "kernel_distances",
    "kid",
    "kl_matrix",
    "kl_sensitivity",
    "likes_by_quintile",
    "manifolds",
    "mann_kendall",
    "mean_pairwise_distance",
    "mean_top_k",
    "near_duplicates",
    "nearest",
    "neighbour_pairs",
    "nsfw_density",
    "nsfw_likes",
    "nsfw_share",
    "overlaps",
    "pmv",
    "posts_per_month",
    "prompt_variation",
    "quintiles",
    "same_different_ratio",
    "text_variation",
    "top_words",
    "trend_table",
    "variation_table",
    "vendi",
    "weighted_mean",
    "weighted_share",
    "wilson",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
