"""Where attraction moves images on a map: the gradient descent of UMAP, by threads and equal for any number of them.

Neighbours attract an image in a share of the epochs, and images drawn at random repel it. umap-learn goes through all
pairs in turn, on one thread where the outcome is to be the same again. Here threads, compiled and without Python's
lock, share the pairs: in `spread`, where both images of a pair move, no two threads have an image in common, and who is
drawn stands where it stood before the epoch; in `settle`, where new images move and those on the map stay, each thread
has images of its own.
"""

import functools
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from twigma.core.machine import usable_cpus
from twigma.core.progress import progress_bar

# Similarity on the map is 1 / (1 + A d^2B): UMAP's curve for points that lie MIN_DIST apart at least (and spread 1).
MIN_DIST = 0.1
A, B = 1.5769434602, 0.8950608780
REPELLED = 5  # images drawn at random for each neighbour that attracts
LIMIT = 4.0  # of one step in one direction, before the rate
LEAST_SQUARE = 1e-3  # added to square distances, so that what is very near is not pushed without bound
SEED = 42
ROWS = 1_024  # images that a thread settles at a time
GROUPS = 8  # of the images that spread: half as many threads work at once, and more groups take longer to hand out

# The rate of the first epoch falls to 0 in the last.
SPREAD_RATE, SPREAD_EPOCHS = 1.0, 200
FEW_ROWS, EPOCHS_OF_FEW = 10_000, 500  # up to so many rows there are more epochs
SETTLE_RATE, SETTLE_EPOCHS = 0.25, 100

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class Edges(NamedTuple):
    """Pairs of an image and one that attracts it, and when it does; arrays of one length."""

    images: npt.NDArray[np.int32]
    near: npt.NDArray[np.int32]
    every: Doubles  # epochs from one attraction to the next
    due: Doubles  # the epoch of the next attraction
    repelled: Doubles  # the epoch up to which images were drawn to repel

    @classmethod
    def of(cls, images: Indices, near: Indices, weights: Doubles, epochs: int) -> Self:
        """Those that attract at least once in so many epochs, and a share `weights` (0 to 1) of them."""
        attracts = np.flatnonzero(weights >= 1 / epochs)
        every = 1 / weights[attracts]
        images, near = images[attracts], near[attracts]
        ends = images.astype(np.int32), near.astype(np.int32)
        return cls(*ends, every, every.copy(), every / REPELLED)

    def part(self, rows: slice | Indices) -> Self:
        """Some of them; what changes in a slice changes here."""
        parts: list[Any] = [each[rows] for each in self]
        return type(self)(*parts)


class Moving(NamedTuple):
    """The images that are moved."""

    places: Floats  # float32[n, 2]
    states: Indices  # of UMAP's random numbers, int64[n, 3]

    @classmethod
    def of(cls, starts: Floats, seed: int) -> Self:
        """Images where they begin, on which, beside a seed, their random numbers depend."""
        places = np.array(starts, np.float32)
        of_seed = np.random.default_rng(seed).integers(-(2**31), 2**31, 3)
        return cls(places, of_seed + places[:, :1].astype(np.float64).view(np.int64))

    def part(self, rows: slice) -> Self:
        """Some of them; what changes in the slice changes here."""
        return type(self)(self.places[rows], self.states[rows])


class Course(NamedTuple):
    """A part of the descent: epochs `first` to `end` of `total`, the rate of the first of all, and who moves."""

    first: int
    end: int
    total: int
    rate: float
    both: bool  # whether an image that attracts moves as well


def spread(starts: Floats, weights: sparse.csr_array, *, seed: int = SEED) -> Floats:
    """Where rows come to rest that attract each other, float32[n, 2].

    Parameters
    ----------
    starts : float32[n, 2], where they begin.
    weights : symmetric [n, n], 0 to 1: the heaviest pair attracts in every epoch, others in proportion.
    """
    epochs = EPOCHS_OF_FEW if len(starts) <= FEW_ROWS else SPREAD_EPOCHS
    moving = Moving.of(starts, seed)
    rounds = _rounds(weights, epochs, np.random.default_rng(seed))
    descend = _compiled()
    with ThreadPoolExecutor(usable_cpus()) as pool:
        for epoch in progress_bar(range(epochs), desc="map", unit="epoch"):
            before = moving.places.copy()
            course = Course(epoch, epoch + 1, epochs, SPREAD_RATE, True)
            move = functools.partial(descend, moving, moving.places, before, course)
            for groups in rounds:
                for _ in pool.map(move, groups):
                    pass  # an error of a thread is raised here
    return moving.places


