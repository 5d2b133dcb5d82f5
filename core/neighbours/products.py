"""The search by every product, in torch, a block of queries and of reference rows at a time."""

from collections.abc import Callable

import torch

from twigma.core.neighbours.pairs import Array, Neighbours

Best = tuple[torch.Tensor, torch.Tensor]  # `Neighbours` as tensors
# Queries and reference rows of a block, all of whose products are made: on a processor they stay in its cache.
SIZES = {"cpu": 2048, "cuda": 8192}


def in_full(q: torch.Tensor, r: torch.Tensor, k: int) -> Best:
    """The `k` rows of `r` [m, d] most similar to each of `q` [n, d], by every product in float32; unit rows."""
    best: Best | None = None
    size = SIZES[r.device.type]
    for i, block in enumerate(torch.split(r, size)):
        best = merge(best, q @ block.T, i * size, k)
    assert best is not None  # a reference has at least one row
    return best


def by_blocks(
    search: Callable[[torch.Tensor], Best], query: Array, device: str, size: int
) -> Neighbours:
    """Search for the queries [n, d], `size` at a time, on a device; similarity float32 [n, k] and row int64 [n, k]."""
    blocks = torch.split(torch.tensor(query, device=device), size)
    similarities, rows = zip(*[search(block) for block in blocks], strict=True)
    best = torch.cat(similarities).cpu()
    index = torch.cat(rows).cpu()
    return best.numpy(), index.numpy()


def merge(best: Best | None, similarity: torch.Tensor, start: int, k: int) -> Best:
    """The best `k` of those so far and of a dense block of similarities whose first column is row `start`."""
    values, index = similarity.topk(min(k, similarity.shape[1]), dim=1)
    return best_of(best, values, index + start, k)


def best_of(
    best: Best | None, values: torch.Tensor, index: torch.Tensor, k: int
) -> Best:
    """The best `k` of those so far and of further ones, [queries, any] each."""
    if best is not None:
        values = torch.cat([best[0], values], 1)
        index = torch.cat([best[1], index], 1)
    values, order = values.topk(min(k, values.shape[1]), dim=1)
    return values, index.gather(1, order)
