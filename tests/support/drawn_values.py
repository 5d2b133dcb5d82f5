"""What a Matplotlib figure shows: the points of every mark in its axes' data coordinates, and all numbers in it."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.patches import StepPatch
from matplotlib.transforms import Transform

TOLERANCE = 1e-6  # of the length of an axis


def points(ax: Axes) -> Iterator[tuple[str, np.ndarray]]:
    """Each mark of the axes that lies in data coordinates: what it is, and its points [n, 2], NaN where in none."""
    for line in ax.lines:
        yield "line", _in_data(ax, line.get_xydata(), line.get_transform())
    for patch in ax.patches:
        path = patch.get_path().transformed(patch.get_patch_transform())
        yield "patch", _in_data(ax, path.vertices, patch.get_data_transform())
    for collection in ax.collections:
        yield from _of_collection(ax, collection)
    for image in ax.images:
        left, right, bottom, top = image.get_extent()
        corners = np.array([[left, bottom], [right, top]])
        yield "image", _in_data(ax, corners, image.get_transform())


def _of_collection(
    ax: Axes, collection: Collection
) -> Iterator[tuple[str, np.ndarray]]:
    paths = [path.vertices for path in collection.get_paths()]
    if collection.get_offset_transform().contains_branch(ax.transData):
        yield "dots", np.asarray(collection.get_offsets(), float).reshape(-1, 2)
    elif any(map(len, paths)):
        vertices = np.concatenate(paths)
        yield "paths", _in_data(ax, vertices, collection.get_transform())


def _in_data(ax: Axes, vertices: Any, transform: Transform) -> np.ndarray:
    """The vertices [n, 2], NaN along an axis of which they are a fraction (a line right across)."""
    found = np.array(vertices, float).reshape(-1, 2)
    for axis, in_data in enumerate(transform.contains_branch_seperately(ax.transData)):
        if not in_data:
            found[:, axis] = np.nan
    return found


def outside(ax: Axes) -> list[str]:
    """The marks that reach beyond the axes' limits, each with its farthest point."""
    found = []
    for kind, vertices in points(ax):
        for axis, limits in enumerate((ax.get_xlim(), ax.get_ylim())):
            low, high = sorted(limits)
            room = TOLERANCE * (high - low)
            values = vertices[:, axis][np.isfinite(vertices[:, axis])]
            beyond = values[(values < low - room) | (values > high + room)]
            if len(beyond):
                found.append(f"{kind}: {beyond[0]:g} outside {low:g} to {high:g}")
    return found


def numbers(axes: list[Axes]) -> np.ndarray:
    """Every number that the axes show, ascending: places of marks, lengths of bars, heights of steps, cells, text."""
    found = [np.array([], float)]
    for ax in axes:
        found += [vertices.ravel() for _, vertices in points(ax)]
        for patch in ax.patches:
            if isinstance(patch, StepPatch):
                found += [
                    np.asarray(part, float).ravel() for part in patch.get_data()[:2]
                ]
            elif hasattr(patch, "get_width"):
                found.append(np.array([patch.get_width(), patch.get_height()]))
        for image in ax.images:
            cells = image.get_array()
            if cells.ndim == 2:
                found.append(np.ma.filled(cells.astype(float), np.nan).ravel())
        for text in ax.texts:
            digits = text.get_text().replace(",", "")
            found.append(np.array(re.findall(r"[0-9.]+[0-9]|[0-9]", digits), float))
    every = np.concatenate(found)
    return np.sort(every[np.isfinite(every)])


def missing(values: Any, shown: np.ndarray) -> np.ndarray:
    """Those finite ones of the values [n] that are not among the numbers shown."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if not len(shown):
        return values
    places = np.searchsorted(shown, values).clip(1, max(1, len(shown) - 1))
    nearest = np.minimum(
        np.abs(shown[places - 1] - values),
        np.abs(shown[np.minimum(places, len(shown) - 1)] - values),
    )
    return values[nearest > 1e-9 + 1e-6 * np.abs(values)]
