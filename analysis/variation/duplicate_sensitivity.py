"""Fig 3a and 3b with and without near duplicates: how much of a set's likeness is the same image again?

A release has dropped its own near duplicates unless it was asked to keep them; reference sets have theirs.
`twigma analyze` runs it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Array
from twigma.analysis.inference.blocks import dense_blocks
from twigma.analysis.variation.groups import complete_groups, grouped_distance
from twigma.analysis.variation.pooled_entropy import Codebooks, codebooks
from twigma.analysis.variation.spread import CODES, METRICS, variation_table
from twigma.analysis.vectors.samples import SAMPLE, sampled_labels, size_matched
from twigma.core.safety.failures import DataError

NEAR = 0.995  # cosine above which `twigma dedupe` calls two images near duplicates
BLOCK = 2048
CELLS = ("value", "low", "high", "without", "without_low", "without_high")

Rows = npt.NDArray[np.int64]


def distinct_rows(x: Array, near: float = NEAR) -> Rows:
    """The rows, rising, that are left when each one nearer than cosine `near` to an earlier one left is dropped.

    Exact: every row is compared with every earlier one that is left.

    Parameters
    ----------
    x : float [n, d], rows of norm 1.
    """
    left: list[Rows] = [np.empty(0, np.int64)]
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK].astype(np.float32)
        fresh = np.ones(len(block), bool)
        for earlier in left:
            cosine = block @ x[earlier].astype(np.float32).T
            fresh &= ~(cosine > near).any(axis=1)
        left.append(start + _first_ones(block, np.flatnonzero(fresh), near))
    return np.concatenate(left)


def _first_ones(block: Array, rows: Rows, near: float) -> Rows:
    """Of these rows of a block, those that are not near to an earlier one of them that is left."""
    close = np.triu(block[rows] @ block[rows].T > near, 1)
    left = np.ones(len(rows), bool)
    for at in np.flatnonzero(close.any(axis=1)):
        if left[at]:
            left &= ~close[at]
    return np.asarray(rows[left])


def near_duplicates(
    sets: Mapping[str, Any],
    groups: Mapping[str, tuple[Any, Any]] | None = None,
    *,
    near: float = NEAR,
    n: int = SAMPLE,
    k: int = CODES,
    seed: int = 0,
    blocks: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Every metric of Fig 3a and 3b in equal samples, and in the same samples without near duplicates.

    Parameters
    ----------
    sets : embeddings [n_i, d] by name, rows of norm 1; near duplicates are looked for in min(n, smallest set) rows.
    groups : label → (embeddings, group of each row), such as "same artist"; of these the distance alone, since the
        others depend on the size of a group.
    k, seed, blocks : as in `spread.variation_table`.

    Returns
    -------
    DataFrame, a row per set or label and metric: set, metric; value, low, high with near duplicates; without,
    without_low, without_high; removed (images dropped), drawn (images looked at), n (images of both estimates: what is
    left of the set), near, seed. A set without near duplicates has NaN: its numbers are those of Fig 3a and 3b.
    """
    drawn = size_matched(sets, n, seed)
    left = {name: distinct_rows(x, near) for name, x in drawn.items()}
    books: Codebooks | None = None
    table: list[dict[str, Any]] = []
    for name, x in drawn.items():
        rows = left[name]
        counts = {"removed": len(x) - len(rows), "drawn": len(x), "n": len(rows)}
        if len(rows) < 2:
            raise DataError(
                f"near_duplicates: expected at least 2 different images in set {name!r}, found {len(rows)} of {len(x)}"
            )
        if len(rows) == len(x):
            for metric in METRICS:
                nothing = dict.fromkeys(CELLS, np.nan)
                table.append({"set": name, "metric": metric, **nothing, **counts})
            continue
        if books is None:  # the same for all, or the entropy would change by them
            books = codebooks(np.vstack(list(drawn.values())), k, seed=seed)
        owner = sampled_labels(blocks, name, len(sets[name]), len(x), seed)
        for metric, cells in _compared(name, x, rows, owner, books, seed):
            table.append({"set": name, "metric": metric, **cells, **counts})
    for name, (x, labels) in (groups or {}).items():
        table.append(_within(name, x, labels, near, n, seed))
    return pd.DataFrame(table).assign(near=near, seed=seed)


def _compared(  # noqa: PLR0917
    name: str,
    x: Array,
    rows: Rows,
    owner: Array | None,
    books: Codebooks,
    seed: int,
) -> Iterator[tuple[str, dict[str, float]]]:
    """Every metric of a set as it is, and of these rows of it, in samples of one size."""
    tables = []
    for chosen in (np.arange(len(x)), rows):
        blocks = None
        if owner is not None and dense_blocks(owner[chosen], len(chosen)).any():
            blocks = {name: owner[chosen]}
        table = variation_table(
            {name: x[chosen]},
            n=len(rows),
            seed=seed,
            blocks=blocks,
            books=books,
        )
        tables.append(table.to_dict("records")[0])
    before, after = tables
    for metric in METRICS:
        cells = {
            "value": before[metric],
            "low": before[f"{metric}_low"],
            "high": before[f"{metric}_high"],
            "without_low": after[f"{metric}_low"],
            "without_high": after[f"{metric}_high"],
            "without": after[metric],
        }
        yield metric, cells


def _within(  # noqa: PLR0917
    name: str, x: Any, labels: Any, near: float, n: int, seed: int
) -> dict[str, Any]:
    """The mean distance within groups, with and without near duplicates; groups left with one image are left out."""
    x, codes = complete_groups(x, labels, n, seed)
    rows = distinct_rows(x, near)
    before = grouped_distance(x, codes, seed=seed).iloc[0]
    after = grouped_distance(x[rows], codes[rows], seed=seed).iloc[0]
    return {
        "set": name,
        "metric": "distance",
        "value": before["value"],
        "low": before["low"],
        "high": before["high"],
        "without": after["value"],
        "without_low": after["low"],
        "without_high": after["high"],
        "removed": len(x) - len(rows),
        "drawn": len(x),
        "n": int(after["n"]),
    }
