"""Every number the paper states, as a claim that ours can be held against; `twigma analyze` judges them.

What the paper only draws (most of Fig 2c, all of Fig 3b, the densities of Fig 4d) is no number, and not here.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise

from twigma.analysis.inference.intervals import Z
from twigma.analysis.paper import stated
from twigma.analysis.paper.verdicts import Claim, Kind

# The paper's set in each role.
NAMES = {
    "photographs": "LAION",
    "paintings": "ArtBench",
    "prompts": "DiffusionDB",
    "twigma": "TWIGMA",
}
SEARCH = "a release holds what was kept; how many posts a search finds and how many have photos, `twigma status` counts"
PROMPTS_UNKNOWN = (
    "a p-value depends on the number of prompts, which the paper does not give"
)
OTHER_LABELS = (
    "cluster numbers mean the same only on the labels of the published table, which this data does not "
    "have"
)


def claims(names: Mapping[str, str], published_labels: bool) -> list[Claim]:
    """The claims, in the order of the paper.

    Parameters
    ----------
    names : our set by role (photographs, paintings, prompts, twigma), as the keys of the results name it.
    published_labels : whether the clusters are those of the published table; the paper's numbers mean no other.
    """
    return [
        *_counts(),
        *_divergence(names),
        *_likes(),
        *_regression(),
        *_distances(names),
        *_prompt_length(),
        *_trends(published_labels),
    ]


def _counts() -> Iterator[Claim]:
    """Section 2.1 and Fig 1b."""
    hashtags, posts, images = stated.HASHTAGS, stated.POSTS, stated.IMAGES
    found, with_photos = stated.POSTS_FOUND, stated.POSTS_WITH_PHOTOS
    yield _unstated("2.1", "hashtags searched", f"{hashtags}", hashtags, SEARCH)
    yield _unstated("2.1", "posts found", f"about {found:,}", found, SEARCH)
    text = f"about {with_photos:,}"
    yield _unstated("2.1", "posts with photos", text, with_photos, SEARCH)
    yield Claim("2.1", "posts", f"{posts:,}", "count", ("data/posts",), posts)
    yield Claim("2.1", "images", f"{images:,}", "count", ("data/images",), images)
    yield Claim(
        figure="Fig 1b",
        quantity="months",
        stated=f"{stated.MONTHS}",
        kind="count",
        keys=("data/months",),
        value=stated.MONTHS,
        result="fig1b",
    )
    yield Claim(
        figure="Fig 1b",
        quantity="growth of posts a month",
        stated="above 0",
        kind="positive",
        keys=("growth",),
        result="fig1b",
    )


def _unstated(figure: str, quantity: str, text: str, value: float, why: str) -> Claim:
    """A number of the paper that a release cannot be held against."""
    return Claim(figure, quantity, text, "unstated", value=value, why=why)


def _divergence(names: Mapping[str, str]) -> Iterator[Claim]:
    """Fig 2c."""
    for (row, column), value in stated.KL.items():
        yield Claim(
            figure="Fig 2c",
            quantity=f"KL({NAMES[row]}‖{NAMES[column]}), the paper's recipe",
            stated=f"{value}",
            kind="number",
            keys=(f"kl_paper/{names[row]}/{names[column]}",),
            value=value,
            rounding=0.005,
            result="fig2c",
        )


def _likes() -> Iterator[Claim]:
    """Fig 2d."""
    for role, quintiles in stated.LIKES.items():
        for quintile, (value, low, high) in quintiles.items():
            yield Claim(
                figure="Fig 2d",
                quantity=f"mean likes, {NAMES[role]}, quintile {quintile}",
                stated=f"{value} [{low}, {high}]",
                kind="number",
                keys=(f"likes/{role}/{quintile}",),
                value=value,
                low=low,
                high=high,
                rounding=0.05,
                result=f"fig2d_{role}",
            )


def _regression() -> Iterator[Claim]:
    """Eq (1)."""
    for role, quintiles in stated.EQ1.items():
        for quintile, ratio in quintiles.items():
            if ratio is not None:
                yield _rate_ratio(role, quintile, *ratio)


def _rate_ratio(
    role: str, quintile: int, value: float, low: float | None, high: float | None
) -> Claim:
    text = f"{value}"
    if low is not None:
        text = f"{value:.2f} [{low:.2f}, {high:.2f}]"
    return Claim(
        figure="Eq (1)",
        quantity=f"rate ratio, {NAMES[role]}, quintile {quintile}",
        stated=text,
        kind="ratio",
        keys=(f"eq1/{role}/robust/quintile {quintile}",),
        value=value,
        low=low,
        high=high,
        # The paper gives three significant digits.
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
    parts = []
    for mean, low, high in stated.LIKES[role].values():
        if low and high:
            parts.append((high - low) / 2 / Z / mean)
    return math.hypot(*parts)


def _distances(names: Mapping[str, str]) -> Iterator[Claim]:
    """Fig 3a: the order of the sets, one claim for each two neighbours in it, and the ratio within prompts."""
    for more, less in pairwise(stated.DISTANCE_ORDER):
        yield Claim(
            figure="Fig 3a",
            quantity=f"mean distance, {NAMES[more]} less {NAMES[less]}",
            stated="above 0",
            kind="positive",
            keys=(f"distance/{names[more]}", f"distance/{names[less]}"),
            result="fig3ab",
        )
    yield Claim(
        figure="Fig 3a",
        quantity="mean distance, same prompt / different prompt",
        stated=f"about {stated.SAME_PROMPT_RATIO}",
        kind="number",
        keys=("ratio/same prompt",),
        value=stated.SAME_PROMPT_RATIO,
        rounding=0.05,
        result="fig3ab: same prompt",
    )


def _prompt_length() -> Iterator[Claim]:
    """Fig 3c."""
    tau, p = stated.PROMPT_TAU, stated.PROMPT_TAU_P
    half = Z * abs(tau) / stated.PROMPT_TAU_Z
    yield Claim(
        figure="Fig 3c",
        quantity="Kendall's τ, words and distance (interval from the p-value)",
        stated=f"{tau}".replace("-", "−"),
        kind="number",
        keys=("prompt_tau",),
        value=tau,
        low=tau - half,
        high=tau + half,
        rounding=0.05,
        result="fig3c",
    )
    yield _unstated("Fig 3c", "p of that τ", f"{p}", p, PROMPTS_UNKNOWN)


def _trends(published: bool) -> Iterator[Claim]:
    """Fig 4b."""
    for cluster in stated.FALLING_CLUSTERS:
        yield _trend(cluster, "negative", "falls", published)
    for cluster in stated.RISING_CLUSTERS:
        yield _trend(cluster, "positive", "rises", published)


def _trend(cluster: int, kind: Kind, text: str, published: bool) -> Claim:
    quantity = f"share of cluster {cluster} over the months"
    if not published:
        return Claim("Fig 4b", quantity, text, "unstated", why=OTHER_LABELS)
    keys = (f"trend/{cluster}",)
    return Claim("Fig 4b", quantity, text, kind, keys, result="fig4b")
