"""Exact nearest rows for a part of the work: a short product bounds every similarity, and few are computed in full.

Unit rows become shorter ones, their leading coordinates and the length of what is left, whose product is never less
than theirs (Cauchy-Schwarz). Where the processor multiplies bfloat16 faster, that product is made in bfloat16, and its
rounding is allowed for. Only pairs whose bound reaches the k-th best so far are computed in float32. `searcher` tries
how short the rows had best be.
"""

import functools
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch

from twigma.core.neighbours.pairs import Array, Neighbours, UnitSearch
from twigma.core.neighbours.products import Best, best_of, by_blocks, merge

BLOCK = (
    2048  # queries a block: 16 MiB of float32 with REFERENCES, which stay in the cache
)
REFERENCES = 2048  # reference rows a block
WIDTHS = (128, 192, 256)  # numbers of a shorter row that are tried
SAMPLE = 8 * REFERENCES  # reference rows they are tried on
TRIED = 256  # queries they are tried with
SLACK = 1e-5  # float32 rounding of a length or a product, some ten times over
BF16_ULP = 2.0**-8  # largest relative error of rounding to bfloat16
CROWDED = 0.05  # above this share of candidates in a block, computing all of it in float32 is cheaper

Method = Callable[[Array, int], UnitSearch]  # a search of unit rows for k neighbours


class Screened:
    """A reference whose pairs with a query are bounded before they are computed."""

    def __init__(
        self, rows: torch.Tensor, directions: torch.Tensor | None, half: bool
    ) -> None:
        """Unit `rows` [m, d] float32; shorten them to `directions` [d, w] unless None; round to bfloat16 if `half`."""
        self.rows = rows
        self.directions = directions
        self.dtype = torch.bfloat16 if half else torch.float32
        short = self.shortened(rows)
        self.low = short.to(self.dtype)
        pairs = zip(_split(short), _split(self.low), strict=True)
        self.errors = [_error(block, rounded).max() for block, rounded in pairs]

    def shortened(self, x: torch.Tensor) -> torch.Tensor:
        """Rows [n, w + 1] whose products with one another are at least those of the unit rows `x`."""
        if self.directions is None:
            return x
        leading = x @ self.directions
        rest = (1 - leading.square().sum(dim=1, keepdim=True)).clamp(min=0) + SLACK
        return torch.cat([leading, rest.sqrt()], dim=1)

    def search(self, q: torch.Tensor, k: int) -> Best:
        """The `k` most similar rows, at most `REFERENCES`, to each of a block of queries.

        With q', r' the shorter rows and q'', r'' these rounded, q·r ≤ q'·r' ≤ q''·r'' + ‖q' − q''‖ + ‖q''‖‖r' − r''‖,
        and the product is rounded once more, as is the number it is compared to.
        """
        short = self.shortened(q)
        low = short.to(self.dtype)
        off = _error(short, low)[:, None]
        rounding = SLACK if low is short else SLACK + 2.5 * BF16_ULP
        best: Best | None = None
        blocks = zip(_split(self.rows), _split(self.low), strict=True)
        for i, (block, block_low) in enumerate(blocks):
            bound = low @ block_low.T
            kth = _reached(bound, q, block, k) if best is None else best[0][:, -1:]
            least = kth - off - (1 + off) * self.errors[i] - rounding
            hits = np.flatnonzero((bound >= least.to(bound.dtype)).numpy())
            if len(hits) > CROWDED * bound.numel():
                best = merge(best, q @ block.T, i * REFERENCES, k)
                continue
            pairs = torch.from_numpy(np.stack(np.divmod(hits, len(block))))
            values = _products(pairs, q, block)
            better = values >= kth[pairs[0], 0] - SLACK
            pairs[1] += i * REFERENCES
            best = _merge_pairs(best, len(q), pairs[:, better], values[better], k)
        assert best is not None  # a reference has at least one row
        return best


