"""Intervals and tests of the comparison of sets, for `studies.coverage`: shares, KL, CMMD and KID, manifolds, hubs."""

from functools import cache

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.stats import norm

from studies.coverage import Interval, Measured, World, study
from twigma.analysis.comparison.cluster_shares import cluster_shares
from twigma.analysis.comparison.divergence import kl_matrix
from twigma.analysis.comparison.hubness import hubness
from twigma.analysis.comparison.joint_map import overlaps
from twigma.analysis.comparison.kernel_distance import cmmd, kid
from twigma.analysis.comparison.manifold import NEIGHBOURS, manifold
from twigma.analysis.inference.blocks import effective_blocks
from twigma.analysis.themes.captions_and_nsfw import nsfw_share

LOYAL = 0.85  # share of an owner's images that are of their own theme
THEMES = np.array([0.4, 0.3, 0.2, 0.1])
OTHER_THEMES = np.array([0.25, 0.25, 0.25, 0.25])
CENTRES = np.eye(4, 8)
WITHIN = (
    0.5  # spread of an owner's images about their centre, that of the centres being 1
)
SHIFT = np.array([0.8, 0, 0, 0, 0, 0])
MANY = 2000  # images of a draw that a truth is measured on
OTHERS = 4000  # images that balls are tried on: an error a third of the intervals'


def themed(rng, owner, weights):
    """Rows about the centre of their theme, which most images of an owner share."""
    own = rng.choice(len(weights), owner.max() + 1, p=weights)[owner]
    free = rng.choice(len(weights), len(owner), p=weights)
    theme = np.where(rng.random(len(owner)) < LOYAL, own, free)
    return CENTRES[theme] + 0.03 * rng.normal(size=(len(owner), CENTRES.shape[1]))


def cloud(rng, owner, shift=0.0):
    """Rows [n, 6] about a centre of their owner."""
    centres = shift + rng.normal(size=(owner.max() + 1, len(SHIFT)))
    return centres[owner] + WITHIN * rng.normal(size=(len(owner), len(SHIFT)))


def blocks_of(world: World, **owners) -> dict:
    """Owners of the sets by name, as far as they are told."""
    return owners if world.known else {}


# ------------------------------------------------------------------ shares


@study(intervals=["NSFW share (Fig 4d)"])
def share_of_images(world: World) -> Measured:
    """Each owner has a rate of their own, mostly near 0 or 1."""
    rate = world.rng.beta(0.2, 0.8, len(world.sizes))
    score = (world.rng.random(world.sizes.sum()) < rate[world.owner]).astype(float)
    row = nsfw_share({"a": score}, blocks=blocks_of(world, a=world.owner)).iloc[0]
    found = Interval(row["share"], row["low"], row["high"], 0.2, row["blocks"])
    return {"NSFW share (Fig 4d)": found}


@study(intervals=["share of a cluster (Fig 2b)"])
def share_of_a_cluster(world: World) -> Measured:
    """Two clusters, numbered by a reference whose images are independent."""
    rng = world.rng
    sets = {
        "reference": themed(rng, np.arange(600), np.array([0.8, 0.2])),
        "ours": themed(rng, world.owner, np.array([0.6, 0.4])),
    }
    blocks = blocks_of(world, ours=world.owner)
    table = cluster_shares(sets, 2, blocks=blocks).set_index(["cluster", "set"])
    row = table.loc[(1, "ours")]
    found = Interval(row["share"], row["low"], row["high"], 0.6, row["blocks"])
    return {"share of a cluster (Fig 2b)": found}


