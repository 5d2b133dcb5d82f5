"""Intervals of people's groups and labels, of a corrected detector, and of near copies, for `studies.coverage`.

Images of one author are of one cluster, mostly, and people who look at them put them in one group, mostly.
"""

import numpy as np
import pandas as pd
from support.planted_copies import plant_copies
from support.planted_detectors import MONTHS, SHARE, SLOPE, labelled, scores
from support.planted_detectors import World as Detected

from studies.coverage import Interval, Measured, World, study
from twigma.analysis.inference.blocks import effective_blocks_of
from twigma.analysis.measurement.agreement import (
    krippendorff_alpha,
    mutual_information,
    split_and_merged,
)
from twigma.analysis.measurement.estimates import monthly_trend, share
from twigma.analysis.themes.cluster_count import adjusted_rand
from twigma.analysis.themes.concordance import concordance
from twigma.analysis.themes.similar_pairs import similar_pairs

CLUSTERS = 5
SHEET = 120  # images on a sheet: the paper's had a hundred
LOYAL, AGREE = 0.8, 0.7
WORDS = ("castle", "cat", "robot", "forest", "face", "city")
TIMES = 5  # as many images as in other worlds are looked at by a detector
LABELS = 300

ARI, AMI = "ARI with clusters (Fig 4b, 4c)", "AMI with clusters (Fig 4c)"
SPLIT, MERGED = "cluster split by people", "clusters merged by people"
ALPHA, KEYWORDS = "Krippendorff's alpha", "keywords of a cluster (Fig 4c)"
NULLS = {
    "ari": "ARI of people: p (Fig 4c)",
    "keywords": "keywords of a cluster: p (Fig 4c)",
}
CORRECTED = ("corrected share", "corrected trend a month")
COPIES = "any copy found, without one (Fig 4e)"


def alike(rng, owner, k):
    """A number below `k` for each image, most of an owner's the same."""
    own = rng.integers(k, size=owner.max() + 1)[owner]
    return np.where(
        rng.random(len(owner)) < LOYAL, own, rng.integers(k, size=len(owner))
    )


def sheet_of(world: World, agree=AGREE):
    """Two annotators' groups and keywords of images; they see the cluster or, mostly together, something else."""
    rng = world.rng
    # As many images of each owner as make one sheet.
    count = np.maximum(1, world.sizes * SHEET // world.sizes.sum())
    owner = np.repeat(np.arange(len(count)), count)[:SHEET]
    cluster = alike(rng, owner, CLUSTERS)
    seen = alike(rng, owner, CLUSTERS)
    clear = rng.random(owner.max() + 1)[owner] < agree
    frames = []
    for annotator in ("ada", "bo"):
        group = np.where(clear, cluster, seen)
        slips = rng.random(len(owner)) < 0.1
        group = np.where(slips, rng.integers(CLUSTERS, size=len(owner)), group)
        words = np.array(WORDS)[group]
        frame = pd.DataFrame({"item": np.arange(len(owner)), "cluster": cluster})
        frame = frame.assign(annotator=annotator, group=group.astype(str))
        frame["keywords"] = [frozenset([word]) for word in words]
        frames.append(frame.assign(owner=owner))
    filled = pd.concat(frames, ignore_index=True)
    effective = effective_blocks_of(owner, len(owner))
    return (filled if world.known else filled.drop(columns="owner")), effective


@study(
    intervals=[ARI, AMI, SPLIT, MERGED, ALPHA],
    worlds=100,
)
def groups_of_people(world: World) -> Measured:
    """Owners whose images people see as the clusters are, or not; truths are means over worlds."""
    filled, effective = sheet_of(world)
    one = filled[filled["annotator"] == "ada"]
    owners = one["owner"].to_numpy() if world.known else None
    ari = adjusted_rand(one["cluster"], one["group"], owners)
    ami = mutual_information(one).iloc[0]
    seen = split_and_merged(filled).set_index(["cluster", "other"])
    wide = filled.pivot(index="item", columns="annotator", values="group")
    alpha = krippendorff_alpha(wide, owners=owners)
    found = {
        ARI: (ari.value, ari.low, ari.high),
        ALPHA: (alpha.value, alpha.low, alpha.high),
    }
    for name, row in (
        (AMI, ami),
        (SPLIT, seen.loc[(0, 0)]),
        (MERGED, seen.loc[(0, 1)]),
    ):
        found[name] = (row["value"], row["low"], row["high"])
    return {name: Interval(*limits, None, effective) for name, limits in found.items()}


@study(intervals=[KEYWORDS], tests=list(NULLS.values()), worlds=100)
def groups_without_clusters(world: World) -> Measured:
    """Groups that have nothing to do with the clusters, but that both are alike within an owner."""
    filled, effective = sheet_of(world, agree=0.0)
    one = filled[filled["annotator"] == "ada"]
    by_measure = concordance(one).set_index("measure")
    row = by_measure.loc["keywords"]
    limits = (row["value"], row["low"], row["high"])
    found = {KEYWORDS: Interval(*limits, None, effective)}
    return found | {
        name: float(by_measure.loc[key, "p"]) for key, name in NULLS.items()
    }


@study(intervals=CORRECTED, worlds=200, page="corrected_measurement")
def corrected_detector(world: World) -> Measured:
    """A detector that errs, and labels of some images; authors differ in how often they post what is sensitive."""
    rng, author = world.rng, np.repeat(world.owner, TIMES)
    month = rng.integers(0, MONTHS, len(author))
    factor = 6 * rng.beta(2, 10, author.max() + 1)
    chance = (SHARE + SLOPE * (month - (MONTHS - 1) / 2)) * factor[author]
    planted = Detected(rng.random(len(author)) < chance, month, author)
    if not world.known:
        planted = planted._replace(author=np.arange(len(author)))
    seed = int(rng.integers(2**31))
    data = labelled(planted, scores("biased", planted, rng), LABELS, "at random", seed)
    found = {}
    tables = (share(data), monthly_trend(data, month))
    for name, table, truth in zip(CORRECTED, tables, (SHARE, SLOPE), strict=True):
        row = table.set_index("estimator").loc["corrected"]
        limits = (row["value"], row["low"], row["high"])
        effective = effective_blocks_of(author, len(author))
        found[name] = Interval(*limits, truth, effective)
    return found


@study(tests=[COPIES], blind=True, worlds=100, designs=["independent"], page="copies")
def copies_where_there_is_none(world: World) -> Measured:
    """Images drawn as the reference is: any that is called closer than chance is a false discovery."""
    seed = int(world.rng.integers(2**31))
    none = plant_copies(2000, 4000, 0.0, seed=seed)
    names = range(4000)
    pairs = similar_pairs(none.query, none.reference, names, names)
    least = pairs.listed["p_adjusted"].min()
    return {COPIES: 1.0 if np.isnan(least) else float(least)}
