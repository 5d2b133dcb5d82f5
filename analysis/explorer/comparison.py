"""The map of a release beside that of an earlier one: `twigma explore RELEASE --before EARLIER`.

An image is the same where its post and its name are. Both maps have the same axes: an update of a frozen map moves
nothing, and an image that lies elsewhere shows that the map was fitted again.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.analysis.explorer.channels import (
    Channel,
    category,
    channels_of,
    cluster_name,
    clusters,
)
from twigma.analysis.explorer.points import (
    Places,
    Points,
    drawing_order,
    drawing_step,
    fitted,
    read_places,
)
from twigma.core import columns
from twigma.core.tables import joined_key
from twigma.dataset.opened_release import Release

SAME, OTHER, NEW, GONE = CHANGES = ("same cluster", "another cluster", "new", "gone")
UNKNOWN = "no cluster"

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Move:
    """How many images went from one cluster to another."""

    before: str
    after: str
    images: int


@dataclass(frozen=True)
class Comparison:
    """What an update changed."""

    counts: dict[str, int]  # images by what became of them, a key for each of CHANGES
    moves: tuple[Move, ...]  # between clusters, the most frequent first
    displaced: int  # images of both maps that lie elsewhere
    version: str  # of the earlier release


@dataclass(frozen=True)
class _Matched:
    """The images of both maps: `kept` rows of the release with their rows before (-1: new), and rows before (gone)."""

    kept: Rows
    before: Rows
    gone: Rows


def read_comparison(release: Release, before: Release) -> tuple[Points, Comparison]:
    """The points of a release and of an earlier one together, and what changed; ValueError where one has no map."""
    places, old_places = read_places(release), read_places(before)
    matched = _match(release, before, places, old_places)
    n = len(matched.kept) + len(matched.gone)
    step = drawing_step(n)
    order = drawing_order(n, step)
    now, then = _coordinates(matched, places, old_places)
    delta = (then - now).astype(np.uint16)[:, order]
    frame = pd.concat(
        [
            release.to_pandas().iloc[matched.kept],
            before.to_pandas().iloc[matched.gone],
        ]
    )
    labels = _labels(release, matched.kept, len(matched.gone))
    old_labels = _labels(before, np.append(matched.before, matched.gone), 0)
    change = _changes(matched, labels, old_labels)
    made = _channels(frame, labels, old_labels, change)
    table = pa.concat_tables(
        [release.metadata, before.metadata], promote_options="permissive"
    )
    points = Points(
        x=now[0][order],
        y=now[1][order],
        channels=[_ordered(channel, order) for channel in made],
        table=table,
        placed=np.append(matched.kept, matched.gone + len(release)),
        step=step,
        unplaced=len(release) - len(matched.kept),
        dx=delta[0],
        dy=delta[1],
        gone=len(matched.gone),
    )
    version = str(before.manifest.get("version", ""))
    displaced = int((delta != 0).any(axis=0).sum())
    counts = {name: int((change == name).sum()) for name in CHANGES}
    moves = _moves(labels, old_labels, change == OTHER)
    return points, Comparison(counts, moves, displaced, version)


def _match(
    release: Release, before: Release, places: Places, old_places: Places
) -> _Matched:
    """Which image of one map is which of the other."""
    shared = [
        key
        for key in ("id", "image_name")
        if key in release.metadata.column_names and key in before.metadata.column_names
    ]
    key, old_key = _keys(release, shared), _keys(before, shared)
    found = pc.fill_null(pc.index_in(key, value_set=old_key), -1)
    old_row = np.asarray(found).astype(np.int64)
    # An image that has no place before is new on the map.
    old_row = np.where((old_row >= 0) & old_places.known[old_row], old_row, -1)
    kept = np.flatnonzero(places.known)
    is_gone = old_places.known.copy()
    is_gone[old_row[kept][old_row[kept] >= 0]] = False
    return _Matched(kept, old_row[kept], np.flatnonzero(is_gone))


def _keys(release: Release, names: list[str]) -> pa.Array:
    return joined_key(*(release.metadata[name].combine_chunks() for name in names))


def _coordinates(
    matched: _Matched, places: Places, old_places: Places
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Both maps in the units of one, uint16[2, n] each; what is only on one lies in the same place on the other."""
    is_new = matched.before < 0
    axes = []
    for axis in ("across", "up"):
        now, then = getattr(places, axis), getattr(old_places, axis)
        kept = now[matched.kept]
        earlier = np.where(is_new, kept, then[matched.before])
        gone = then[matched.gone]
        axes.append(np.concatenate([kept, gone, earlier, gone]))
    x, y = fitted(*axes)
    both = np.stack([x, y])
    return both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]


def _labels(release: Release, rows: Rows, absent: int) -> Floats:
    """The clusters of these rows, nan where a row is -1 or has none; `absent` more at the end have none."""
    name = columns.find_label_column(release.metadata.column_names)
    if name is None:
        return np.full(len(rows) + absent, np.nan)
    labels = release.metadata[name].to_pandas().to_numpy(np.float64, na_value=np.nan)
    found = np.where(rows >= 0, labels[rows], np.nan)
    return np.append(found, np.full(absent, np.nan))


def _changes(
    matched: _Matched, labels: Floats, old_labels: Floats
) -> NDArray[np.object_]:
    """What became of each image, one of CHANGES."""
    change = np.full(len(labels), SAME, object)
    differs = (labels != old_labels) & ~(np.isnan(labels) & np.isnan(old_labels))
    change[differs] = OTHER
    change[: len(matched.kept)][matched.before < 0] = NEW
    change[len(matched.kept) :] = GONE
    return change


def _channels(
    frame: pd.DataFrame, labels: Floats, old_labels: Floats, change: NDArray[np.object_]
) -> list[Channel]:
    """The channels of one release, and of both: clusters share their names, so that they share their colours."""
    every = np.unique(np.append(labels, old_labels))
    known = every[~np.isnan(every)].tolist()
    both = [category("change", "Change", pd.Series(change), list(CHANGES))]
    if known:
        both.append(clusters(pd.Series(labels), known))
        before = "Cluster before"
        both.append(clusters(pd.Series(old_labels), known, "cluster_before", before))
    others = [one for one in channels_of(frame) if one.name != "cluster"]
    return [*both, *others]


def _ordered(channel: Channel, order: Rows) -> Channel:
    return Channel(
        channel.name,
        channel.title,
        channel.kind,
        channel.values[order],
        channel.names,
        channel.steps,
    )


def _moves(
    labels: Floats, old_labels: Floats, moved: NDArray[np.bool_]
) -> tuple[Move, ...]:
    counts = Counter(zip(old_labels[moved], labels[moved], strict=True))
    named: Counter[tuple[str, str]] = Counter()
    for (before, after), images in counts.items():
        named[_name(before), _name(after)] += images
    # Equal counts in the order of names, so that equal releases give equal pages.
    ordered = sorted(named.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Move(before, after, images) for (before, after), images in ordered)


def _name(label: float) -> str:
    return UNKNOWN if np.isnan(label) else cluster_name(label)
