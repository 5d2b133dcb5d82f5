"""Intervals and tests of the comparison of sets, for `studies.coverage`: shares, KL, CMMD and KID, manifolds, hubs."""

from functools import cache

import numpy as np
from scipy.spatial.distance import cdist

from studies.coverage import Interval, World, interval, test_of_null
from twigma.analysis.comparison.cluster_shares import cluster_shares
from twigma.analysis.comparison.divergence import kl_matrix
from twigma.analysis.comparison.hubness import hubness
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
MANY = 1000  # images of a draw that a truth is measured on
OTHERS = 8000  # images that balls are tried on: an error a quarter of the intervals'


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


@interval("NSFW share (Fig 4d)")
def share_of_images(world: World) -> Interval:
    """Each owner has a rate of their own, mostly near 0 or 1."""
    rate = world.rng.beta(0.2, 0.8, len(world.sizes))
    score = (world.rng.random(world.sizes.sum()) < rate[world.owner]).astype(float)
    row = nsfw_share({"a": score}, blocks=blocks_of(world, a=world.owner)).iloc[0]
    return Interval(row["share"], row["low"], row["high"], 0.2, row["blocks"])


@interval("share of a cluster (Fig 2b)")
def share_of_a_cluster(world: World) -> Interval:
    """Two clusters, numbered by a reference whose images are independent."""
    rng = world.rng
    sets = {
        "reference": themed(rng, np.arange(600), np.array([0.8, 0.2])),
        "ours": themed(rng, world.owner, np.array([0.6, 0.4])),
    }
    blocks = blocks_of(world, ours=world.owner)
    table = cluster_shares(sets, 2, blocks=blocks).set_index(["cluster", "set"])
    row = table.loc[(1, "ours")]
    return Interval(row["share"], row["low"], row["high"], 0.6, row["blocks"])


# ------------------------------------------------------------------ KL


def divergence(world: World, other_weights):
    """The row of KL(a‖b), b of themes with other weights."""
    a = themed(world.rng, world.owner, THEMES)
    b = themed(world.rng, world.other_owner, other_weights)
    blocks = blocks_of(world, a=world.owner, b=world.other_owner)
    return kl_matrix({"a": a, "b": b}, len(THEMES), blocks=blocks).iloc[0]


@interval("KL (Fig 2c)")
def kl_of_two_sets(world: World) -> Interval:
    """Themes of unlike weights, in separate clusters."""
    row = divergence(world, OTHER_THEMES)
    truth = float(np.sum(THEMES * np.log(THEMES / OTHER_THEMES)))
    return Interval(row["kl"], row["low"], row["high"], truth, row["blocks"])


@interval("KL of one distribution (Fig 2c)")
def kl_without_a_difference(world: World) -> Interval:
    """Two samples of one distribution, whose divergence is 0."""
    row = divergence(world, THEMES)
    return Interval(row["kl"], row["low"], row["high"], 0.0, row["blocks"])


@test_of_null("KL (Fig 2c)")
def p_of_kl(world: World) -> float:
    """Of two samples of one distribution."""
    return float(divergence(world, THEMES)["p_permutation"])


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
def true_distance(measure) -> float:
    """Of many images of as many owners: the mean of several draws."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(40):
        a, b = cloud(rng, np.arange(MANY)), cloud(rng, np.arange(MANY), SHIFT)
        found.append(measure(a, b).value)
    return float(np.mean(found))


def kernel_interval(world: World, measure) -> Interval:
    """The interval of a measure of two clouds apart."""
    found = kernel_distance(world, measure, SHIFT)
    truth = true_distance(measure)
    return Interval(found.all_pairs, found.low, found.high, truth, found.blocks)


@interval("CMMD")
def cmmd_of_two_sets(world: World) -> Interval:
    """Two clouds apart."""
    return kernel_interval(world, cmmd)


@test_of_null("CMMD")
def p_of_cmmd(world: World) -> float:
    """Of two clouds of one distribution."""
    return kernel_distance(world, cmmd).p


@test_of_null("KID")
def p_of_kid(world: World) -> float:
    """Of two clouds of one distribution."""
    return kernel_distance(world, kid).p


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
    radius = np.sort(cdist(centres, centres), axis=1)[:, k]
    return (cdist(rows, centres) <= radius).sum(axis=1)


@interval("precision, balls fixed")
def precision(world: World) -> Interval:
    """The share of many other images that the same balls hold."""
    reference, _, found = shared_manifold(world)
    many = cloud(world.rng, np.arange(OTHERS), SHIFT)
    truth = float((balls_around(many, reference) > 0).mean())
    return of_manifold(found.precision, truth, world.sizes)


@interval("density, balls fixed")
def density(world: World) -> Interval:
    """The mean over many other images of the balls they are in."""
    reference, _, found = shared_manifold(world)
    many = cloud(world.rng, np.arange(OTHERS), SHIFT)
    truth = float(balls_around(many, reference).mean()) / NEIGHBOURS
    return of_manifold(found.density, truth, world.sizes)


@interval("recall, balls fixed")
def recall(world: World) -> Interval:
    """The share of many other images of the reference that the same balls hold."""
    _, x, found = shared_manifold(world)
    many = cloud(world.rng, np.arange(OTHERS))
    truth = float((balls_around(many, x) > 0).mean())
    return of_manifold(found.recall, truth, world.other_sizes)


@interval("coverage, other set fixed")
def covered(world: World) -> Interval:
    """The mean over other references of the same owners' sizes."""
    _, x, found = shared_manifold(world)
    again = []
    for _ in range(6):
        reference = cloud(world.rng, world.other_owner)
        again.append(manifold(reference, x).coverage.value)
    return of_manifold(found.coverage, float(np.mean(again)), world.other_sizes)


@cache
def hub_reference():
    """A reference with hubs, the same in every world."""
    return np.random.default_rng(2).normal(size=(150, len(SHIFT)))


@interval("hubness")
def hubs(world: World) -> Interval:
    """The skewness that so many queries of so many owners have on average."""
    query = cloud(world.rng, world.owner)
    found = hubness(query, hub_reference(), blocks=world.told(world.owner))
    return Interval(found.value, found.low, found.high, None, found.blocks)
