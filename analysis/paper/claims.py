"""Every number the paper states, as a claim that ours can be held against; `twigma analyze` judges them.

What the paper only draws (most of Fig 2c, all of Fig 3b, the densities of Fig 4d) is no number, and not here.
"""

import math
from collections.abc import Iterator

from twigma.analysis.paper import stated as paper
from twigma.analysis.paper.verdicts import Claim, Kind, Z

NAMES = {
    "photographs": "LAION",
    "paintings": "ArtBench",
    "prompts": "DiffusionDB",
    "twigma": "TWIGMA",
}
SEARCH = "a release holds what was kept; how many posts a search finds and how many have photos, `twigma status` counts"


def claims(names: dict[str, str], published_labels: bool) -> list[Claim]:
    """The claims, in the order of the paper.

    Parameters
    ----------
    names : our set by role (photographs, paintings, prompts, twigma), as the keys of the results name it.
    published_labels : whether the clusters are those of the published table; the paper's numbers mean no other.
    """
    return [
        *_data(),
        *_divergence(names),
        *_likes(),
        *_regression(),
        *_variation(names),
        *_trends(published_labels),
    ]


def _data() -> Iterator[Claim]:
    yield Claim(
        "2.1",
        "hashtags searched",
        f"{paper.HASHTAGS}",
        "unstated",
        value=paper.HASHTAGS,
        why=SEARCH,
    )
    for what, count in (
        ("posts found", paper.POSTS_FOUND),
        ("posts with photos", paper.POSTS_WITH_PHOTOS),
    ):
        yield Claim(
            "2.1", what, f"about {count:,}", "unstated", value=count, why=SEARCH
        )
    yield Claim(
        "2.1", "posts", f"{paper.POSTS:,}", "count", ("data/posts",), paper.POSTS
    )
    yield Claim(
        "2.1", "images", f"{paper.IMAGES:,}", "count", ("data/images",), paper.IMAGES
    )
    yield Claim(
        "Fig 1b",
        "months",
        f"{paper.MONTHS}",
        "count",
        ("data/months",),
        paper.MONTHS,
        result="fig1b",
    )
    yield Claim(
        "Fig 1b",
        "growth of posts a month",
        "above 0",
        "positive",
        ("growth",),
        result="fig1b",
    )


def _divergence(names: dict[str, str]) -> Iterator[Claim]:
    for (row, column), value in paper.KL.items():
        key = f"kl_paper/{names[row]}/{names[column]}"
        quantity = f"KL({NAMES[row]}‖{NAMES[column]}), the paper's recipe"
        yield Claim(
            "Fig 2c",
            quantity,
            f"{value}",
            "number",
            (key,),
            value,
            rounding=0.005,
            result="fig2c",
        )


def _likes() -> Iterator[Claim]:
    for role, stated in paper.LIKES.items():
        for quintile, (value, low, high) in stated.items():
            quantity, key = (
                f"mean likes, {NAMES[role]}, quintile {quintile}",
                f"likes/{role}/{quintile}",
            )
            text = f"{value} [{low}, {high}]"
            yield Claim(
                "Fig 2d",
                quantity,
                text,
                "number",
                (key,),
                value,
                low,
                high,
                0.05,
                result=f"fig2d_{role}",
            )


def _regression() -> Iterator[Claim]:
    for role, ratios in paper.EQ1.items():
        for quintile, stated in ratios.items():
            if stated is not None:
                value, low, high = stated
                yield Claim(
                    "Eq (1)",
                    f"rate ratio, {NAMES[role]}, quintile {quintile}",
                    f"{value}"
                    if low is None
                    else f"{value:.2f} [{low:.2f}, {high:.2f}]",
                    "ratio",
                    (f"eq1/{role}/robust/quintile {quintile}",),
                    value,
                    low,
                    high,
                    rounding=0.0005 if value < 1 else 0.005,
                    se=implied_se(role),
                    result=f"eq1_{role}",
                )


def implied_se(role: str) -> float:
    """The standard error of a log rate ratio that the bars of Fig 2d imply: √Σ (half width / 1.96 mean)² of two bars.

    The rate ratio of quintiles 1 and 5 without followers is the ratio of their bars, so this is what the paper's own
    picture says of its precision: 54 to 97 times the naive Poisson standard error.

    >>> round(implied_se("photographs"), 3)
    0.047
    """
    parts = [
        (high - low) / 2 / Z / mean
        for mean, low, high in paper.LIKES[role].values()
        if low and high
    ]
    return math.hypot(*parts)


def _variation(names: dict[str, str]) -> Iterator[Claim]:
    for more, less in zip(paper.DISTANCE_ORDER, paper.DISTANCE_ORDER[1:], strict=False):
        keys = tuple(f"distance/{names[role]}" for role in (more, less))
        yield Claim(
            "Fig 3a",
            f"mean distance, {NAMES[more]} less {NAMES[less]}",
            "above 0",
            "positive",
            keys,
            result="fig3ab",
        )
    yield Claim(
        "Fig 3a",
        "mean distance, same prompt / different prompt",
        f"about {paper.SAME_PROMPT_RATIO}",
        "number",
        ("ratio/same prompt",),
        paper.SAME_PROMPT_RATIO,
        rounding=0.05,
        result="fig3ab: same prompt",
    )
    tau, half = paper.PROMPT_TAU, Z * abs(paper.PROMPT_TAU) / paper.PROMPT_TAU_Z
    yield Claim(
        "Fig 3c",
        "Kendall's τ, words and distance (interval from the p-value)",
        f"{tau}".replace("-", "−"),
        "number",
        ("prompt_tau",),
        tau,
        tau - half,
        tau + half,
        rounding=0.05,
        result="fig3c",
    )
    why = "a p-value depends on the number of prompts, which the paper does not give"
    yield Claim(
        "Fig 3c",
        "p of that τ",
        f"{paper.PROMPT_TAU_P}",
        "unstated",
        value=paper.PROMPT_TAU_P,
        why=why,
    )


def _trends(published: bool) -> Iterator[Claim]:
    why = "cluster numbers mean the same only on the labels of the published table, which this data does not have"
    signs: tuple[tuple[Kind, str, tuple[int, ...]], ...] = (
        ("negative", "falls", paper.FALLING_CLUSTERS),
        ("positive", "rises", paper.RISING_CLUSTERS),
    )
    for kind, text, clusters in signs:
        for cluster in clusters:
            quantity, key = (
                f"share of cluster {cluster} over the months",
                f"trend/{cluster}",
            )
            if published:
                yield Claim("Fig 4b", quantity, text, kind, (key,), result="fig4b")
            else:
                yield Claim("Fig 4b", quantity, text, "unstated", why=why)
