"""Numbers of ours that only the comparison with the paper needs: counts, losses, sensitive clusters, people's groups.

`comparison` adds them to the results of the figures.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.inference.intervals import Estimate, interval
from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Entry, Result, entries
from twigma.analysis.measurement.agreement import split_and_merged
from twigma.analysis.page.gallery import THRESHOLD
from twigma.analysis.page.section import records
from twigma.analysis.paper import stated
from twigma.analysis.provenance.description import describe
from twigma.core import columns

# Reasons of `twigma release` to leave a photo out.
NOT_FETCHED = "not fetched"
NEVER_TRIED = "not fetched: never tried"


def counts(data: load.Inputs, results: Mapping[str, Result]) -> dict[str, Entry]:
    """How many images, posts and months there are; of a sample, in the list it was drawn from."""
    about = describe(data)
    rows = about["rows"]
    found: dict[str, Entry] = {
        "data/images": {"value": about["images"], "n": rows},
        "data/posts": {"value": about["posts"], "n": rows},
    }
    if "fig1b" in results:
        months = results["fig1b"].tables["fig1b"]
        found["data/months"] = {"value": len(months), "n": rows}
        if "sampled" in months:
            found["data/images"] = {"value": round(months["images"].sum())}
            found["data/posts"] = {"value": round(months["posts"].sum())}
    return found


def losses(manifest: Mapping[str, Any] | None) -> dict[str, Entry]:
    """The share of photos that could not be fetched, as a release counts them; nothing without such a release."""
    if manifest is None or "counts" not in manifest:
        return {}
    dropped = dict(manifest["counts"]["dropped"])
    # Nobody knows yet whether these are there.
    tried = manifest["counts"]["rows"] - dropped.pop(NEVER_TRIED, 0)
    if not tried:
        return {}
    lost = 0
    for reason, count in dropped.items():
        if reason.startswith(NOT_FETCHED):
            lost += count
    return {"data/unavailable": {"value": lost / tried, "n": tried}}


def overlaps(results: Mapping[str, Result]) -> dict[str, Entry]:
    """The overlap of every two sets with the second first; the results hold each once, in the order of the sets."""
    if "fig2a" not in results:
        return {}
    turned = results["fig2a"].tables["fig2a_overlap"]
    return entries(turned, "overlap", ["set_b", "set_a"], "overlap")


# ------------------------------------------------------------------ clusters


def sensitive_clusters(images: load.Images) -> dict[str, Entry]:
    """The share of images scored above one half in a cluster less that in all others.

    Of the clusters that the paper calls NSFW, with intervals by author where authors are known. Nothing without scores
    and clusters.
    """
    if not images.has("nsfw_score") or not images.has(columns.LABELS):
        return {}
    label = columns.present([columns.LABELS], images.table.column_names)[0]
    needed = ("nsfw_score", label)
    frame = images.table.select(list(needed)).to_pandas().dropna()
    flagged = (frame["nsfw_score"] > THRESHOLD).to_numpy(float)
    authors = None
    if images.has("author_id"):
        known = images.numbered("author_id")[frame.index.to_numpy()]
        authors = known if len(np.unique(known[~np.isnan(known)])) > 1 else None
    found: dict[str, Entry] = {}
    for cluster in stated.NSFW_CLUSTERS:
        member = (frame[label] == cluster).to_numpy()
        if member.any() and not member.all():
            difference = share_difference(flagged, member, authors)
            found[f"nsfw_cluster/{cluster}"] = dict(difference)
    return found


def share_difference(
    flagged: npt.NDArray[np.float64],
    member: npt.NDArray[np.bool_],
    blocks: npt.NDArray[np.float64] | None,
) -> Estimate:
    """The mean of `flagged` among members less that among all others, with the interval of their influence.

    Parameters
    ----------
    flagged : 0 or 1, float64[n]. member : bool[n], some but not all. blocks : label per row, [n], or None.
    """
    inside, outside = flagged[member].mean(), flagged[~member].mean()
    weight = np.where(member, 1 / member.mean(), -1 / (~member).mean())
    influence = weight * (flagged - np.where(member, inside, outside))
    return interval(float(inside - outside), influence, blocks, least=-1.0, most=1.0)


# ------------------------------------------------------------------ people


def people(filled: pd.DataFrame) -> dict[str, Entry]:
    """What people saw, and how often two images of one cluster are in different groups, or of two clusters in one.

    `people/split/CLUSTER` and `people/merged/CLUSTER/CLUSTER` are shares over annotators and pairs of images, with 95%
    intervals by the jackknife over images: of these annotators (`measurement.agreement.split_and_merged`).

    Parameters
    ----------
    filled : one row per annotator and image: annotator, item, cluster, group, keywords, as
        `annotation_sheets.read_sheets` returns it.
    """
    shown = filled.drop_duplicates("item")
    n = len(shown)
    found: dict[str, Entry] = {
        "people/annotators": {"value": filled["annotator"].nunique(), "n": n},
        "people/clusters": {"value": shown["cluster"].nunique(), "n": n},
        "people/images of each cluster": {
            "value": float(shown["cluster"].value_counts().median()),
            "n": n,
        },
        "people/keywords of each image": {
            "value": float(filled["keywords"].map(len).median()),
            "n": n,
        },
    }
    seen = {(row.cluster, row.other): row for row in records(split_and_merged(filled))}
    for cluster in stated.SPLIT_BY_PEOPLE:
        found |= _seen(f"people/split/{cluster}", seen.get((cluster, cluster)))
    one, other = stated.MERGED_BY_PEOPLE
    found |= _seen(f"people/merged/{one}/{other}", seen.get((one, other)))
    return found


def _seen(key: str, row: Any) -> dict[str, Entry]:
    """A share with its interval; nothing of a cluster that nobody saw, or saw too little of for an interval."""
    if row is None or not math.isfinite(row.high - row.low):
        return {}
    return {key: {"value": row.value, "low": row.low, "high": row.high, "n": row.n}}
