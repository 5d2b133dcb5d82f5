"""Measurement with imperfect models: shares, trends and regressions of a model's column, corrected by labels.

Arrays in, estimates out. A sample of images is drawn with known probabilities (`sampling`) and labelled by people; the
labels remove the model's bias (`pseudo_outcomes`); images of one author are taken together (`regression`).
"""

from twigma.analysis.exports import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "agreement": (
            "krippendorff_alpha",
            "mutual_information",
            "split_and_merged",
        ),
        "covariates": ("outcome_regression", "rate_ratio"),
        "estimates": ("Labelled", "monthly_trend", "share", "shares_by"),
        "planning": (
            "expected_width",
            "labels_needed",
            "residual_variance",
            "variance_of",
        ),
        "pseudo_outcomes": ("PseudoOutcomes",),
        "regression": ("Fit", "regress"),
        "sampling": ("Draw", "draw_sample", "score_strata"),
    },
)
