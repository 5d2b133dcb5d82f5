"""Fig 3b with other codebooks: whether the most and least varied set by entropy depend on the number of bins."""

import pandas as pd

from twigma.analysis.figures.contract import Chapter, Figure, thinning_notes
from twigma.analysis.inference.ranking import RULE, Ranked, superlatives
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.owners import interval_notes, owners_for_intervals
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.formatting import (
    interval,
    listed,
    number,
    plural,
    table,
)
from twigma.analysis.page.section import Results, Section, records

HEADER = (
    "Bins",
    "Set",
    "Plug-in [95%]",
    "Miller–Madow",
    "Chao–Shen",
    "Of the largest",
)


def compute_entropies(data: Inputs, settings: Settings) -> Result:
    """Entropy of the sets with codebooks of several sizes.

    Table: `entropy_k` (k, set, entropy, low, high, miller_madow, chao_shen, normalised, codebook_sd, codebooks,
    rank, n), entropies in nats.
    Values: `entropy_k/K/SET`.
    """
    from twigma.analysis.variation.entropy_bins import entropies

    by_bins = entropies(
        data.sets(), seed=settings.seed, blocks=owners_for_intervals(data)
    )
    return Result(
        n=int(by_bins["n"].max()),
        tables={"entropy_k": by_bins},
        values=entries(by_bins, "entropy_k", ["k", "set"], "entropy"),
        notes=(*thinning_notes(data.images), *interval_notes(data, data.sets())),
    )


def describe_entropies(results: Results) -> Section:
    """The most and the least varied set with every number of bins, as far as intervals tell."""
    by_bins = results.tables["entropy_k"]
    rows = []
    for row in records(by_bins):
        entropy = interval(row.entropy, row.low, row.high)
        rows.append(
            (
                row.k,
                row.set,
                entropy,
                row.miller_madow,
                row.chao_shen,
                row.normalised,
            )
        )
    return Section(
        figure="Fig 3b",
        title="Entropy with fewer or more bins",
        claim=_claim(by_bins),
        basis=f"{plural(int(by_bins['n'].max()), 'image')} of each set; mean over "
        f"{number(int(by_bins['codebooks'].max()))} codebooks for each "
        "number of bins; 95% intervals from authors, artists and prompts where these are known, else from images, and "
        f"from the codebooks; {RULE}.",
        paper="The number of bins is not stated.",
        differs="Entropies of different numbers of bins are not comparable; what is most varied is. The plug-in "
        "value is low by about half the bins over the images, which the other two correct.",
        tables=(table("Entropy in nats", HEADER, rows, folded=True),),
    )


def _claim(by_bins: pd.DataFrame) -> str:
    """Which set is most and which least varied, once where that is the same for every number of bins."""
    orders: dict[str, list[object]] = {}
    for k, rows in by_bins.groupby("k"):
        ranked = [Ranked(r.set, r.entropy, r.low, r.high) for r in records(rows)]
        order = superlatives(ranked, "least varied", "most varied", falling=True)
        orders.setdefault(order, []).append(k)
    if "" in orders:
        return f"There is one set alone; its entropy with {listed(by_bins['k'])} bins is in the table."
    if len(orders) == 1:
        (order,) = orders
        return f"By entropy, whatever the number of bins: {order}."
    parts = [f"With {listed(bins)} bins {order}." for order, bins in orders.items()]
    return f"By entropy the number of bins matters. {' '.join(parts)}"


ENTROPY_K = Figure("entropy_k", compute_entropies, needs=("embedding",))
ENTROPIES = Chapter(describe_entropies, (ENTROPY_K,))
