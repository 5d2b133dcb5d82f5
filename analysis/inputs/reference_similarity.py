"""How close each studied image is to a role of reference: one search for Fig 2d, Eq (1) and Fig 4e.

At the paper's size that search is most of the analysis.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.neighbours.search import TOP_K, row_means


class ReferenceSimilarity(NamedTuple):
    """Each studied image against a reference set, [n].

    `mean` is of its five largest similarities to `size` rows of the reference (Fig 2d); where these are fewer
    than five, of so many.
    """

    mean: NDArray[np.float32]
    similarity: NDArray[np.float32]  # to the most similar one of all rows
    row: NDArray[np.int64]  # which one that is
    size: int


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
    query: Any = data.images.embedding
    reference: Any = data.references[getattr(settings, role)].embedding
    size = _smaller(data, settings)
    order = np.random.default_rng(settings.seed).permutation(len(reference))
    sample, rest = np.sort(order[:size]), np.sort(order[size:])
    similarities, index = data.search(query, reference[sample], min(TOP_K, size))
    mean = row_means(similarities)
    similarity = similarities[:, 0]
    row = sample[index[:, 0]]
    if len(rest):  # the most similar image of all may be outside the sample
        similarities, index = data.search(query, reference[rest], 1)
        nearer = similarities[:, 0] > similarity
        similarity = np.where(nearer, similarities[:, 0], similarity)
        row = np.where(nearer, rest[index[:, 0]], row)
    return ReferenceSimilarity(mean, similarity, row, size)


def _smaller(data: Inputs, settings: Settings) -> int:
    """Images of the smaller of the two reference sets, of those that are there."""
    roles = (settings.photographs, settings.paintings)
    sets = [data.references[name] for name in roles if name in data.references]
    return min(len(images.rows) for images in sets if len(images.rows))