def fastest(rows: Array, query: Array, k: int, others: Sequence[Method]) -> UnitSearch:
    """The search of unit `rows` [m, d] that is fastest on some of them and of the queries [n, d].

    Tried are screening, at several widths, and the others.
    """
    some = rows[:: -(-len(rows) // SAMPLE)]
    few = query[:TRIED]
    methods = [*others, *_screenings(some)]

    def seconds(method: Method) -> float:
        search = method(some, k)
        return _seconds(lambda: search(few), times=2)

    return min(methods, key=seconds)(rows, k)


def _screenings(rows: Array) -> list[Method]:
    """Screening along the leading directions of these rows, at every width; and in full width, where that pays."""
    half = bfloat16_is_faster()
    leading = np.linalg.eigh(rows.T @ rows)[1][:, ::-1]
    directions: list[torch.Tensor | None] = [None] if half else []
    for width in WIDTHS:
        if width <= rows.shape[1] // 2:
            # One number of the shorter row is the length of what is left.
            directions.append(torch.tensor(leading[:, : width - 1].copy()))
    return [functools.partial(_screening, each, half) for each in directions]


def _screening(
    directions: torch.Tensor | None, half: bool, rows: Array, k: int
) -> UnitSearch:
    reference = Screened(torch.tensor(rows), directions, half)

    def search(q: Array) -> Neighbours:
        return by_blocks(lambda block: reference.search(block, k), q, "cpu", BLOCK)

    return search


@functools.cache
def bfloat16_is_faster() -> bool:
    """Whether this processor multiplies bfloat16 at least a third faster than float32, by trying both."""
    a = torch.ones(1024, 768)
    b = a.bfloat16()
    return _seconds(lambda: a @ a.T) > 1.33 * _seconds(lambda: b @ b.T)


def _seconds(work: Callable[[], object], times: int = 5) -> float:
    """The least of several wall times: the others were disturbed."""
    wall = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        wall.append(time.perf_counter() - start)
    return min(wall)


def _split(rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.split(rows, REFERENCES)


def _error(x: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
    """‖x − rounded‖ of each row, [n]."""
    error: torch.Tensor = (x - rounded.float()).norm(dim=1)
    return error


def _reached(
    bound: torch.Tensor, q: torch.Tensor, block: torch.Tensor, k: int
) -> torch.Tensor:
    """What the k-th best similarity reaches, [n, 1]: the least of the `k` pairs with the largest bounds."""
    column = bound.topk(k, dim=1).indices.sort(dim=1).values
    row = torch.arange(len(q))[:, None].expand_as(column)
    pairs = torch.stack([row.reshape(-1), column.reshape(-1)])
    return _products(pairs, q, block).reshape(len(q), k).amin(dim=1, keepdim=True)


def _products(
    pairs: torch.Tensor, q: torch.Tensor, block: torch.Tensor
) -> torch.Tensor:
    """The float32 products of pairs (query, reference) [2, n], sorted."""
    ends = torch.searchsorted(pairs[0].contiguous(), torch.arange(len(q) + 1))
    # A sparse matrix whose filled cells are the pairs: torch computes the products of these alone.
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Sparse CSR tensor support is in beta"
        )
        where = torch.sparse_csr_tensor(
            ends,
            pairs[1].contiguous(),
            q.new_zeros(pairs.shape[1]),
            (len(q), len(block)),
            check_invariants=False,
        )
    products: torch.Tensor = torch.sparse.sampled_addmm(
        where, q, block.T, beta=0.0
    ).values()
    return products


def _merge_pairs(
    best: Best | None, n: int, pairs: torch.Tensor, exact: torch.Tensor, k: int
) -> Best:
    """The best `k` of those so far and of pairs of `n` queries, some of which have few or none."""
    counts = torch.bincount(pairs[0], minlength=n)
    place = torch.arange(len(exact)) - (counts.cumsum(0) - counts)[pairs[0]]
    values = torch.full((n, int(counts.max())), -torch.inf)
    index = torch.zeros_like(values, dtype=torch.int64)
    values[pairs[0], place] = exact
    index[pairs[0], place] = pairs[1]
    return best_of(best, values, index, k)
