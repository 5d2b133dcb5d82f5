"""What the TWIGMA paper states, in one place, so that the report can print it beside what we measure.

Chen & Zou, "TWIGMA: A dataset of AI-Generated Images with Metadata From Twitter", NeurIPS 2023 Datasets and
Benchmarks. A number the paper shows only as a picture, or not at all, is None. `twigma report` prints them.

Where the paper contradicts itself both statements are here: its Table 1 and its text name different first months, and
different sizes of DiffusionDB. The order of ArtBench, DiffusionDB and TWIGMA by mean distance is none of its claims:
it calls their variation similar.
"""

Interval = tuple[float, float | None, float | None]  # value, low, high

# The text and Fig 1.
HASHTAGS = 19  # their list is only in an image
# "About", before and after the photos were fetched.
POSTS_FOUND = 2_200_000
POSTS_WITH_PHOTOS = 1_300_000
UNAVAILABLE = 0.1  # "about", of the photos when they were fetched
POSTS = 623_707
IMAGES = 805_650
IMAGES_ROUNDED = 800_000  # "over", in the abstract
FIRST_MONTH = "2021-01"
FIRST_MONTH_IN_TABLE = "2020-01"  # Table 1
LAST_MONTH = "2023-03"
MONTHS = 27

# Images of DiffusionDB, in the text and in Table 1.
DIFFUSIONDB = 14_000_000
DIFFUSIONDB_IN_TABLE = 18_000_000

# Fig 1c: near the top, in no stated order.
WORDS = ("new", "ai", "art", "prompt", "prompts")

# Fig 2c: KL(row || column) of quantised embeddings, 10 clusters. Only this entry is in the text.
KL: dict[tuple[str, str], float] = {("photographs", "paintings"): 5.42}

# Fig 2d, right: mean likes by quintile of similarity (1 = least similar), with 95% intervals.
LIKES: dict[str, dict[int, Interval]] = {
    "photographs": {1: (30.1, 28.8, 31.5), 5: (23.8, 21.9, 25.7)},
    "paintings": {1: (31.9, 29.7, 34.1), 5: (24.1, 21.5, 26.7)},
}

# Eq (1): rate ratio of likes against quintile 5, with the paper's naive Poisson intervals.
EQ1: dict[str, dict[int, Interval | None]] = {
    "photographs": {
        1: (1.10, 1.09, 1.10),
        2: (1.02, 1.02, 1.03),
        3: None,
        4: None,
    },
    "paintings": {
        1: (1.19, 1.18, 1.19),
        2: (1.12, 1.11, 1.12),
        3: (0.992, None, None),
        4: (1.02, None, None),
    },
}

EQ1_P = 0.0001  # each of the four ratios with an interval is below it

# Fig 3a: mean pairwise distance. Photographs vary most, the three others alike; only the ratio below is a number.
MOST_VARIED = "photographs"
VARIED_ALIKE = ("paintings", "prompts", "twigma")
SAME_PROMPT_RATIO = 0.5  # same prompt / any prompt
LOWEST_ENTROPY = "twigma"

# Fig 3c: Kendall's tau between words of a prompt and the distance between its images.
PROMPT_TAU = -0.1
PROMPT_TAU_P = 0.01
PROMPT_TAU_Z = 2.5758293035489004  # the normal quantile of that p: the standard error of τ is its τ over this

# Fig 3d, by the name of the texts in ours: those as varied as prompts, and those less varied.
TEXTS_ALIKE = ("captions of our images", "posts")
TEXTS_LESS_VARIED = ("haiku", "book")

# Fig 4b-d, on the authors' published labels.
FALLING_CLUSTERS = (1, 3, 4)
RISING_CLUSTERS = (8, 9)
THEME_WORDS = ("painting", "woman", "man")  # Fig 4c
NSFW_CLUSTERS = (5, 8)  # Fig 4c; both grow

# People: annotators, who looked at so many images of each of so many clusters and named so many keywords for each.
ANNOTATORS = 4
ANNOTATED_CLUSTERS = 10
ANNOTATED_IMAGES = 10
KEYWORDS = 3
SPLIT_BY_PEOPLE = (1, 2, 7)
MERGED_BY_PEOPLE = (5, 8)
