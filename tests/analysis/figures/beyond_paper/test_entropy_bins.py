"""Fig 3b with other codebooks, in the whole analysis and on the page."""

import pandas as pd

from twigma.analysis.figures.beyond_paper.entropy_bins import describe_entropies
from twigma.analysis.page.section import Results


def test_entropy_with_many_bins_is_that_of_fig_3b(analysed):
    folder, values = analysed.out / "results", analysed.results["values"]
    assert pd.read_parquet(folder / "fig3b.parquet")["k"].iloc[0] == 60
    bins = pd.read_parquet(folder / "entropy_k.parquet")["k"]
    assert bins.unique().tolist() == [10, 50]  # as far as there are images
    fewer = values["entropy_k/50/twigma"]["value"]
    assert fewer < values["entropy/twigma"]["value"] + 0.3


def claim_of(*rows, half=0.1):
    """The claim on entropies (bins, set, entropy), with intervals of this half width."""
    table = pd.DataFrame(rows, columns=["k", "set", "entropy"])
    rest = {
        "miller_madow": 1.0,
        "chao_shen": 1.0,
        "normalised": 0.5,
        "codebooks": 5,
        "n": 9,
    }
    limits = {"low": table["entropy"] - half, "high": table["entropy"] + half}
    table = table.assign(**rest, **limits)
    return describe_entropies(Results({"entropy_k": table}, {}, {})).claim


def test_the_order_of_the_sets_is_told_where_intervals_are_apart():
    same = ((10, "a", 2), (10, "b", 1), (50, "a", 3), (50, "b", 2))
    assert claim_of(*same) == (
        "By entropy, whatever the number of bins: a is most varied and b least varied."
    )
    turned = ((10, "a", 2), (10, "b", 1), (50, "a", 2), (50, "b", 3))
    assert claim_of(*turned) == (
        "By entropy the number of bins matters. With 10 bins a is most varied and b least varied. "
        "With 50 bins b is most varied and a least varied."
    )


def test_overlapping_entropies_have_no_order():
    """However they are ordered, and whatever their number of bins."""
    rows = ((10, "a", 2), (10, "b", 1.9), (50, "a", 2.9), (50, "b", 3))
    assert claim_of(*rows) == (
        "By entropy, whatever the number of bins: none is called most varied or least varied, as intervals overlap."
    )
    assert "one set alone" in claim_of((10, "a", 2), (50, "a", 3))
