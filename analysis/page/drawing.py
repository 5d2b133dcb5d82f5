"""The charts of the report: one function a figure, from tidy tables to an SVG picture; `twigma report` draws them.

Pictures are drawn without global state and without a date, so equal tables give equal bytes. Text stays text, in the
reader's own sans-serif. Colours are Okabe & Ito's, which colour-blind readers can tell apart.
"""

import base64
import functools
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twigma.analysis.paper import stated

Tables = Mapping[str, pd.DataFrame]
INK, QUIET, RULE = "#1f2933", "#6b7785", "#dde2e8"
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "twigma", "text.parse_math": False, "font.size": 10,
    "font.family": "DejaVu Sans", "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": QUIET,
    "xtick.color": QUIET, "ytick.color": QUIET, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": RULE,
    "grid.linewidth": 0.8, "axes.axisbelow": True, "axes.titlesize": 10, "axes.titlelocation": "left",
    "legend.frameon": False, "figure.constrained_layout.use": True, "savefig.dpi": 150,
}  # fmt: skip


def drawn(draw: Callable[[Tables], Figure]) -> Callable[[Tables], str]:
    """A chart as the `data:` address of its SVG, for the `src` of an image, where no script could ever run."""

    @functools.wraps(draw)
    def picture(tables: Tables) -> str:
        buffer = io.BytesIO()
        with mpl.rc_context(STYLE), warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Glyph .* missing from font"
            )  # the reader's font draws the text
            draw(tables).savefig(
                buffer,
                format="svg",
                metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")),
            )
        text = (
            buffer.getvalue()
            .decode()
            .replace("'DejaVu Sans'", "system-ui, 'Segoe UI', 'Helvetica Neue', Arial")
        )
        return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()

    return picture


def _axes(
    rows: int = 1,
    columns: int = 1,
    width: float = 8.0,
    height: float = 3.4,
    **kwargs: Any,
) -> tuple[Figure, Any]:
    """An empty figure of this size in inches, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **kwargs)


def _colour(names: Sequence[str]) -> dict[str, str]:
    """A colour for each set, always the same for the same place in the list."""
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


@drawn
def fig1b(tables: Tables) -> Figure:
    """Posts per month."""
    months = tables["fig1b"]
    figure, ax = _axes()
    ax.bar(range(len(months)), months["posts"], color=COLOURS[0], width=0.8)
    step = max(1, -(-len(months) // 9))
    ax.set_xticks(range(0, len(months), step), months["month"][::step])
    ax.grid(axis="x", visible=False)
    ax.set(xlabel="Month (UTC)", ylabel="Posts")
    return figure


@drawn
def fig1c(tables: Tables) -> Figure:
    """Frequent words as bars, and as a cloud."""
    from wordcloud import WordCloud

    words = tables["fig1c"]
    figure, (bars, cloud) = _axes(1, 2, height=4.2, width_ratios=[1, 1.4])
    top = words.head(15)
    bars.barh(range(len(top)), top["count"], color=COLOURS[0])
    bars.set_yticks(range(len(top)), top["word"])
    bars.invert_yaxis()
    bars.grid(axis="y", visible=False)
    bars.set(xlabel="Times written")
    drawn = WordCloud(
        width=900,
        height=620,
        background_color="white",
        random_state=0,
        color_func=lambda *_, **__: INK,
    )
    cloud.imshow(
        drawn.generate_from_frequencies(
            dict(zip(words["word"], words["count"], strict=True))
        ).to_array()
    )
    cloud.axis("off")
    return figure


@drawn
def fig2a(tables: Tables) -> Figure:
    """One panel a set, the others in grey behind it."""
    points = tables["fig2a"]
    names = list(dict.fromkeys(points["set"]))
    figure, axes = _axes(
        1, len(names), height=2.6, squeeze=False, sharex=True, sharey=True
    )
    for ax, (name, colour) in zip(axes[0], _colour(names).items(), strict=True):
        chosen = points["set"] == name
        ax.scatter(
            points["x"][~chosen],
            points["y"][~chosen],
            s=2,
            c=RULE,
            linewidths=0,
            rasterized=True,
        )
        ax.scatter(
            points["x"][chosen],
            points["y"][chosen],
            s=3,
            c=colour,
            linewidths=0,
            rasterized=True,
        )
        ax.set(title=name, xticks=[], yticks=[])
    figure.supxlabel("first map coordinate", fontsize=9)
    figure.supylabel("second", fontsize=9)
    return figure


@drawn
def fig2b(tables: Tables) -> Figure:
    """Share of each set in each of the four clusters."""
    shares = tables["fig2b"].pivot(index="set", columns="cluster", values="share")
    shares = shares.loc[list(dict.fromkeys(tables["fig2b"]["set"]))]
    figure, ax = _axes(height=0.5 * len(shares) + 1.4)
    left = np.zeros(len(shares))
    for cluster, colour in zip(
        shares, ("#08519c", "#4292c6", "#9ecae1", "#deebf7"), strict=False
    ):
        width = shares[cluster].to_numpy()
        ax.barh(
            range(len(shares)),
            width,
            left=left,
            color=colour,
            edgecolor="white",
            label=f"cluster {cluster}",
        )
        left = left + width
    ax.set_yticks(range(len(shares)), shares.index)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="Share of the set's images", xlim=(0, 1))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=9)
    return figure


@drawn
def fig2c(tables: Tables) -> Figure:
    """KL of every ordered pair of sets."""
    table = tables["fig2c"].query("mode == 'robust'")
    names = list(dict.fromkeys([*table["row"], *table["column"]]))
    matrix = table.pivot(index="row", columns="column", values="kl").reindex(
        index=names, columns=names
    )
    figure, ax = _axes(width=5.6, height=3.8)
    ax.imshow(
        np.ma.masked_invalid(matrix.to_numpy(float)),
        cmap="Blues",
        vmin=0,
        aspect="auto",
    )
    largest = np.nanmax(matrix.to_numpy(float))
    for (i, j), value in np.ndenumerate(matrix.to_numpy(float)):
        shade = "white" if value > 0.55 * largest else INK
        ax.text(
            j,
            i,
            "–" if np.isnan(value) or i == j else f"{value:.2f}",
            ha="center",
            va="center",
            color=shade,
        )
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.grid(visible=False)
    ax.set(xlabel="Q, the column", ylabel="P, the row")
    return figure


@drawn
def fig2d(tables: Tables) -> Figure:
    """Mean likes by quintile of similarity, one panel a reference."""
    roles = [role for role in ("photographs", "paintings") if f"fig2d_{role}" in tables]
    figure, axes = _axes(1, len(roles), height=3.2, squeeze=False, sharey=True)
    for ax, role in zip(axes[0], roles, strict=True):
        table = tables[f"fig2d_{role}"]
        error = [table["mean"] - table["low"], table["high"] - table["mean"]]
        ax.errorbar(
            table["quintile"],
            table["mean"],
            yerr=error,
            fmt="o-",
            color=COLOURS[0],
            capsize=3,
            lw=1.2,
        )
        ax.set(
            title=f"Similarity to {role}",
            xlabel="Quintile (1 least, 5 most similar)",
            xticks=range(1, 6),
        )
    axes[0][0].set(ylabel="Mean likes per image")
    return figure


@drawn
def eq1(tables: Tables) -> Figure:
    """Rate ratios of likes with both intervals, and the paper's."""
    roles = [role for role in ("photographs", "paintings") if f"eq1_{role}" in tables]
    figure, axes = _axes(1, len(roles), height=3.2, squeeze=False, sharey=True)
    for ax, role in zip(axes[0], roles, strict=True):
        _forest(ax, tables[f"eq1_{role}"], role)
    axes[0][0].set(ylabel="Rate ratio of likes (log scale)")
    axes[0][-1].legend(fontsize=9, loc="best")
    return figure