@study(intervals=["overlap on the map (Fig 2a)"], worlds=100)
def overlap_on_the_map(world: World) -> Measured:
    """Two normal clouds on a plane, whose smoothed densities overlap as two normal ones do."""
    rng = world.rng
    apart, frames = 1.5, []
    for name, owner, shift in (("a", world.owner, 0), ("b", world.other_owner, apart)):
        xy = rng.normal(size=(owner.max() + 1, 2))[owner] + [shift, 0]
        xy = xy + WITHIN * rng.normal(size=xy.shape)
        frames.append(pd.DataFrame(xy, columns=["x", "y"]).assign(set=name))
    blocks = blocks_of(world, a=world.owner, b=world.other_owner)
    row = overlaps(pd.concat(frames), blocks).iloc[0]
    # Scott's factor, squared: what smoothing adds to the variance.
    added = len(world.owner) ** (-1 / 3)
    spread = np.sqrt((1 + WITHIN**2) * (1 + added))
    truth = 2 * norm.cdf(-apart / 2 / spread)
    limits = (row["overlap"], row["low"], row["high"])
    found = Interval(*limits, float(truth), row["blocks"])
    return {"overlap on the map (Fig 2a)": found}


# ------------------------------------------------------------------ KL


def divergence(world: World, other_weights):
    """The row of KL(a‖b), b of themes with other weights."""
    a = themed(world.rng, world.owner, THEMES)
    b = themed(world.rng, world.other_owner, other_weights)
    blocks = blocks_of(world, a=world.owner, b=world.other_owner)
    return kl_matrix({"a": a, "b": b}, len(THEMES), blocks=blocks).iloc[0]


@study(intervals=["KL (Fig 2c)"])
def kl_of_two_sets(world: World) -> Measured:
    """Themes of unlike weights, in separate clusters."""
    row = divergence(world, OTHER_THEMES)
    truth = float(np.sum(THEMES * np.log(THEMES / OTHER_THEMES)))
    found = Interval(row["kl"], row["low"], row["high"], truth, row["blocks"])
    return {"KL (Fig 2c)": found}


@study(
    intervals=["KL of one distribution (Fig 2c)"],
    tests=["KL: p (Fig 2c)"],
    pairs=True,
)
def kl_without_a_difference(world: World) -> Measured:
    """Two samples of one distribution, whose divergence is 0."""
    row = divergence(world, THEMES)
    found = Interval(row["kl"], row["low"], row["high"], 0.0, row["blocks"])
    p = float(row["p_permutation"])
    return {"KL of one distribution (Fig 2c)": found, "KL: p (Fig 2c)": p}


# ------------------------------------------------------------------ kernels


def kernel_distance(world: World, measure, shift=0.0):
    """A measure of two clouds."""
    a = cloud(world.rng, world.owner)
    b = cloud(world.rng, world.other_owner, shift)
    size = min(len(a), len(b))
    of_a, of_b = world.told(world.owner), world.told(world.other_owner)
    if world.known:
        of_a, of_b = of_a[:size], of_b[:size]
    return measure(a[:size], b[:size], blocks_x=of_a, blocks_y=of_b)


@cache
def true_distances() -> dict[str, float]:
    """CMMD and KID of many images of as many owners, each of the formula of its paper: the mean of several draws."""
    rng = np.random.default_rng(1)
    found = {"CMMD": [], "KID": []}
    for _ in range(10):
        a, b = cloud(rng, np.arange(MANY)), cloud(rng, np.arange(MANY), SHIFT)
        found["KID"].append(squared_discrepancy(a, b, kid_kernel))
        of_unit = squared_discrepancy(unit(a), unit(b), cmmd_kernel)
        found["CMMD"].append(1000 * of_unit)
    return {name: float(np.mean(values)) for name, values in found.items()}


def squared_discrepancy(a, b, kernel):
    """MMD² of rows of which no two are of one owner, without bias."""
    within = 0.0
    for x in (a, b):
        k = kernel(x, x)
        within += (k.sum() - np.trace(k)) / (len(x) * (len(x) - 1))
    return within - 2 * kernel(a, b).mean()


def kid_kernel(a, b):
    """(a·b/d + 1)³."""
    return (a @ b.T / a.shape[1] + 1) ** 3


def cmmd_kernel(a, b):
    """exp(−|a − b|²/2σ²) with σ = 10."""
    return np.exp(cdist(a, b, "sqeuclidean") / -200)


