"""What the columns of the tables behind the charts mean, for captions; a test asks for every column that is drawn.

A name means the same in every table, but for those in `OF_TABLE`.
"""

COLUMNS = {
    # Which row it is.
    "set": "the set of images",
    "set_a": "the first set of images",
    "set_b": "the second set of images",
    "row": "the set P whose divergence is measured",
    "column": "the set Q from which it is measured",
    "kind": "the kind of text",
    "month": "the calendar month, UTC",
    "date": "the date, UTC",
    "created_at": "when the image was posted, UTC",
    "event": "the release of an image model",
    "outcome": "what may jump at it",
    "cluster": "the number of the cluster",
    "quintile": "the fifth of the images by similarity, 1 the least and 5 the most similar",
    "term": "the term of the regression",
    "word": "the word",
    "mode": "“robust” for our estimator, “paper” for the paper's",
    "measure": "the measure",
    "estimator": "how it was estimated: by the model alone, the labels alone, or the model corrected by the labels",
    "what": "what the row is about",
    "group": "the month or cluster; empty for all images",
    # What was estimated, and how sure it is.
    "value": "the estimate",
    "mean": "the mean number of likes of an image",
    "share": "the share, from 0 to 1",
    "distance": "the mean Euclidean distance of two embeddings, 0 for equal and 2 for opposite ones",
    "irr": "the rate ratio of likes",
    "kl": "the smoothed Kullback–Leibler divergence KL(P‖Q), in nats",
    "kl_raw": "the same without smoothing",
    "jump": "the jump at the date: a ratio for counts and likes, else a difference",
    "density": "the density of the scores",
    "low": "the lower limit of the 95% interval",
    "high": "the upper limit of the 95% interval",
    "robust_low": "the lower limit of the 95% interval by author",
    "robust_high": "the upper limit of the 95% interval by author",
    "se": "the standard error, for ratios on the log scale",
    "p": "the p-value",
    "p_adjusted": "the p-value adjusted for all tests (Benjamini and Hochberg)",
    "p_placebo": "the share of other dates with as large a jump",
    "p_permutation": "the p-value of the permutation test that both sets are alike",
    "z": "the jump over its standard error",
    # From how many.
    "n": "images it rests on",
    "m": "images of the other set",
    "count": "how many",
    "posts": "posts",
    "images": "images",
    "sampled": "posts of the sample, where `posts` is an estimate of the complete list",
    "days": "days of the month that the collection covers",
    "cut": "whether the collection covers a part of the month alone",
    "words": "words of the prompt",
    "groups": "groups of images (artists or prompts)",
    "blocks": "authors, artists or prompts, as many as they are worth when of one size",
    "owners_known": "whether these are known",
    "owners_unknown": "sets whose authors, artists or prompts are not known",
    "labels": "images that people labelled",
    "authors": "their authors",
    "effective": "authors, as many as they are worth when of one size",
    "clusters": "authors that the interval takes together",
    "effective_clusters": "the same, as many as they are worth when of one size",
    "placebos": "other dates it is compared with",
    # How it was computed.
    "k": "number of clusters of the codebook",
    "seed": "seed of the draws",
    "codebook": "“pairwise” for clusters of each pair of sets, “pooled” for those of all sets",
    "empty_column": "clusters of P that are empty in Q",
    "empty_bins": "clusters that are empty in one of the two",
    "noise_floor": "what two samples of one set give on average",
    "noise_95": "what they give in at most one of twenty cases",
    "dispersion": "the Pearson dispersion, 1 for Poisson counts",
    "se_kind": "“naive”, or what the standard error takes together",
    "se_method": "how the standard error was computed",
    "dropped": "images left out, as they lack a value",
    "weighted": "whether images were weighted",
    "widened": "how many times the standard error was widened to the jumps at other dates",
    "reason": "why there is no estimate",
    # Maps.
    "x": "the first map coordinate",
    "y": "the second map coordinate",
    "UMAP_dim_1": "the first map coordinate",
    "UMAP_dim_2": "the second map coordinate",
}
OF_TABLE = {
    ("fig1c", "count"): "how many times it was written",
    ("fig1c", "share"): "its share of all words, from 0 to 1",
    ("fig4b", "n"): "images of the cluster in the month",
    ("fig4b", "share"): "its share of the month's images, from 0 to 1",
    ("fig4d", "low"): "the lower edge of the bin of scores",
    ("fig4d", "high"): "the upper edge of the bin of scores",
    ("fig4d", "n"): "scores in the bin",
    ("fig3d", "set"): "the kind of text",
    ("fig3d", "distance"): "the mean Euclidean distance of two embedded texts",
    (
        "fig3d",
        "base_distance",
    ): "the same of the prompts, by which the others are matched in length",
    ("fig3d", "difference"): "the distance less that of the prompts",
    ("fig3d", "difference_low"): "the lower limit of its 95% interval",
    ("fig3d", "difference_high"): "the upper limit of its 95% interval",
    ("fig3d", "unmatched"): "the distance without matching by length",
    (
        "fig3d",
        "support",
    ): "the share of the prompts whose length the kind has, from 0 to 1",
    ("fig3d", "effective"): "texts, as many as they are worth after matching",
    ("fig3d", "median_words"): "the median number of words",
    (
        "fig3d",
        "long",
    ): "the share of texts longer than the 77 tokens that the encoder reads",
    ("fig3d", "n"): "texts",
    ("corrected", "column"): "the column that a model filled in",
}
UNKNOWN = "not described"


def meaning(table: str, column: str) -> str:
    """What a column of a table is, as it reads after its name; "not described" for one that is not listed here.

    >>> meaning("fig4d", "low"), meaning("fig2b", "low")
    ('the lower edge of the bin of scores', 'the lower limit of the 95% interval')
    """
    return OF_TABLE.get((table, column), COLUMNS.get(column, UNKNOWN))
