"""The figures of the report: what each needs, computes, draws and says; `CHAPTERS` lists them as the paper does."""

from twigma.analysis.figures import (
    fig1,
    fig2_sets,
    fig2c_divergence,
    fig2d_eq1,
    fig2d_likes,
    fig3_prompts,
    fig3_variation,
    fig4_images,
    fig4_nsfw,
    fig4_themes,
)
from twigma.analysis.figures.beyond_paper import (
    annotators,
    cluster_counts,
    corrected_measurement,
    corrected_regression,
    entropy_bins,
    like_variants,
    model_releases,
    near_duplicates,
    per_image,
    prompt_vendi,
    set_distances,
)
from twigma.analysis.figures.contract import Chapter, Figure
from twigma.analysis.figures.overview import fig1a_process

__all__ = ["CHAPTERS", "FIGURES", "Chapter", "Figure"]

# A section of the report each; its figures are computed in this order too.
CHAPTERS: tuple[Chapter, ...] = (
    fig1a_process.PROCESS,
    fig1.POSTS,
    fig1.WORDS,
    fig2_sets.MAP,
    fig2_sets.CLUSTERS,
    fig2c_divergence.DIVERGENCE,
    fig2d_likes.LIKES,
    fig2d_eq1.REGRESSION,
    like_variants.VARIANTS,
    like_variants.NSFW,
    fig3_variation.DISTANCES,
    fig3_variation.OTHER_MEASURES,
    entropy_bins.ENTROPIES,
    near_duplicates.NEAR_DUPLICATES,
    fig3_prompts.LENGTHS,
    prompt_vendi.PROMPT_VENDI,
    fig3_prompts.TEXTS,
    set_distances.SET_DISTANCES,
    fig4_themes.DRIFT,
    fig4_themes.TRENDS,
    cluster_counts.CLUSTER_COUNTS,
    fig4_themes.THEMES,
    fig4_images.IMAGES_OF_CLUSTERS,
    annotators.ANNOTATORS,
    fig4_nsfw.NSFW,
    corrected_measurement.CORRECTED_MEASUREMENT,
    corrected_regression.CORRECTED_REGRESSION,
    fig4_images.PAIRS,
    model_releases.MODEL_RELEASES,
    per_image.PER_IMAGE,
)


def _figures() -> tuple[Figure, ...]:
    """The figures of all chapters, each once."""
    by_name: dict[str, Figure] = {}
    for chapter in CHAPTERS:
        for figure in (*chapter.figures, *chapter.details):
            by_name.setdefault(figure.name, figure)
    return tuple(by_name.values())


FIGURES = _figures()
