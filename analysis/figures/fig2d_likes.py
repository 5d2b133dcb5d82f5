"""Fig 2d: likes by similarity to human images, in quintiles."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twigma.analysis.figures.contract import (
    ROLES,
    Chapter,
    Figure,
    set_name,
    weighting_notes,
)
from twigma.analysis.inputs.load import Images, Inputs
from twigma.analysis.inputs.reference_similarity import reference_similarity
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.neighbours.search import TOP_K
from twigma.analysis.page.drawing import COLOURS, axes
from twigma.analysis.page.formatting import (
    interval,
    listed,
    number,
    plural,
    table,
)
from twigma.analysis.page.marks import draw_intervals, legend_of_panels, short_names
from twigma.analysis.page.section import Results, Section, Tables, records
from twigma.analysis.paper import stated
from twigma.analysis.paper.provenance import other_sets
from twigma.core.safety.failures import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

HEADER = (
    "Reference",
    "Quintile",
    "n",
    "Mean likes [95%]",
    "By author [95%]",
    "Paper",
)

# ------------------------------------------------------------------ computed


def likes_against(role: str) -> Callable[[Inputs, Settings], Result]:
    """The function that computes likes by similarity to one role of reference."""

    def compute(data: Inputs, settings: Settings) -> Result:
        """Mean likes of each quintile of similarity.

        Tables: `fig2d_ROLE` (quintile, n, mean, low, high, robust_low, robust_high, set); `fig2d_ROLE_similarity` (low,
        high, density), the distribution of the similarity.
        Values: `likes/ROLE/QUINTILE`; `likes_ratio/ROLE`, the mean of quintile 1 over that of quintile 5;
        `similarity/ROLE`, the mean similarity of all images.
        """
        from twigma.analysis.likes.quintiles import (
            least_to_most,
            likes_by_quintile,
            quintiles,
        )
        from twigma.analysis.vectors.density import density_table

        images = data.images
        weights = images.weights()
        similarity = mean_similarity(data, settings, role)
        quintile = quintiles(similarity, weights)
        likes = images.values("like_count")
        blocks = _blocks(images)
        means = likes_by_quintile(quintile, likes, weights, blocks)
        _check_ends(means, getattr(settings, role))
        values = entries(means, f"likes/{role}", ["quintile"], "mean")
        ratio = least_to_most(quintile, likes, weights, blocks)
        values[f"likes_ratio/{role}"] = dict(ratio)
        level = float(similarity.mean())
        name = getattr(settings, role)
        values[f"similarity/{role}"] = {
            "value": level,
            "n": len(similarity),
            "set": name,
            "why_other": other_sets(data, settings).get(role, ""),
        }
        return Result(
            n=int(means["n"].sum()),
            tables={
                f"fig2d_{role}": means.assign(set=name),
                f"fig2d_{role}_similarity": density_table(similarity, weights),
            },
            values=values,
            notes=weighting_notes(images),
        )

    return compute


def _check_ends(means: pd.DataFrame, name: str) -> None:
    """ValueError where the least or the most similar fifth, which are compared, has no image with likes."""
    if {1, 5} <= set(means["quintile"]):
        return
    raise DataError(
        f"expected images with a like count among the fifth least similar to {name} and the fifth most similar, found "
        f"{plural(int(means['n'].sum()), 'image')} with one, in quintile {listed(map(number, means['quintile']))}"
    )


def mean_similarity(data: Inputs, settings: Settings, role: str) -> NDArray[np.float32]:
    """Mean of the five largest similarities of each image to a role's images, [n] (paper, Fig 2d)."""
    similarity = reference_similarity(data, settings, role)
    if similarity.size < TOP_K:
        name = getattr(settings, role)
        raise DataError(
            f"expected at least {TOP_K} images of {name} to compare with, found {similarity.size}"
        )
    return similarity.mean


def _blocks(images: Images) -> NDArray[np.float64]:
    """The author of each image as a number, its post where authors are not known: likes depend on each other within."""
    column = "author_id" if images.has("author_id") else "id"
    return images.numbered(column)[images.rows]


# ------------------------------------------------------------------ drawn


