"""New images on a map settle among its training images, which stay: the gradient descent of `UMAP.transform`.

UMAP runs it over the edges of all new images in turn, on one thread. Here each image goes through all of its epochs
alone, compiled and without Python's lock, so that threads share the images and the outcome is the same for any number
of them.
"""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

EPOCHS = 100
RATE = 0.25  # of the first epoch; it falls to 0
REPELLED = 5  # training images drawn at random for each neighbour that attracts
LIMIT = 4.0  # of one step in one direction, before the rate
SEED = 42
ROWS = 512  # images of a thread at a time

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def settle(
    starts: Floats,
    anchors: Floats,
    near: Indices,
    weights: Doubles,
    curve: tuple[float, float],
) -> Floats:
    """Where images come to rest, float32[n, 2], by a thread a core; each depends on its own row alone.

    Parameters
    ----------
    starts : float32[n, 2], where they begin.
    anchors : float32[m, 2], the training images, which do not move.
    near : int64[n, count], the neighbours of each among them.
    weights : float64[n, count], 0 to 1: a neighbour of weight w attracts in a share w of the epochs.
    curve : a and b of UMAP's similarity 1 / (1 + a d^2b) on the map.
    """
    places = starts.astype(np.float32)
    if not len(places):
        return places
    # A neighbour that would not attract once in all epochs never does.
    attracts = weights >= 1 / EPOCHS
    every = np.full(weights.shape, np.inf)
    every[attracts] = 1 / weights[attracts]
    states = _states(places)
    descend = _compiled()

    def run(first: int) -> None:
        rows = slice(first, first + ROWS)
        edges = (near[rows], every[rows])
        descend(places[rows], anchors, edges, states[rows], curve)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(run, range(0, len(places), ROWS)):
            pass  # an error of a thread is raised here
    return places


def _states(places: Floats) -> Indices:
    """The state of UMAP's random numbers for each image, int64[n, 3], from a seed and where the image begins."""
    seed = np.random.default_rng(SEED).integers(-(2**31), 2**31, 3)
    return seed + places[:, :1].astype(np.float64).view(np.int64)


@functools.cache
def _compiled() -> Callable[..., None]:
    """The descent of some images, in place; compiled when it is first needed."""
    import numba
    from umap.utils import tau_rand_int

    def descend(
        places: Floats,
        anchors: Floats,
        edges: tuple[Indices, Doubles],
        states: Indices,
        curve: tuple[float, float],
    ) -> None:
        near, every = edges
        a, b = curve
        count = near.shape[1]
        due = np.empty(count)  # the epoch in which a neighbour attracts next
        repelled = np.empty(count)  # the epoch up to which images were drawn to repel
        for image in range(len(places)):
            x, y = places[image]
            due[:] = every[image]
            repelled[:] = every[image] / REPELLED
            rate = RATE
            for epoch in range(EPOCHS):
                for rank in range(count):
                    if due[rank] > epoch:
                        continue
                    due[rank] += every[image, rank]
                    anchor = anchors[near[image, rank]]
                    right, up = x - anchor[0], y - anchor[1]
                    square = right * right + up * up
                    if square > 0:
                        power = square**b
                        pull = -2 * a * b * power / square / (a * power + 1)
                        x += rate * min(LIMIT, max(-LIMIT, pull * right))
                        y += rate * min(LIMIT, max(-LIMIT, pull * up))
                    step = every[image, rank] / REPELLED
                    draws = int((epoch - repelled[rank]) / step)
                    repelled[rank] += draws * step
                    for _ in range(draws):
                        anchor = anchors[tau_rand_int(states[image]) % len(anchors)]
                        right, up = x - anchor[0], y - anchor[1]
                        square = right * right + up * up
                        if square > 0:
                            push = 2 * b / ((0.001 + square) * (a * square**b + 1))
                            x += rate * min(LIMIT, max(-LIMIT, push * right))
                            y += rate * min(LIMIT, max(-LIMIT, push * up))
                rate = RATE * (1 - epoch / EPOCHS)
            places[image, 0] = x
            places[image, 1] = y

    compiled: Any = numba.njit(nogil=True, fastmath=True)(descend)
    return compiled  # type: ignore[no-any-return]
