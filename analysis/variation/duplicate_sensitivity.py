"""Fig 3a and 3b with and without near duplicates: how much of a set's likeness is the same image again?

A release has dropped its own near duplicates unless it was asked to keep them; reference sets have theirs.
`twigma analyze` runs it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.variation.distance import Array, grouped_distance, whole_groups
from twigma.analysis.variation.spread import CODES, METRICS, variation_table
from twigma.analysis.vectors.codebook import SAMPLE, sampled_rows, size_matched
from twigma.analysis.vectors.quick_codebook import principal, quick_codebook

NEAR = 0.995  # cosine above which `twigma dedupe` calls two images near duplicates
BLOCK = 2048
CELLS = ("value", "low", "high", "without", "without_low", "without_high")

Rows = npt.NDArray[np.int64]


def kept_rows(x: Array, near: float = NEAR) -> Rows:
    """The rows, rising, that are left when each one nearer than cosine `near` to an earlier kept one is dropped.

    `x` has rows of norm 1. Exact: every row is compared with every earlier one that is kept.
    """
    kept: list[Rows] = [np.empty(0, np.int64)]
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK].astype(np.float32)
        fresh = np.ones(len(block), bool)
        for earlier in kept:
            fresh &= ~(block @ x[earlier].astype(np.float32).T > near).any(axis=1)
        kept.append(start + _first_ones(block, np.flatnonzero(fresh), near))
    return np.concatenate(kept)


def _first_ones(block: Array, rows: Rows, near: float) -> Rows:
    """Of these rows of a block, those that are not near to an earlier one of them that is kept."""
    close = np.triu(block[rows] @ block[rows].T > near, 1)
    alive = np.ones(len(rows), bool)
    for at in np.flatnonzero(close.any(axis=1)):
        if alive[at]:
            alive &= ~close[at]
    return np.asarray(rows[alive])


def near_duplicates(
    sets: Mapping[str, Array],
    groups: Mapping[str, tuple[Array, Any]] | None = None,
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
    sets : embeddings by name, rows of norm 1; near duplicates are looked for in min(n, smallest set) rows of each.
    groups : label → (embeddings, group of each row), such as "same artist"; of these the distance alone, since the
        others depend on the size of a group.
    k, seed, blocks : as in `variation.variation_table`.

    Returns
    -------
    DataFrame, a row per set or label and metric: set, metric; value, low, high with near duplicates; without,
    without_low, without_high; removed (images dropped), drawn (images looked at), n (images of both estimates: what is
    left of the set), near, seed. A set without near duplicates has NaN: its numbers are those of Fig 3a and 3b.
    """
    drawn = size_matched(sets, n, seed)
    owners = {
        name: np.asarray(labels, dtype=object)[
            sampled_rows(len(sets[name]), len(drawn[name]), seed)
        ]
        for name, labels in (blocks or {}).items()
    }
    kept = {name: kept_rows(x, near) for name, x in drawn.items()}
    pooled = np.vstack(list(drawn.values()))
    codes = None
    found = []
    for name, x in drawn.items():
        rows = kept[name]
        counts = {"removed": len(x) - len(rows), "drawn": len(x), "n": len(rows)}
        if len(rows) < 2:
            raise ValueError(
                f"near_duplicates: expected at least 2 different images in set {name!r}, found {len(rows)} of {len(x)}"
            )
        if len(rows) == len(x):
            found += [
                {
                    "set": name,
                    "metric": metric,
                    **dict.fromkeys(CELLS, np.nan),
                    **counts,
                }
                for metric in METRICS
            ]
            continue
        if codes is None:  # one codebook for all, or the entropy would change with it
            codes = quick_codebook(
                pooled, max(2, min(k, len(pooled) // 10)), principal(pooled, seed), seed
            )
        before, after = (
            variation_table(
                {name: x[at]},
                n=len(rows),
                seed=seed,
                blocks=_owners(owners, name, at),
                centroids=codes,
            )
            for at in (np.arange(len(x)), rows)
        )
        one, other = (table.to_dict("records")[0] for table in (before, after))
        found += [
            {"set": name, "metric": metric, **_both(one, other, metric), **counts}
            for metric in METRICS
        ]
    found += [
        _within(name, group, near, n, seed) for name, group in (groups or {}).items()
    ]
    return pd.DataFrame(found).assign(near=near, seed=seed)


def _owners(
    owners: Mapping[str, Array], name: str, rows: Rows
) -> dict[str, Array] | None:
    labels = owners[name][rows] if name in owners else ()
    return {name: np.asarray(labels)} if len(set(labels)) > 1 else None


def _both(
    one: Mapping[Any, Any], other: Mapping[Any, Any], metric: str
) -> dict[str, float]:
    cells = {
        end: one[f"{metric}_{end}" if end != "value" else metric]
        for end in ("value", "low", "high")
    }
    cells |= {f"without_{end}": other[f"{metric}_{end}"] for end in ("low", "high")}
    return cells | {"without": other[metric]}


def _within(
    name: str, group: tuple[Array, Any], near: float, n: int, seed: int
) -> dict[str, Any]:
    """The mean distance within groups, with and without near duplicates; groups left with one image are left out."""
    x, codes = whole_groups(*group, n, seed)
    rows = kept_rows(x, near)
    one, other = (
        grouped_distance(x[at], codes[at], seed=seed).iloc[0]
        for at in (np.arange(len(x)), rows)
    )
    cells = {"value": one["value"], "low": one["low"], "high": one["high"]}
    cells |= {
        "without": other["value"],
        "without_low": other["low"],
        "without_high": other["high"],
    }
    removed = {"removed": len(x) - len(rows), "drawn": len(x), "n": int(other["n"])}
    return {"set": name, "metric": "distance", **cells, **removed}