def draw_likes(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """For each reference the distribution of the similarity, and beside it the mean likes of each quintile."""
    roles = [role for role in ROLES if f"fig2d_{role}" in tables]
    options: Any = {"squeeze": False, "sharex": "col", "sharey": "col"}
    figure, panels = axes(len(roles), 2, height=2.7 * len(roles), into=into, **options)
    for (left, right), role in zip(panels, roles, strict=True):
        means = tables[f"fig2d_{role}"]
        (name,) = short_names([means["set"].iloc[0]])
        _draw_similarity(left, tables[f"fig2d_{role}_similarity"])
        left.set_title(f"Similarity to {name}")
        _draw_quintiles(right, means)
        right.set_title("Mean likes per image")
    legend_of_panels(figure, panels[0][1])
    panels[-1][0].set_xlabel("Mean of the five largest cosines")
    panels[-1][1].set_xlabel("Quintile (1 least, 5 most similar)")
    return figure


def _draw_similarity(ax: "Axes", bins: pd.DataFrame) -> None:
    edges = [*bins["low"], bins["high"].iloc[-1]]
    ax.stairs(bins["density"], edges, color=COLOURS[0], fill=True, alpha=0.6)
    ax.set_ylabel("Density of images")


def _draw_quintiles(ax: "Axes", means: pd.DataFrame) -> None:
    """The honest interval as a line, the naive one as a pale band behind it."""
    naive = means[["low", "high"]].to_numpy(float)
    known = np.isfinite(naive).all(axis=1)
    band: Any = {"color": COLOURS[1], "lw": 7, "alpha": 0.55}
    place = means["quintile"].to_numpy(float)
    if known.any():
        limits = naive[known].T
        label = "as if independent (paper)"
        ax.vlines(place[known], *limits, label=label, **band)
    honest = ("robust_low", "robust_high")
    draw_intervals(
        ax, place, means, "mean", limits=honest, along="y", label="by author or post"
    )
    ax.set(xticks=range(1, 6), xlim=(0.5, 5.5))


# ------------------------------------------------------------------ described


def describe_likes(results: Results) -> Section:
    """Likes of the least and of the most similar images."""
    roles = [role for role in ROLES if f"fig2d_{role}" in results.figures]
    claims = []
    levels = []
    rows: list[tuple[object, ...]] = []
    for role in roles:
        claims.append(_least_and_most(results, role))
        levels.append(
            f"{set_name(results, role)} {results.interval(f'similarity/{role}')}"
        )
        rows.extend(_rows(results, role))
    claim = "; ".join(claims) + "."
    n = results.figures[f"fig2d_{roles[0]}"]["n"]
    return Section(
        figure="Fig 2d",
        title="Likes and similarity to human images",
        claim=claim[0].upper() + claim[1:],
        basis=f"{plural(n, 'image')} with a like count; intervals in the sentence by author "
        f"(post where authors are not known). Mean similarity to {listed(levels)}.",
        paper="The least similar fifth got more likes: 30.1 against 23.8 (LAION), 31.9 against 24.1 (ArtBench).",
        differs="Similarity is the mean of the five largest cosines, by exact search in references of equal size. "
        "The intervals drawn as lines are by author (by post where authors are not known); the pale ones take images "
        "as independent, as the paper does; that of the ratio is by the jackknife.",
        alt="For each reference set the distribution of the similarity, and the mean likes of its quintiles with "
        "intervals by author and as if images were independent.",
        tables=(table("Mean likes by quintile", HEADER, rows, folded=True),),
    )


def _least_and_most(results: Results, role: str) -> str:
    """The mean likes of both with their intervals by author, and whether their ratio tells them apart."""
    means = {row.quintile: row for row in records(results.tables[f"fig2d_{role}"])}
    texts = []
    for quintile in (1, 5):
        row = means[quintile]
        texts.append(interval(row.mean, row.robust_low, row.robust_high))
    name = set_name(results, role)
    text = f"images least similar to {name} got {texts[0]} likes on average, the most similar {texts[1]}"
    ratio = results.values[f"likes_ratio/{role}"]
    low, high = ratio["low"], ratio["high"]
    return f"{text}: a ratio of {interval(ratio['value'], low, high)}{doubt(low, high)}"


def is_papers_set(results: Results, role: str) -> bool:
    """Whether the paper's numbers of a role are of the set that played it here."""
    return not results.values.get(f"similarity/{role}", {}).get("why_other", "")


def doubt(low: float | None, high: float | None) -> str:
    """What a ratio's interval leaves open, after its sentence; nothing where it excludes 1."""
    if low is None or high is None or np.isnan(high - low):
        return ", without an interval"
    return "" if low > 1 or high < 1 else " (no difference is shown)"


def _rows(results: Results, role: str) -> list[tuple[object, ...]]:
    """The quintiles of one reference, with both intervals and the paper's numbers."""
    rows: list[tuple[object, ...]] = []
    for row in records(results.tables[f"fig2d_{role}"]):
        known = stated.LIKES[role].get(row.quintile)
        paper = None
        if known is not None and is_papers_set(results, role):
            paper = interval(*known)
        rows.append(
            (
                set_name(results, role),
                row.quintile,
                row.n,
                interval(row.mean, row.low, row.high),
                interval(row.mean, row.robust_low, row.robust_high),
                paper,
            )
        )
    return rows


# ------------------------------------------------------------------ what they need

FIG2D = tuple(
    Figure(
        f"fig2d_{role}",
        likes_against(role),
        needs=("embedding", "like_count", f"@{role}"),
    )
    for role in ROLES
)
LIKES = Chapter(describe_likes, FIG2D, draw=draw_likes)
