"""How far the figures on clusters and variation depend on choices: number of clusters, bins, near duplicates.

`twigma analyze` runs them through `figures.FIGURES`.
"""

from typing import Any

import numpy as np
import pandas as pd

from twigma.analysis.figures.fig2d_eq1 import thinned, weighted
from twigma.analysis.inputs.load import OURS, Inputs
from twigma.analysis.inputs.requirements import (
    Result,
    Settings,
    entries,
    missing_requirements,
)


def granularity(data: Inputs, settings: Settings) -> Result:
    """Trends, stability and agreement with the released labels at several numbers of clusters (Fig 4b)."""
    import pyarrow as pa

    from twigma.analysis.themes.cluster_count import granularity as measured

    images = data.images
    authors = images.values("author_id") if images.has("author_id") else None
    rows = images.table.take(pa.array(images.rows))
    found = measured(images.embedding, rows, authors=authors, seed=settings.seed)
    values = entries(found.scores, "clusters", ["k"], "stability")
    values |= entries(found.trends, "clusters", ["k", "group"], "tau")
    tables = {"clusters_k": found.scores, "clusters_k_trends": found.trends}
    return Result(int(found.scores["n"].max()), tables, values, weighted(images))


def entropies(data: Inputs, settings: Settings) -> Result:
    """Entropy of the sets with codebooks of several sizes (Fig 3b)."""
    from twigma.analysis.variation.entropy_bins import entropies as measured

    table = measured(data.sets(), seed=settings.seed, blocks=blocks(data))
    values = entries(table, "entropy_k", ["k", "set"], "entropy")
    return Result(
        int(table["n"].max()), {"entropy_k": table}, values, thinned(data.images)
    )


def near_duplicates(data: Inputs, settings: Settings) -> Result:
    """The numbers of Fig 3a and 3b with and without near duplicates."""
    from twigma.analysis.variation.duplicate_sensitivity import (
        near_duplicates as measured,
    )

    table = measured(
        data.sets(), grouped(data, settings), seed=settings.seed, blocks=blocks(data)
    )
    values = entries(table, "near_duplicates", ["metric", "set"], "without")
    return Result(
        int(table["drawn"].max()),
        {"near_duplicates": table},
        values,
        thinned(data.images),
    )


# ------------------------------------------------------------------ what the variation of the sets is computed from


def grouped(data: Inputs, settings: Settings) -> dict[str, tuple[Any, Any]]:
    """Paintings by artist and images by prompt, where there are any: embedding and group of each image."""
    groups = {}
    for role, label in (("paintings", "same artist"), ("prompts", "same prompt")):
        if not missing_requirements(data, settings, [f"@{role}", f"@{role}.group"]):
            images = data.references[getattr(settings, role)]
            groups[label] = (images.embedding, images.values("group"))
    return groups


def by_prompt(data: Inputs, settings: Settings) -> tuple[Any, Any, tuple[str, ...]]:
    """Embeddings and prompts of the images by prompt, without those that were blurred or repeat another; and a note."""
    import pyarrow as pa

    from twigma.analysis.variation.prompts import left_out

    images = data.references[settings.prompts]
    gone = left_out(images.table.take(pa.array(images.rows)))
    keep = ~gone.any(axis=1).to_numpy()
    counts = {
        "blurred as NSFW": int(gone["blurred"].sum()),
        "repeats of one generation": int(gone["repeated"].sum()),
    }
    notes = [
        f"{count} images of {images.name} are left out: {reason}."
        for reason, count in counts.items()
        if count
    ]
    return images.embedding[keep], images.values("group")[keep], tuple(notes)


def blocks(data: Inputs) -> dict[str, Any]:
    """What images of a set may depend on together: their author, artist or prompt; an unknown one stands alone."""
    owners = {}
    for images in (data.images, *data.references.values()):
        column = "author_id" if images.name == OURS else "group"
        if images.has(column) and len(images.rows):
            names = pd.Series(images.thinned(images.values(column)), dtype=object)
            owners[images.name] = names.where(
                names.notna(), names.index.astype(str) + " alone"
            ).to_numpy()
    return {
        name: np.asarray(labels)
        for name, labels in owners.items()
        if len(set(labels)) > 1
    }
