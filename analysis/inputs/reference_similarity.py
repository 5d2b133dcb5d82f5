"""How close each studied image is to a role of reference: one search for Fig 2d, Eq (1) and Fig 4e.

At the paper's size that search is most of the analysis.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.neighbours.search import TOP_K, row_means


class ReferenceSimilarity(NamedTuple):
    """What is known of each studied image, [n]."""

    mean: NDArray[
        np.float32
    ]  # of its five largest similarities to `size` rows of the reference (section 3.2)
    similarity: NDArray[np.float32]  # to the most similar one of all rows
    row: NDArray[np.int64]  # which one that is
    size: int  # with fewer than five, the mean is of so many


def reference_similarity(
    data: Inputs, settings: Settings, role: str
) -> ReferenceSimilarity:
    """The studied images against a role, "photographs" or "paintings"; searched once.

    The mean is over as many rows of the reference, drawn at random, as the smaller of the two roles has, since it rises
    with the size.
    """
    if role not in data.closest:
        data.closest[role] = _search(data, settings, role)
    return data.closest[role]


def _search(data: Inputs, settings: Settings, role: str) -> ReferenceSimilarity:
    query, reference = (
        data.images.embedding,
        data.references[getattr(settings, role)].embedding,
    )
    roles = [
        data.references.get(name) for name in (settings.photographs, settings.paintings)
    ]
    size = min(
        len(images.rows) for images in roles if images is not None and len(images.rows)
    )
    order = np.random.default_rng(settings.seed).permutation(len(reference))
    kept, rest = np.sort(order[:size]), np.sort(order[size:])
    found, index = data.search(query, reference[kept], min(TOP_K, size))
    mean, similarity, row = row_means(found), found[:, 0], kept[index[:, 0]]
    if len(rest):
        found, index = data.search(query, reference[rest], 1)
        nearer = found[:, 0] > similarity
        similarity, row = (
            np.where(nearer, found[:, 0], similarity),
            np.where(nearer, rest[index[:, 0]], row),
        )
    return ReferenceSimilarity(mean, similarity, row, size)
