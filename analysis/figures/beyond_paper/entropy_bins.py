"""Fig 3b with other codebooks: whether the order of the sets by entropy depends on the number of bins."""

import pandas as pd

from twigma.analysis.figures.contract import Chapter, Figure, thinning_notes
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.owners import interval_notes, owners_for_intervals
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.formatting import interval, listed, number, table
from twigma.analysis.page.section import Results, Section, records

HEADER = (
    "Bins",
    "Set",
    "Plug-in [95%]",
    "Miller–Madow",
    "Chao–Shen",
    "Of the largest",
    "Rank",
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
    """The order of the sets, if it is the same for every number of bins."""
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
                row.rank,
            )
        )
    return Section(
        figure="Fig 3b",
        title="Entropy with fewer or more bins",
        claim=_claim(by_bins),
        basis=f"{number(int(by_bins['n'].max()))} images of each set; mean over "
        f"{number(int(by_bins['codebooks'].max()))} codebooks for each "
        "number of bins; 95% intervals from authors, artists and prompts where these are known, else from images, and "
        "from the codebooks.",
        paper="The number of bins is not stated.",
        differs="Entropies of different numbers of bins are not comparable; the order of the sets is. The plug-in "
        "value is low by about half the bins over the images, which the other two correct; ranks are by Miller–Madow.",
        tables=(table("Entropy in nats", HEADER, rows, folded=True),),
    )


def _claim(by_bins: pd.DataFrame) -> str:
    orders = {}
    for k, rows in by_bins.groupby("k"):
        orders[k] = rows.sort_values("rank", kind="stable")["set"].tolist()
    first, *others = orders.values()
    if all(order == first for order in others):
        return f"From most to least varied by entropy, whatever the number of bins: {listed(first)}."
    parts = [f"{listed(order)} with {k}" for k, order in orders.items()]
    return f"The order of the sets by entropy depends on the number of bins: {'; '.join(parts)}."


ENTROPY_K = Figure("entropy_k", compute_entropies, needs=("embedding",))
ENTROPIES = Chapter(describe_entropies, (ENTROPY_K,))
