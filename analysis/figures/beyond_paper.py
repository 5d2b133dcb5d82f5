"""Measures between sets that the paper does not have: kernel distances, shared manifolds, hubs.

`twigma analyze` runs them through `figures.FIGURES`.
"""

import pandas as pd

from twigma.analysis.figures.fig2d_eq1 import thinned
from twigma.analysis.inputs.load import OURS, Inputs
from twigma.analysis.inputs.requirements import Result, Settings, entries


def set_metrics(data: Inputs, settings: Settings) -> Result:
    """KID, CMMD, precision, recall, density and coverage of the sets, and hubs of each reference set."""
    from twigma.analysis.comparison.hubness import hubness
    from twigma.analysis.comparison.kernel_distance import kernel_distances
    from twigma.analysis.comparison.manifold import manifolds

    sets = data.sets()
    kernel = kernel_distances(sets, seed=settings.seed)
    shared = manifolds(sets, seed=settings.seed)
    ours = sets.pop(OURS)
    hubs = [
        {"reference": name, **hubness(ours, x, seed=settings.seed, search=data.search)}
        for name, x in sets.items()
    ]
    tables = {
        "set_distance": kernel,
        "set_manifold": shared,
        "set_hubness": pd.DataFrame(hubs),
    }
    values = entries(kernel, "", ["metric", "set_a", "set_b"], "value")
    values |= entries(shared, "", ["metric", "reference", "set"], "value")
    values |= entries(tables["set_hubness"], "hubness", ["reference"], "value")
    return Result(int(kernel["n"].max()), tables, values, thinned(data.images))
