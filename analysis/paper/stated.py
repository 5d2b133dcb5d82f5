"""What the TWIGMA paper states, in one place, so that the report can print it beside what we measure.

Chen & Zou, "TWIGMA: A dataset of AI-Generated Images with Metadata From Twitter", NeurIPS 2023 Datasets and
Benchmarks. A number the paper shows only as a picture, or not at all, is None. `twigma report` prints them.
"""

Interval = tuple[float, float | None, float | None]  # value, low, high

# Section 2.1 and Fig 1b. Table 1 of the paper says January 2020; its text and figure say January 2021.
HASHTAGS = 19  # their list is only in an image
# "About", before and after the photos were fetched.
POSTS_FOUND = 2_200_000
POSTS_WITH_PHOTOS = 1_300_000
POSTS = 623_707
IMAGES = 805_650
FIRST_MONTH = "2021-01"
LAST_MONTH = "2023-03"
MONTHS = 27
GROWTH: Interval | None = None  # Fig 1b: "steady growth", no rate

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

# Fig 3a: mean pairwise distance, most varied first; only the ratio below is a stated number.
DISTANCE_ORDER = ("photographs", "paintings", "prompts", "twigma")
SAME_PROMPT_RATIO = 0.5  # same prompt / any prompt
# Fig 3b: IEV, PMV and entropy are only in an image.
VARIATION: dict[str, float] | None = None

# Fig 3c: Kendall's tau between words of a prompt and the distance between its images.
PROMPT_TAU = -0.1
PROMPT_TAU_P = 0.01
PROMPT_TAU_Z = 2.5758293035489004  # the normal quantile of that p: the standard error of τ is its τ over this

# Fig 4b-d, on the authors' published labels.
FALLING_CLUSTERS = (1, 3, 4)
RISING_CLUSTERS = (8, 9)
THEME_WORDS = ("painting", "woman", "man")  # Fig 4c
NSFW_CLUSTERS = (5, 8)  # Fig 4c
NSFW_SHARE: float | None = None  # Fig 4d shows densities only
