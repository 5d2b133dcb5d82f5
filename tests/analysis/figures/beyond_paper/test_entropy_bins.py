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


def test_the_page_says_that_the_order_depends_on_the_bins(analysed):
    table = pd.read_parquet(analysed.out / "results" / "entropy_k.parquet")
    order = table.set_index(["k", "rank"])["set"]
    orders = [
        "{}, {}, {} and {} with {}".format(*order[k].sort_index(), k) for k in (10, 50)
    ]
    claim = describe_entropies(Results({"entropy_k": table}, {}, {})).claim
    assert claim == (
        "The order of the sets by entropy depends on the number of bins: "
        f"{'; '.join(orders)}."
    )


def test_words_for_one_order_and_for_two():
    rows = []
    for k, sets in ((10, "ab"), (50, "ba")):
        for rank, name in enumerate(sets, 1):
            rows.append({"k": k, "set": name, "rank": rank})
    rest = {
        "entropy": 1.0,
        "low": 0.9,
        "high": 1.1,
        "miller_madow": 1.0,
        "chao_shen": 1.0,
        "normalised": 0.5,
        "codebooks": 5,
        "n": 9,
    }
    table = pd.DataFrame(rows).assign(**rest)
    claim = describe_entropies(Results({"entropy_k": table}, {}, {})).claim
    assert claim.endswith(
        "depends on the number of bins: a and b with 10; b and a with 50."
    )
    one = table[table["k"] == 10]
    claim = describe_entropies(Results({"entropy_k": one}, {}, {})).claim
    assert claim.endswith("by entropy, whatever the number of bins: a and b.")
