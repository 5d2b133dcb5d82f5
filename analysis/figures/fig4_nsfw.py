"""Fig 4d: the NSFW scores of every set that has them."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from twigma.analysis.figures.contract import Chapter, Figure, weighting_notes
from twigma.analysis.inference.sample_weights import sample_weights
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.owners import owner_notes, owners_of_rows
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.drawing import QUIET, axes
from twigma.analysis.page.formatting import (
    counted,
    listed,
    percents,
    plural,
    table,
)
from twigma.analysis.page.marks import legend_above, look_by_name, short_names
from twigma.analysis.page.section import Results, Section, Tables, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase


def compute_nsfw(data: Inputs, settings: Settings) -> Result:
    """NSFW scores of every set that has them.

    Tables: `fig4d` (set, low, high, density), a histogram; `fig4d_share` (set, share, low, high, blocks,
    owners_known, n), above one half.
    Values: `nsfw_share/SET`.
    """
    from twigma.analysis.themes.captions_and_nsfw import nsfw_density, nsfw_share

    scores, weights, blocks = {}, {}, {}
    for images in (data.images, *data.references.values()):
        if images.has("nsfw_score"):
            column = images.table["nsfw_score"]
            scores[images.name] = column.to_pandas().to_numpy(float)
            # Of all rows: an image without an embedding has a score too.
            own_weights = sample_weights(images.table)
            if own_weights is not None:
                weights[images.name] = own_weights
            owners = owners_of_rows(images)
            if owners is not None:
                blocks[images.name] = owners
    share = nsfw_share(scores, weights=weights, blocks=blocks)
    density = nsfw_density(scores, weights=weights)
    notes = weighting_notes(data.images) if data.images.name in weights else ()
    return Result(
        n=int(share["n"].sum()),
        tables={"fig4d": density, "fig4d_share": share},
        values=entries(share, "nsfw_share", ["set"], "share"),
        notes=(*notes, *owner_notes(data, scores)),
    )


def draw_nsfw(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """The density of each set, on a logarithmic axis."""
    histogram = tables["fig4d"]
    figure, ax = axes(into=into)
    lowest, highest = _powers_around(histogram["density"])
    names = list(histogram["set"].unique())
    looks = look_by_name(names)
    for name, label in zip(names, short_names(names), strict=True):
        bins = histogram[histogram["set"] == name]
        edges = [*bins["low"], bins["high"].iloc[-1]]
        density = bins["density"].replace(0, np.nan)
        style: Any = {"color": looks[name].colour, "ls": looks[name].line, "lw": 1.6}
        ax.stairs(density, edges, baseline=lowest, label=label, **style)
    ax.axvline(0.5, color=QUIET, lw=1, ls=(0, (3, 3)))
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(_plain)
    ax.yaxis.set_minor_formatter(_empty)
    ax.set(xlim=(0, 1), ylim=(lowest, highest))
    ax.set(xlabel="NSFW score", ylabel="Density (log scale)")
    legend_above(ax)
    return figure


def _powers_around(density: "pd.Series[float]") -> tuple[float, float]:
    """The powers of ten around all densities but zero, which has no logarithm; 1 and 10 where all are zero."""
    exponents = np.log10(density[density > 0].to_numpy(float))
    if not len(exponents):
        return 1.0, 10.0
    lowest = 10.0 ** np.floor(exponents.min())
    return float(lowest), float(10.0 ** np.ceil(exponents.max() + 0.01))


def _plain(value: float, position: float) -> str:
    return f"{value:g}"


def _empty(value: float, position: float) -> str:
    return ""


def describe_nsfw(results: Results) -> Section:
    """The share of each set that the detector flags."""
    rows = []
    parts = []
    for row in records(results.tables["fig4d_share"]):
        share = percents(row.share, row.low, row.high)
        parts.append(f"{share} of {row.set}")
        rows.append((row.set, share, row.n, counted(row.blocks, row.owners_known)))
    header = ("Set", "Share [95%]", "n", "Effective owners")
    return Section(
        figure="Fig 4d",
        title="Sensitive content",
        claim=f"The detector scores above one half {listed(parts)}.",
        basis=f"{plural(results.figures['fig4d']['n'], 'score')}; Wilson 95% intervals of as many "
        "scores as the authors, artists and prompts are worth, where these are known.",
        paper="Shown as densities only; no share stated.",
        differs="The detector errs, so this is the share it flags, not the share that is sensitive.",
        alt="Densities of the NSFW score of each set on a logarithmic axis, with a line at one half.",
        tables=(table("Share scored above one half", header, rows, folded=True),),
    )


FIG4D = Figure("fig4d", compute_nsfw, needs=("nsfw_score",))
NSFW = Chapter(describe_nsfw, (FIG4D,), draw=draw_nsfw)