def _rounds(
    weights: sparse.csr_array, epochs: int, rng: np.random.Generator
) -> list[list[Edges]]:
    """All pairs in rounds of groups, so that no two groups of a round have an image in common.

    Images are dealt into GROUPS; each round lets every group meet one other, as in a tournament, or itself.
    """
    pairs = weights.tocoo()
    edges = Edges.of(pairs.row, pairs.col, pairs.data / pairs.data.max(), epochs)
    group = rng.permutation(weights.shape[0]) % GROUPS
    meetings = [[(one, one) for one in range(GROUPS)]]
    ring = GROUPS - 1  # all but the last stand in a ring, which turns
    for turn in range(ring):
        across = [((turn + i) % ring, (turn - i) % ring) for i in range(1, GROUPS // 2)]
        meetings.append([(turn, ring), *across])
    number = np.empty((GROUPS, GROUPS), np.int64)
    for at, (one, other) in enumerate(itertools.chain.from_iterable(meetings)):
        number[one, other] = number[other, one] = at
    of_edges = number[group[edges.images], group[edges.near]]
    order = np.argsort(of_edges, kind="stable")
    edges = edges.part(order)
    ends = np.searchsorted(of_edges[order], np.arange(number.max() + 2))
    parts = (edges.part(slice(*each)) for each in itertools.pairwise(ends))
    return [list(itertools.islice(parts, len(each))) for each in meetings]


def settle(starts: Floats, anchors: Floats, near: Indices, weights: Doubles) -> Floats:
    """Where images come to rest among training images, float32[n, 2]; each depends on its own row alone.

    Parameters
    ----------
    starts : float32[n, 2], where they begin.
    anchors : float32[m, 2], the training images, which do not move.
    near : int64[n, count], the neighbours of each among them.
    weights : float64[n, count], 0 to 1: a neighbour of weight w attracts in a share w of the epochs.
    """
    moving = Moving.of(starts, SEED)
    anchors = np.array(anchors, np.float32)  # Ray shares arrays that are read-only
    course = Course(0, SETTLE_EPOCHS, SETTLE_EPOCHS, SETTLE_RATE, False)
    descend = _compiled()

    def move(rows: slice) -> None:
        images = np.repeat(np.arange(len(near[rows])), near.shape[1])
        ends = images, near[rows].ravel()
        edges = Edges.of(*ends, weights[rows].ravel(), SETTLE_EPOCHS)
        descend(moving.part(rows), anchors, anchors, course, edges)

    blocks = [slice(at, at + ROWS) for at in range(0, len(starts), ROWS)]
    with ThreadPoolExecutor(usable_cpus()) as pool:
        for _ in pool.map(move, blocks):
            pass  # an error of a thread is raised here
    return moving.places


@functools.cache
def _compiled() -> Callable[..., None]:
    """The descent of some images, in place; compiled when it is first needed.

    Its arguments are the images, the places of those that attract and of those drawn, float32[n, 2], the course and the
    edges.
    """
    import numba

    compile_one: Any = numba.njit(nogil=True, fastmath=True)
    draw, slot, clipped = map(compile_one, (_draw, _slot, _clipped))
    pulls, pushes = _coefficients()

    def descend(
        moving: Moving,
        attracting: Floats,
        others: Floats,
        course: Course,
        edges: Edges,
    ) -> None:
        places = moving.places
        for epoch in range(course.first, course.end):
            left = 1 - max(0, epoch - 1) / course.total
            rate = np.float32(course.rate * left)
            for edge in range(len(edges.due)):
                if edges.due[edge] > epoch:
                    continue
                every = edges.every[edge]
                edges.due[edge] += every
                image, near = edges.images[edge], edges.near[edge]
                x, y = places[image]
                right, up = x - attracting[near, 0], y - attracting[near, 1]
                pull = pulls[slot(right * right + up * up)]
                step_x, step_y = clipped(pull * right), clipped(pull * up)
                x -= rate * step_x
                y -= rate * step_y
                if course.both:
                    attracting[near, 0] += rate * step_x
                    attracting[near, 1] += rate * step_y
                draws = int((epoch - edges.repelled[edge]) * REPELLED / every)
                edges.repelled[edge] += draws * every / REPELLED
                for _ in range(draws):
                    drawn = draw(moving.states[image]) % len(others)
                    if course.both and drawn == image:
                        continue
                    right, up = x - others[drawn, 0], y - others[drawn, 1]
                    push = pushes[slot(right * right + up * up)]
                    x += rate * clipped(push * right)
                    y += rate * clipped(push * up)
                places[image, 0] = x
                places[image, 1] = y

    return compile_one(descend)  # type: ignore[no-any-return]


def _draw(state: Indices) -> np.int32:
    """The next random number of a state, int64[3]: L'Ecuyer's taus88, as UMAP draws."""
    low = 0xFFFFFFFF
    one, two, three = state
    one = ((one & 0xFFFFFFFE) << 12 & low) ^ ((one << 13 & low ^ one) >> 19)
    two = ((two & 0xFFFFFFF8) << 4 & low) ^ ((two << 2 & low ^ two) >> 25)
    three = ((three & 0xFFFFFFF0) << 17 & low) ^ ((three << 3 & low ^ three) >> 11)
    state[0], state[1], state[2] = one, two, three
    return np.int32(one ^ two ^ three)


def _clipped(step: np.float32) -> Any:
    return min(np.float32(LIMIT), max(np.float32(-LIMIT), step))


# Steps are looked up by square distance, 256 to an octave: the power in them would take half of the time.
SHIFT = 15  # bits of a float32 that are cut off; as whole numbers floats rise too
FIRST_SLOT = int(np.float32(2**-24).view(np.int32)) >> SHIFT
LAST_SLOT = int(np.float32(2**14).view(np.int32)) >> SHIFT


def _slot(square: np.float32) -> Any:
    """The place of a square distance in `_coefficients`."""
    slot: Any = np.float32(square).view(np.int32) >> SHIFT
    return min(LAST_SLOT, max(FIRST_SLOT, slot)) - FIRST_SLOT


def _coefficients() -> tuple[Floats, Floats]:
    """What UMAP multiplies the way to a neighbour by, and the way from an image drawn, by slot of square distance."""
    slots = np.arange(FIRST_SLOT, LAST_SLOT + 1, dtype=np.int32)
    middles = (slots << SHIFT) + (1 << SHIFT - 1)
    square = middles.view(np.float32).astype(np.float64)
    power = square**B
    pulls = 2 * A * B * power / square / (A * power + 1)
    pushes = 2 * B / ((LEAST_SQUARE + square) * (A * power + 1))
    return pulls.astype(np.float32), pushes.astype(np.float32)
