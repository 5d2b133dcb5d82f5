"""Fig 4c, a row for each cluster: its trend, the words of its captions, people's words for it, and images of it."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from twigma.analysis.inputs.load import OURS
from twigma.analysis.page.drawing import COLOURS, axes, svg
from twigma.analysis.page.formatting import clean
from twigma.analysis.page.gallery import Gallery, Row, Tile, tile
from twigma.analysis.page.section import Results, Tables, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

SHOWN_WORDS = 8
LONGEST_WORD = 30  # characters
# Tables of words by cluster, and what each row of them is called.
WORDS = {
    "fig4c_count": "Captions, most frequent",
    "fig4c_score": "Captions, most distinctive",
    "cluster_keywords": "People's words",
}


def cluster_cards(results: Results) -> Gallery:
    """A row for each cluster of which images were drawn, with what there is of the rest."""
    drawn = results.tables["cluster_images"]
    rows = []
    for cluster, members in drawn.groupby("cluster"):
        lines = []
        for name, label in WORDS.items():
            words = _words(results.tables.get(name), cluster)
            if words:
                lines.append(f"{label}: {words}")
        shares = _shares(results.tables, cluster)
        rows.append(
            Row(
                label=f"Cluster {cluster}{_arrow(results, cluster)}",
                tiles=_tiles(results, members),
                lines=tuple(lines),
                chart="" if shares is None else svg(draw_sparkline, {"fig4b": shares}),
            )
        )
    return Gallery("Each cluster: trend, words and images", tuple(rows))


def _tiles(results: Results, members: pd.DataFrame) -> tuple[Tile, ...]:
    """The images of one cluster; none where there are no pictures."""
    pictures = results.pictures.get(OURS)
    if pictures is None:
        return ()
    tiles = []
    for row in records(members):
        alt = f"Image {row.image_name}"
        tiles.append(tile(pictures, row.image_name, alt, coarse=row.sensitive))
    return tuple(tiles)


def _words(words: pd.DataFrame | None, cluster: object) -> str:
    """The first words of a cluster; empty where there are none."""
    if words is None:
        return ""
    first = words.loc[words["cluster"] == cluster, "word"].head(SHOWN_WORDS)
    return ", ".join(clean(word, LONGEST_WORD) for word in first)


def _arrow(results: Results, cluster: object) -> str:
    """The arrow of a cluster's trend, where there is evidence of one."""
    trends = results.tables.get("fig4b_trends")
    if trends is None:
        return ""
    arrows = trends.loc[trends["group"] == cluster, "arrow"]
    return "".join(f" {arrow}" for arrow in arrows if arrow != "→")


def _shares(tables: Tables, cluster: object) -> pd.DataFrame | None:
    """The share of one cluster per month; None where no month is known."""
    shares = tables.get("fig4b")
    if shares is None:
        return None
    own = shares[shares["cluster"] == cluster]
    return own if own["share"].notna().any() else None


def draw_sparkline(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """The share of one cluster over the months as a line, from zero up, with the last one in figures."""
    shares = 100 * tables["fig4b"]["share"].to_numpy(float)
    figure, ax = axes(into=into, width=2.3, height=0.5)
    ax.plot(np.arange(len(shares)), shares, color=COLOURS[0], lw=1.4)
    last = np.flatnonzero(np.isfinite(shares))[-1]
    ax.plot([last], [shares[last]], "o", color=COLOURS[0], ms=4)
    text = f"{shares[last]:.3g}%"
    # Room for the figures right of the line.
    ax.annotate(text, (1.03, 0.5), xycoords="axes fraction", va="center", fontsize=10)
    top = max(np.nanmax(shares), 1e-9)
    ax.set(ylim=(-0.08 * top, 1.08 * top), xticks=[], yticks=[])
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.grid(visible=False)
    return figure
