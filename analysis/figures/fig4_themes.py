"""Fig 4a to 4c: the map of the images over time, the share of each theme, and the words of each theme."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from twigma.analysis.figures.contract import Chapter, Figure, weighting_notes
from twigma.analysis.inference.sample_weights import sample_weights
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.drawing import COLOURS, axes, date_colours
from twigma.analysis.page.formatting import (
    frequent_words,
    interval,
    listed,
    number,
    p_value,
    plural,
    table,
)
from twigma.analysis.page.marks import ends_on_x, label_lowest, month_ticks, panel_grid
from twigma.analysis.page.section import Results, Section, Tables, records
from twigma.analysis.paper import stated
from twigma.core import columns
from twigma.core.safety.failures import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

MAP = ["UMAP_dim_1", "UMAP_dim_2"]
MOST_POINTS = 20_000  # of the map that the report draws
DAY = 86_400_000  # milliseconds
PANELS = 4  # beside one another, one less with scales of their own
DWARFING = 5  # times the highest share of another cluster
OWN_SCALES = "Share (%), each on a scale of its own"
PALE_GROUND = "#fefefe"  # at night too, for dark points
LEVEL = 0.05  # below it, a correlation is beyond chance
# An author's images lie and are posted close together, which alone makes p small.
UNTESTED = "cannot be told without authors, as images by one author are alike"
SHOWN_WORDS = 8  # of each cluster
TOP_WORDS = 4  # of all captions, in the sentence
TRENDS_HEADER = (
    "Cluster",
    "Trend",
    "Points a month [95%]",
    "p, adjusted",
    "Kendall's τ",
    "Autocorrelation",
)

# ------------------------------------------------------------------ Fig 4a: the map over time


def compute_drift(data: Inputs, settings: Settings) -> Result:
    """The map of the images, and whether place and date are related.

    Table: `fig4a` (UMAP_dim_1, UMAP_dim_2, created_at), at most 20,000 images drawn at random.
    Value: `drift`, the distance correlation of place and date over images of different authors.
    """
    from twigma.analysis.themes.drift import drift

    table = data.images.table
    images = table.select([*MAP, "created_at"]).to_pandas()
    images = images.dropna(subset=[*MAP, "created_at"])
    rows = images.index.to_numpy()
    authors = None
    if data.images.has("author_id"):
        authors = data.images.numbered("author_id")[rows]
    weights = sample_weights(table)
    dependence = drift(
        images[MAP].to_numpy(float),
        images["created_at"].to_numpy(),
        authors,
        weights=None if weights is None else weights[rows],
        seed=settings.seed,
    )
    order = np.random.default_rng(settings.seed).permutation(len(images))
    places = images[[*MAP, "created_at"]].iloc[np.sort(order[:MOST_POINTS])]
    return Result(
        n=len(images),
        tables={"fig4a": places.reset_index(drop=True)},
        values={"drift": dict(dependence)},
        notes=weighting_notes(data.images),
    )


def draw_drift(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """A point for each image, coloured by date; in random order, so that no date covers another."""
    points = tables["fig4a"].sample(frac=1, random_state=0)
    milliseconds = points["created_at"].astype("datetime64[ms]").astype("int64")
    days = milliseconds.to_numpy() / DAY
    figure, ax = axes(into=into, height=4.6)
    x, y = (points[name] for name in MAP)
    drawn = ax.scatter(x, y, c=days, s=4, cmap=date_colours(), lw=0, rasterized=True)
    bar = figure.colorbar(drawn, ax=ax, label="Date of the post (UTC)")
    ticks = month_ticks(days.min(), days.max())
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    ax.set(xlabel="UMAP dimension 1", ylabel="UMAP dimension 2", xticks=[], yticks=[])
    ax.set_facecolor(PALE_GROUND)
    return figure


def describe_drift(results: Results) -> Section:
    """Whether place on the map and date of the post are related."""
    drift = results.values["drift"]
    correlation = f"distance correlation {number(drift['value'], 2)}"
    if drift["authors"] is None:
        claim = f"Place on the map and date of the post: {correlation}. Whether that is beyond chance {UNTESTED}"
        basis = "all taken as by different authors, since authors are not known"
    else:
        claim = _relation(drift, correlation)
        basis = (
            f"{_by_authors(drift)}, of which only those by different ones are compared"
        )
    return Section(
        figure="Fig 4a",
        title="Where images lie, and when they were posted",
        claim=f"{claim}; 0 is independent, 1 determined.",
        basis=f"{plural(results.figures['fig4a']['n'], 'image')}; the correlation on a sample of {number(drift['n'])}, "
        f"{basis}.",
        paper="Shown as a map only; no number stated.",
        differs="The paper shows the drift; the bias-corrected distance correlation is ours.",
        alt="Scatter plot of the UMAP of the images, coloured by the date of the post.",
    )


def _by_authors(drift: Mapping[str, Any]) -> str:
    """How many authors the images are by, and how many have none."""
    text = f"by {plural(drift['authors'], 'author')}"
    alone = drift.get("without_author")
    if alone:
        text += f" and {number(alone)} without an author, each taken as by another one"
    return text


def _relation(drift: Mapping[str, Any], correlation: str) -> str:
    """Whether place and date are related, where the test of so many authors can tell."""
    if drift["p_floor"] >= LEVEL:
        return (
            f"Images {_by_authors(drift)} are too few to tell whether place on the map and date of "
            f"the post are related: {correlation}, and the smallest p that the test can give is "
            f"{number(drift['p_floor'], 2)}"
        )
    related = "related" if drift["p"] < LEVEL else "not visibly related"
    return f"Place on the map and date of the post are {related}: {correlation} ({p_value(drift['p'])})"


# ------------------------------------------------------------------ Fig 4b: themes over time


def compute_trends(data: Inputs, settings: Settings) -> Result:
    """Share of each cluster per month, and which rise or fall; ValueError for fewer than 4 months with images.

    Tables: `fig4b` (month, cluster, n, share), NaN in months without images; `fig4b_trends`, a row per cluster.
    Values: `trend/CLUSTER`, Kendall's τ of its share over the months.
    """
    from twigma.analysis.themes.timeline import cluster_share
    from twigma.analysis.themes.trends import has_trends, too_short, trend_table

    shares = cluster_share(data.images.table)
    grouped = shares.rename(columns={"cluster": "group"})
    trends = trend_table(grouped)
    if not has_trends(trends):
        months = int(trends["n"].max())
        raise DataError(f"{too_short(months)}: add images of other months")
    return Result(
        n=int(shares["n"].sum()),
        tables={"fig4b": shares, "fig4b_trends": trends},
        values=entries(trends, "trend", ["group"], "tau"),
        notes=weighting_notes(data.images),
    )


def draw_trends(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """The share of each cluster per month, one panel for each; on scales of their own where one dwarfs the others."""
    shares = tables["fig4b"].pivot(index="month", columns="cluster", values="share")
    clusters = shares.shape[1]
    highest = shares.max().dropna()
    dwarfed = bool(highest.max() > DWARFING * highest.min())
    rows, columns = panel_grid(clusters, PANELS - dwarfed)
    options: Any = {"squeeze": False, "sharex": True, "sharey": not dwarfed}
    height = 1.7 * rows + 0.5
    figure, panels = axes(rows, columns, height=height, into=into, **options)
    for ax, cluster in zip(panels.flat, shares, strict=False):
        percentages = 100 * shares[cluster].to_numpy(float)
        ax.plot(percentages, color=COLOURS[0], lw=1.6, marker=".", ms=4)
        ax.set_title(f"cluster {cluster}")
        ax.locator_params(axis="y", nbins=3)
    label_lowest(panels, clusters)
    for ax in panels.flat[:clusters]:
        # Only now: a limit set before a panel is drawn would hold for the panels after it.
        ax.set_ylim(0, max(ax.get_ylim()[1], 1e-9))
        ends_on_x(ax, list(shares.index))
    figure.supylabel(OWN_SCALES if dwarfed else "Share (%)", fontsize=11)
    return figure


def describe_trends(results: Results) -> Section:
    """The clusters that rise, and those that fall."""
    trends = results.tables["fig4b_trends"]
    rising = trends.loc[trends["arrow"] == "↑", "group"]
    falling = trends.loc[trends["arrow"] == "↓", "group"]
    rows = []
    for row in records(trends):
        points_a_month = interval(
            100 * row.slope, 100 * row.slope_low, 100 * row.slope_high
        )
        p = p_value(row.p_adjusted)
        autocorrelation = number(row.autocorrelation, 2)
        rows.append(
            (row.group, arrow(row), points_a_month, p, row.tau, autocorrelation)
        )
    n, months = results.figures["fig4b"]["n"], int(trends["n"].max())
    return Section(
        figure="Fig 4b",
        title="Themes over time",
        claim=f"Rising clusters: {listed(rising)}; falling: {listed(falling)}.{_dependence(trends)}",
        basis=f"{plural(n, 'image')} in {plural(months, 'month')}{_gaps(results.tables['fig4b'])}; a straight line for "
        "each cluster, averaged over what the autocorrelation of its months may be; p-values adjusted by Benjamini and "
        "Hochberg over the clusters.",
        paper=f"On the authors' published labels clusters {listed(stated.FALLING_CLUSTERS)} fall and "
        f"{listed(stated.RISING_CLUSTERS)} rise; cluster numbers mean the same only on those labels.",
        differs="The paper reads trends off the figure; the tests are ours. No arrow means no evidence, not a share "
        "that stays.",
        alt="Line charts of each cluster's share of the month's images, broken where a month has none.",
        tables=(table("Trend of each cluster's share", TRENDS_HEADER, rows),),
    )


def arrow(trend: Any) -> str:
    """The arrow of a row of the trends, where there is evidence of one."""
    return "" if trend.arrow == "→" else str(trend.arrow)


def _dependence(trends: pd.DataFrame) -> str:
    """A sentence on the clusters in which a month resembles the one before."""
    dependent = trends.loc[trends["autocorrelated"], "group"]
    if dependent.empty:
        return ""
    noun = "cluster" if len(dependent) == 1 else "clusters"
    return (
        f" Beside a line, a month resembles the one before in {noun} {listed(dependent)}; "
        "the tests allow for it."
    )


def _gaps(shares: pd.DataFrame) -> str:
    """How many months of the period have no images."""
    images = shares.groupby("month")["n"].sum()
    empty = int((images == 0).sum())
    return f", {number(empty)} of the period without images" if empty else ""


# ------------------------------------------------------------------ Fig 4c: words of the clusters


def compute_themes(data: Inputs, settings: Settings) -> Result:
    """Words of captions by cluster. Tables: `fig4c_count`, the most frequent; `fig4c_score`, the most distinctive."""
    from twigma.analysis.themes.captions_and_nsfw import cluster_words, first_words

    table = data.images.table
    label = columns.present([columns.LABELS], table.column_names)[0]
    captions, labels = table["all_captions"], table[label]
    weights = sample_weights(table)
    if labels.null_count:
        known = pc.is_valid(labels)
        captions, labels = captions.filter(known), labels.filter(known)
        if weights is not None:
            weights = weights[known.to_numpy()]
    counted = cluster_words(captions, labels, weights)
    tables = {f"fig4c_{by}": first_words(counted, by=by) for by in ("count", "score")}
    n = len(captions) - captions.null_count
    return Result(n, tables, notes=weighting_notes(data.images))


def describe_themes(results: Results) -> Section:
    """Frequent words of the captions; their counts have no interval, so that none is called the first."""
    frequent = results.tables["fig4c_count"]
    distinctive = results.tables["fig4c_score"]
    arrows = _arrows(results)
    rows = []
    for cluster in sorted(set(frequent["cluster"])):
        first, others = _words(frequent, cluster), _words(distinctive, cluster)
        rows.append((cluster, arrows.get(cluster, ""), first, others))
    by_word = frequent.groupby("word")["count"].sum()
    top = by_word.sort_values(ascending=False, kind="stable").index[:TOP_WORDS].tolist()
    header = ("Cluster", "Trend", "Most frequent words", "Most distinctive words")
    return Section(
        figure="Fig 4c",
        title="What the clusters show",
        claim=frequent_words(top, " of the captions"),
        basis=f"{plural(results.figures['fig4c']['n'], 'caption')}; stopwords and caption boilerplate left out; no "
        "interval, so in the order of the alphabet.",
        paper=f"Prominent: {listed(stated.THEME_WORDS)}; clusters {listed(stated.NSFW_CLUSTERS)} are NSFW.",
        differs="Beside the most frequent words are the most distinctive ones (c-TF-IDF). Arrows are those of Fig 4b's "
        "tests, adjusted over the clusters; without evidence of a trend there is none.",
        tables=(table("Words of each cluster", header, rows),),
    )


def _words(words: pd.DataFrame, cluster: int) -> str:
    """The first words of a cluster."""
    of_cluster = words.loc[words["cluster"] == cluster, "word"]
    return ", ".join(of_cluster.head(SHOWN_WORDS))


def _arrows(results: Results) -> dict[int, str]:
    """The arrow of each cluster; empty where Fig 4b has no results."""
    if "fig4b_trends" not in results.tables:
        return {}
    trends = records(results.tables["fig4b_trends"])
    return {row.group: arrow(row) for row in trends}


# ------------------------------------------------------------------ what they need

FIG4A = Figure(
    "fig4a",
    compute_drift,
    needs=(*MAP, "created_at"),
    parts={"test by author": ("author_id",)},
)
FIG4B = Figure("fig4b", compute_trends, needs=(columns.LABELS, "created_at"))
FIG4C = Figure("fig4c", compute_themes, needs=("all_captions", columns.LABELS))
DRIFT = Chapter(describe_drift, (FIG4A,), draw=draw_drift)
TRENDS = Chapter(describe_trends, (FIG4B,), draw=draw_trends)
THEMES = Chapter(describe_themes, (FIG4C,))