def unit(x):
    """Rows of norm 1."""
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@study(intervals=["CMMD", "KID"], worlds=200)
def kernels_of_two_sets(world: World) -> Measured:
    """Two clouds apart."""
    found = {}
    state = world.rng.bit_generator.state
    for name, measure in (("CMMD", cmmd), ("KID", kid)):
        world.rng.bit_generator.state = state
        distance = kernel_distance(world, measure, SHIFT)
        limits = (distance.all_pairs, distance.low, distance.high)
        found[name] = Interval(*limits, true_distances()[name], distance.blocks)
    return found


@study(tests=["CMMD: p", "KID: p"], worlds=200, pairs=True)
def kernels_without_a_difference(world: World) -> Measured:
    """Two clouds of one distribution."""
    state = world.rng.bit_generator.state
    found = {"CMMD: p": kernel_distance(world, cmmd).p}
    world.rng.bit_generator.state = state
    found["KID: p"] = kernel_distance(world, kid).p
    return found


# ------------------------------------------------------------------ manifolds and hubs


def shared_manifold(world: World):
    """Both clouds, the measures, and many rows of each that are independent."""
    reference = cloud(world.rng, world.other_owner)
    x = cloud(world.rng, world.owner, SHIFT)
    found = manifold(
        reference,
        x,
        blocks_reference=world.told(world.other_owner),
        blocks_x=world.told(world.owner),
    )
    return reference, x, found


def of_manifold(estimate, truth, sizes) -> Interval:
    """An estimate with its truth, the balls held fixed as the interval holds them."""
    blocks = effective_blocks(sizes)
    return Interval(estimate.value, estimate.low, estimate.high, truth, blocks)


def balls_around(rows, centres, k=NEIGHBOURS):
    """How many balls of the centres, each to its k-th other centre, every one of the rows is in."""
    radius = np.partition(cdist(centres, centres), k, axis=1)[:, k]
    return (cdist(rows, centres) <= radius).sum(axis=1)


MANIFOLD = (
    "precision, balls fixed",
    "density, balls fixed",
    "recall, balls fixed",
    "coverage, other set fixed",
)


@study(intervals=MANIFOLD, worlds=200)
def manifolds(world: World) -> Measured:
    """Against many other images: the same balls, or for coverage other references of owners of the same sizes."""
    reference, x, found = shared_manifold(world)
    truths = (None,) * 4
    if world.known:
        truths = true_manifold(world, reference, x)
    sizes = (world.sizes, world.sizes, world.other_sizes, world.other_sizes)
    estimates = (found.precision, found.density, found.recall, found.coverage)
    measured = {}
    for name, estimate, truth, of_owners in zip(
        MANIFOLD, estimates, truths, sizes, strict=True
    ):
        measured[name] = of_manifold(estimate, truth, of_owners)
    return measured


def true_manifold(world, reference, x):
    """Precision, density, recall and coverage of many other images, floats."""
    rng = world.rng
    theirs = balls_around(cloud(rng, np.arange(OTHERS), SHIFT), reference)
    own = balls_around(cloud(rng, np.arange(OTHERS)), x)
    again = []
    for _ in range(6):
        other = cloud(rng, world.other_owner)
        again.append(manifold(other, x).coverage.value)
    truths = ((theirs > 0).mean(), theirs.mean() / NEIGHBOURS, (own > 0).mean())
    return (*truths, np.mean(again))


@cache
def hub_reference():
    """A reference with hubs, the same in every world."""
    return np.random.default_rng(2).normal(size=(150, len(SHIFT)))


@study(intervals=["hubness"])
def hubs(world: World) -> Measured:
    """The skewness that so many queries of so many owners have on average."""
    query = cloud(world.rng, world.owner)
    found = hubness(query, hub_reference(), blocks=world.told(world.owner))
    limits = (found.value, found.low, found.high)
    return {"hubness": Interval(*limits, None, found.blocks)}