def _forest(ax: Axes, table: pd.DataFrame, role: str) -> None:
    """The quintiles' rate ratios of one reference."""
    chosen = table[table["term"].str.startswith("quintile")]
    place = np.arange(4)
    for mode, colour, shift, label in (
        ("robust", COLOURS[0], 0, "robust"),
        ("paper", COLOURS[4], 0.16, "naive"),
    ):
        rows = chosen[chosen["mode"] == mode]
        error = [rows["irr"] - rows["low"], rows["high"] - rows["irr"]]
        ax.errorbar(
            place + shift,
            rows["irr"],
            yerr=error,
            fmt="o",
            color=colour,
            capsize=3,
            label=f"ours, {label}",
        )
    known = {
        q - 1.16: found[0] for q, found in stated.EQ1[role].items() if found is not None
    }
    ax.plot(
        list(known), list(known.values()), "D", mfc="white", color=QUIET, label="paper"
    )
    ax.axhline(1, color=QUIET, lw=1)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.2f}")
    ax.yaxis.set_minor_formatter(lambda value, _: f"{value:.2f}")
    ax.set_xticks(place, [f"Q{i}" for i in range(1, 5)])
    ax.set(title=f"Similarity to {role}", xlabel="Quintile, against Q5 (most similar)")


@drawn
def fig3a(tables: Tables) -> Figure:
    """Mean pairwise distance of each set."""
    table = tables["fig3a"]
    figure, ax = _axes(height=0.4 * len(table) + 1.0)
    error = np.array(
        [table["value"] - table["low"], table["high"] - table["value"]]
    )  # one row may be all there is
    ax.errorbar(
        table["value"],
        range(len(table)),
        xerr=error,
        fmt="o",
        color=COLOURS[0],
        capsize=3,
    )
    ax.set_yticks(range(len(table)), table["set"])
    ax.invert_yaxis()
    ax.set(xlabel="Mean distance between two images (0 same, 2 opposite)")
    return figure


