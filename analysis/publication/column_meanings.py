"""What the columns of all tables mean, for captions; a test asks for every column of every table of the demo.

A name means the same in every table, but for those in `OF_TABLE`.
"""

from fnmatch import fnmatchcase

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
    "image_name": "the name of the image",
    "reference_name": "the name of the reference image",
    "id": "the post",
    "reference": "the reference set",
    "metric": "the measure",
    "variant": "which variant of the regression",
    "projection": "how the map was made",
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
    "similarity": "the cosine similarity of the two images",
    "overlap": "the area that two densities share, from 0 to 1",
    "ratio": "the mean distance within a group over that between groups",
    "same": "the mean distance within a group",
    "different": "the mean distance between groups",
    "r2": "the share of the variance that the groups explain",
    "iev": "the inverse explained variance",
    "pmv": "the geometric mean of the columns' standard deviations",
    "entropy": "the entropy over clusters, plug-in, in nats",
    "vendi": "the Vendi score, the effective number of different images",
    "miller_madow": "the entropy by Miller and Madow, in nats",
    "chao_shen": "the entropy by Chao and Shen, in nats",
    "normalised": "the plug-in entropy over that of equal clusters",
    "entropy_miller_madow": "the entropy by Miller and Madow, in nats",
    "entropy_chao_shen": "the entropy by Chao and Shen, in nats",
    "entropy_normalised": "the plug-in entropy over that of equal clusters",
    "tau": "Kendall's τ of the share and time",
    "slope": "the change of the share a month",
    "silhouette": "the mean silhouette of ten fits",
    "stability": "the mean adjusted Rand index of every two of ten fits",
    "least_stability": "the smallest of these",
    "stable": "whether it is .95 or more",
    "ari": "the adjusted Rand index with the labels of the release",
    "all_pairs": "the squared discrepancy over all pairs of images by different owners",
    "kl": "the smoothed Kullback–Leibler divergence KL(P‖Q), in nats",
    "kl_raw": "the same without smoothing",
    "paper": "what the paper states of the same sets; empty where it states nothing, and for other sets",
    "jump": "the jump at the date: a ratio for counts and likes, else a difference",
    "low": "the lower limit of the 95% interval",
    "high": "the upper limit of the 95% interval",
    "robust_low": "the lower limit of the 95% interval by author",
    "robust_high": "the upper limit of the 95% interval by author",
    "p_mann_kendall": "the p-value as if months were independent",
    "autocorrelation": "how far a month resembles the one before, beside a line",
    "autocorrelated": "whether it does beyond chance",
    "arrow": "“↑” or “↓” where there is evidence of a trend, else “→”",
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
    "rank": "its place, 1 the first",
    "months": "months with images",
    "prompts": "prompts",
    "drawn": "images that were looked at",
    "removed": "near duplicates among them, which were left out",
    "parts": "disjoint parts of the sets that were compared",
    "rising": "clusters that rise",
    "falling": "clusters that fall",
    "same_trend": "the share of images whose cluster moves as their cluster in the release does",
    "largest": "images that have the most frequent reference image among their nearest",
    "never": "the share of reference images that are nearest to none",
    "coverage_same": "the coverage that is expected of two samples of one set",
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
    "not_drawable": "images that the release did not have when others were drawn for labelling, left out",
    "authors": "their authors",
    "effective": "authors, as many as they are worth when of one size",
    "clusters": "authors that the interval takes together",
    "effective_clusters": "the same, as many as they are worth when of one size",
    "placebos": "other dates it is compared with",
    # How it was computed.
    "k": "number of clusters of the codebook",
    "seed": "seed of the draws",
    "codebooks": "codebooks it is averaged over",
    "codebook_sd": "the standard deviation between codebooks",
    "entropy_codebook_sd": "the standard deviation of the entropy between codebooks",
    "adjusted": "what was adjusted for",
    "near": "the similarity from which images are near duplicates",
    "without": "the estimate without near duplicates",
    "sensitive": "whether the image may be sensitive",
    "reference_sensitive": "whether the reference image may be",
    "mutual": "whether each is the other's nearest",
    "hub": "images to which the reference image is the nearest",
    "csls": "the similarity with hubs held back",
    "csls_name": "the nearest reference image by that similarity",
    "released": "the cluster of the release that it is matched with",
    "of_it": "the share of its images there",
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
    ("fig1a*", "step"): "the step",
    ("fig1a", "unit"): "what is counted: posts or images",
    ("fig1a", "count"): "how many it left",
    ("fig1b", "unit"): "what `posts` counts, where it is images on no post",
    ("fig1a_left_out", "reason"): "why images were left out",
    ("fig1a_left_out", "count"): "images left out for it",
    ("fig2a_density", "density"): "the density of the set's images there",
    ("fig2d_*_similarity", "low"): "the lower edge of the bin of similarities",
    ("fig2d_*_similarity", "high"): "the upper edge of the bin of similarities",
    ("fig2d_*_similarity", "density"): "the density of the similarities",
    ("fig3a_density", "low"): "the lower edge of the bin of distances",
    ("fig3a_density", "high"): "the upper edge of the bin of distances",
    ("fig3a_density", "density"): "the density of the distances",
    ("fig3b", "distance_pairs"): "the same, every pair counting the same",
    ("fig3c", "distance"): "the mean Euclidean distance of two images of the prompt",
    ("fig3c", "images"): "images of the prompt",
    ("fig1c", "count"): "how many times it was written",
    ("fig1c", "share"): "its share of all words, from 0 to 1",
    ("fig4b", "n"): "images of the cluster in the month",
    ("fig4b", "share"): "its share of the month's images, from 0 to 1",
    ("fig4b_trends", "group"): "the number of the cluster",
    ("fig4b_trends", "n"): "months with images",
    ("fig4c_*", "word"): "a word of the captions of the cluster",
    ("fig4c_*", "count"): "how many times it was written",
    ("fig4c_*", "score"): "how distinctive it is of the cluster (c-TF-IDF)",
    ("fig4d", "density"): "the density of the scores",
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
    ("fig4e_*", "near"): "whether their similarity is .95 or more",
    ("fig4e_*", "group"): "the artist or prompt of the reference image",
    ("clusters_k*", "k"): "the number of clusters",
    ("clusters_k_trends", "group"): "the number of the cluster",
    ("clusters_k_trends", "n"): "months with images",
    (
        "entropy_k",
        "rank",
    ): "the place of the set, 1 the most varied, by Miller and Madow",
    ("prompt_vendi", "m"): "images of each prompt",
    ("set_hubness", "k"): "nearest reference images of each image",
    ("set_hubness", "m"): "reference images",
    (
        "set_hubness",
        "value",
    ): "the skewness of how often each reference image is among the nearest",
    ("set_manifold", "k"): "the neighbour that gives a ball its radius",
    ("paper", "figure"): "where the paper says it",
    ("paper", "quantity"): "what is stated",
    ("paper", "sentence"): "the statement in a sentence",
    ("paper", "stated"): "the number as the paper writes it",
    ("paper", "kind"): "how ours is compared with it",
    ("paper", "paper"): "the paper's number",
    ("paper", "ours"): "ours",
    ("paper", "verdict"): "whether they agree",
    ("paper", "reason"): "why",
    ("corrected", "column"): "the column that a model filled in",
}
# Of columns that are named after another one.
LIMITS = {
    "_low": "the lower limit of the 95% interval of {}",
    "_high": "the upper limit of the 95% interval of {}",
}
# And after a reference set.
OF_REFERENCE = {
    "similarity_": "the mean of the five largest cosine similarities to {}",
    "quintile_": "its fifth by that of {}, 1 the least and 5 the most similar",
    "nearest_similarity_": "the cosine similarity to the most similar of {}",
    "nearest_": "the most similar image of {}",
}
UNKNOWN = "not described"


def meaning(table: str, column: str) -> str:
    """What a column of a table is, as it reads after its name; "not described" for one that is not listed here.

    >>> meaning("fig4d", "low"), meaning("fig2b", "low")
    ('the lower edge of the bin of scores', 'the lower limit of the 95% interval')
    """
    for (tables, name), text in OF_TABLE.items():
        if name == column and fnmatchcase(table, tables):
            return text
    return COLUMNS.get(column) or _of_another(table, column)


def _of_another(table: str, column: str) -> str:
    """The meaning of a column that is named after another one: a limit of it, or what it is of a reference set."""
    for ending, text in LIMITS.items():
        of = column.removesuffix(ending)
        if of != column and meaning(table, of) != UNKNOWN:
            return text.format(of)
    for beginning, text in OF_REFERENCE.items():
        of = column.removeprefix(beginning)
        if of != column:
            return text.format(of)
    return UNKNOWN
