"""The search in one reference, by the way that is quickest for its size and on this machine.

It is exact: an approximate index changes the quintiles of similarity in Fig 2d (an IVF index with 8 probes agrees on
half of them). On a processor, `screening` spares a long search most of its products where bounds are close enough: it,
torch and faiss are tried on the first queries. A GPU computes every product. Neighbours and similarities are those of
float64, whichever way it is.
"""

import numpy as np
import numpy.typing as npt

from twigma.core.neighbours.pairs import Array, Neighbours, UnitSearch, in_float64

SPARE = (
    4  # rows beyond k whose similarity is computed again, as each way rounds its own
)
MOST_SCREENED = 100  # neighbours up to which a bound can spare work
WORTH_TORCH = 10**7  # products from which its import, and a matrix product, pay
WORTH_A_GPU = 10**8  # products from which a GPU is worth its start
# Products from which a processor's quickest way is worth a few trials.
WORTH_A_TRIAL = 10**9


def searcher(
    rows: npt.NDArray[np.float32], k: int, queries: int, device: str | None = None
) -> UnitSearch:
    """The search in one reference: a function of a block of queries, unit rows float32[n, d].

    Parameters
    ----------
    rows : the reference, unit rows float32[m, d].
    k : neighbours, at most m.
    queries : how many there will be in all, which decides what is worth the effort.
    device : "cpu" or "cuda"; None takes a GPU where there is one, for more than a moment's work.

    Returns
    -------
    search(q) -> (similarity, index): float32[n, k], falling, and int64[n, k], rows of the reference.
    """
    products = queries * len(rows)
    more = min(k + SPARE, len(rows))
    if device is None:
        device = "cuda" if products > WORTH_A_GPU and _has_gpu() else "cpu"
    if device != "cpu":
        search = _by_torch(rows, more, device)
    elif products > WORTH_A_TRIAL and k <= MOST_SCREENED:
        search = _by_trial(rows, more)
    elif products > WORTH_TORCH:
        search = _by_torch(rows, more)
    else:
        search = _by_faiss(rows, more)
    return lambda q: in_float64(q, rows, search(q)[1], k)


def _by_faiss(rows: Array, k: int) -> UnitSearch:
    """Every product, on a processor."""
    import faiss

    return lambda q: faiss.knn(q, rows, k, faiss.METRIC_INNER_PRODUCT)


def _by_torch(rows: Array, k: int, device: str = "cpu") -> UnitSearch:
    """Every product, on a processor or a GPU."""
    import torch

    from twigma.core.neighbours.products import SIZES, by_blocks, in_full

    reference = torch.tensor(rows, device=device)
    size = SIZES[reference.device.type]

    def search(q: Array) -> Neighbours:
        return by_blocks(lambda block: in_full(block, reference, k), q, device, size)

    return search


def _by_trial(rows: Array, k: int) -> UnitSearch:
    """The way that the first queries show to be the fastest."""
    from twigma.core.neighbours.screening import fastest

    chosen: list[UnitSearch] = []

    def search(q: Array) -> Neighbours:
        if not chosen:
            chosen.append(fastest(rows, q, k, [_by_torch, _by_faiss]))
        return chosen[0](q)

    return search


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