@drawn
def fig3c(tables: Tables) -> Figure:
    """Distance between the images of a prompt against its length."""
    figure, ax = _axes(width=6.4)
    ax.plot(
        tables["fig3c"]["words"],
        tables["fig3c"]["distance"],
        "o",
        color=COLOURS[0],
        alpha=0.5,
        mew=0,
    )
    ax.set(xlabel="Words of the prompt", ylabel="Mean pairwise distance of its images")
    return figure


@drawn
def fig3d(tables: Tables) -> Figure:
    """Mean distance of each kind of text, and of prompts of the same lengths."""
    table = tables["fig3d"].dropna(subset=["distance"])
    place = np.arange(len(table))
    figure, ax = _axes(height=0.4 * len(table) + 1.2)
    error = np.array(
        [table["distance"] - table["low"], table["high"] - table["distance"]]
    )
    ax.errorbar(
        table["distance"],
        place,
        xerr=error,
        fmt="o",
        color=COLOURS[0],
        capsize=3,
        label="these texts",
    )
    ax.plot(
        table["base_distance"],
        place,
        "D",
        mfc="white",
        color=QUIET,
        label="prompts of the same lengths",
    )
    ax.set_yticks(place, table["set"])
    ax.invert_yaxis()
    ax.set(xlabel="Mean distance between two texts (0 same, 2 opposite)")
    ax.legend(fontsize=9, loc="best")
    return figure


@drawn
def fig4a(tables: Tables) -> Figure:
    """The map of the images coloured by date."""
    points = tables["fig4a"]
    days = (
        points["created_at"].astype("datetime64[ms]").astype("int64").to_numpy()
        / 86_400_000
    )
    figure, ax = _axes(width=6.4, height=4.4)
    drawn = ax.scatter(
        points["UMAP_dim_1"],
        points["UMAP_dim_2"],
        c=days,
        s=4,
        cmap="cividis",
        lw=0,
        rasterized=True,
    )
    bar = figure.colorbar(drawn, ax=ax, label="Date of the post (UTC)")
    ticks = np.linspace(days.min(), days.max(), 5)
    bar.set_ticks(
        list(ticks), labels=[str(np.datetime64(int(t), "D"))[:7] for t in ticks]
    )
    ax.set(xlabel="UMAP dimension 1", ylabel="UMAP dimension 2", xticks=[], yticks=[])
    return figure


@drawn
def fig4b(tables: Tables) -> Figure:
    """Share of each cluster per month, one panel a cluster."""
    shares = tables["fig4b"].pivot(index="month", columns="cluster", values="share")
    columns = min(5, shares.shape[1])
    rows = -(-shares.shape[1] // columns)
    figure, axes = _axes(
        rows, columns, height=1.7 * rows + 0.5, squeeze=False, sharex=True, sharey=True
    )
    for ax, cluster in zip(axes.flat, shares, strict=False):
        ax.plot(
            range(len(shares)),
            100 * shares[cluster],
            color=COLOURS[0],
            lw=1.6,
            marker=".",
            ms=4,
        )
        ax.set(title=f"cluster {cluster}", ylim=(0, None))
        ends = sorted({0, len(shares) - 1})
        ax.set_xticks(ends, shares.index[ends])
        for label, side in zip(ax.get_xticklabels(), ("left", "right"), strict=False):
            label.set_horizontalalignment(
                side
            )  # within the panel, or neighbours' labels would touch
    for ax in axes.flat[shares.shape[1] :]:
        ax.axis("off")
    figure.supylabel("Share (%)", fontsize=10)
    return figure


@drawn
def fig4d(tables: Tables) -> Figure:
    """Density of the NSFW score of each set, on a logarithmic axis."""
    table = tables["fig4d"]
    names = list(dict.fromkeys(table["set"]))
    figure, ax = _axes()
    for name, colour in _colour(names).items():
        rows = table[table["set"] == name]
        ax.stairs(
            rows["density"].replace(0, np.nan),
            [*rows["low"], rows["high"].iloc[-1]],
            color=colour,
            label=name,
            lw=1.6,
        )
    ax.axvline(0.5, color=QUIET, lw=1, ls=(0, (3, 3)))
    ax.set_yscale("log")
    seen = np.log10(table["density"][table["density"] > 0])
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.yaxis.set_minor_formatter(lambda value, _: "")
    limits = (10.0 ** np.floor(seen.min()), 10.0 ** np.ceil(seen.max() + 0.01))
    ax.set(xlabel="NSFW score", ylabel="Density (log scale)", xlim=(0, 1), ylim=limits)
    ax.legend(fontsize=9)
    return figure
