"""Fig 3a and 3b with and without near duplicates: how much of a set's likeness is the same image again?

A release has dropped its own near duplicates unless it was asked to keep them; reference sets have theirs.
`twigma analyze` runs it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.codebook import SAMPLE, Recipe, sampled_rows, size_matched
from twigma.analysis.distance import Array, grouped_distance
from twigma.analysis.variation import CODES, METRICS, pooled_codebook, variation_table, whole_groups

NEAR = 0.995  # cosine above which `twigma dedupe` calls two images near duplicates
BLOCK = 2048

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
    mode: Recipe = "robust",
    blocks: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Every metric of Fig 3a and 3b in equal samples, and in the same samples without near duplicates.

    Parameters
    ----------
    sets : embeddings by name, rows of norm 1; near duplicates are looked for in min(n, smallest set) rows of each.
    groups : label → (embeddings, group of each row), such as "same artist"; of these the distance alone, since the
        others depend on the size of a group.
    k, seed, mode, blocks : as in `variation.variation_table`.

    Returns
    -------
    DataFrame, a row per set or label and metric: set, metric; value, low, high with near duplicates; without,
    without_low, without_high; removed (images dropped), drawn (images looked at), n (images of both estimates: what is
    left in the set that loses most), near, seed. Without any near duplicates the two are equal.
    """
    drawn = size_matched(sets, n, seed)
    owners = {
        name: np.asarray(labels, dtype=object)[sampled_rows(len(sets[name]), len(drawn[name]), seed)]
        for name, labels in (blocks or {}).items()
    }
    kept = {name: kept_rows(x, near) for name, x in drawn.items()}
    size = min(map(len, kept.values()))
    if size < 2:
        raise ValueError(f"near_duplicates: a set has {size} different images of {len(next(iter(drawn.values())))}")
    codes = pooled_codebook(drawn, k, mode, seed)  # one for both, or the entropy would change with the codebook
    options: dict[str, Any] = {"n": size, "seed": seed, "mode": mode, "centroids": codes}
    before = variation_table(drawn, blocks=_usable(owners), **options)
    after = before
    if any(len(rows) < len(drawn[name]) for name, rows in kept.items()):
        left = {name: drawn[name][rows] for name, rows in kept.items()}
        owned = {name: labels[kept[name]] for name, labels in owners.items()}
        after = variation_table(left, blocks=_usable(owned), **options)
    found = [
        {"set": name, "metric": metric, **_both(one, other, metric), "removed": len(drawn[name]) - len(kept[name])}
        | {"drawn": len(drawn[name]), "n": size}
        for name, one, other in zip(before["set"], _records(before), _records(after), strict=True)
        for metric in METRICS
    ]
    found += [_within(name, group, near, n, seed) for name, group in (groups or {}).items()]
    return pd.DataFrame(found).assign(near=near, seed=seed)


def _usable(owners: Mapping[str, Array]) -> dict[str, Array]:
    return {name: labels for name, labels in owners.items() if len(set(labels)) > 1}


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.to_dict("records")


def _both(one: Mapping[Any, Any], other: Mapping[Any, Any], metric: str) -> dict[str, float]:
    cells = {end: one[f"{metric}_{end}" if end != "value" else metric] for end in ("value", "low", "high")}
    cells |= {f"without_{end}": other[f"{metric}_{end}"] for end in ("low", "high")}
    return cells | {"without": other[metric]}


def _within(name: str, group: tuple[Array, Any], near: float, n: int, seed: int) -> dict[str, Any]:
    """The mean distance within groups, with and without near duplicates; groups left with one image are left out."""
    x, codes = whole_groups(*group, n, seed)
    rows = kept_rows(x, near)
    one, other = (grouped_distance(x[at], codes[at], seed=seed).iloc[0] for at in (np.arange(len(x)), rows))
    cells = {"value": one["value"], "low": one["low"], "high": one["high"]}
    cells |= {"without": other["value"], "without_low": other["low"], "without_high": other["high"]}
    removed = {"removed": len(x) - len(rows), "drawn": len(x), "n": int(other["n"])}
    return {"set": name, "metric": "distance", **cells, **removed}
