"""How old each post was when its likes were counted, from the stored pages of a working folder; for Eq (1).

A release does not say when its posts were looked up; the pages do. Likes mostly come in a post's first days, so age
matters for posts that were looked up early, and hardly for those looked up after months.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.core.parts import read_part
from twigma.core.workspace import Workspace

MILLISECONDS = 86_400_000  # of a day


def like_counts_seen(work: Workspace) -> pa.Table | None:
    """When the likes of each post were last counted.

    Returns
    -------
    Table (id, counted_at: timestamp[ms], naive UTC), a row per post; None where no parsed page has likes.
    """
    seen = []
    for path in sorted(work.parsed_pages.glob("*.arrow")):
        part = _part(path)
        if part is not None:
            seen.append(part)
    if not sum(len(part) for part in seen):
        return None
    last = pa.concat_tables(seen).group_by("id").aggregate([("received_at", "max")])
    # From microseconds.
    milliseconds = pc.divide(last["received_at_max"], 1000)
    times = milliseconds.cast(pa.timestamp("ms"))
    return pa.table({"id": last["id"], "counted_at": times})


def ages(
    ids: NDArray[np.object_],
    created_at: NDArray[np.datetime64],
    seen: pa.Table | None,
) -> NDArray[np.float64] | None:
    """Days from each post to the count of its likes, float64 [n]; NaN where unknown, None where all are.

    Parameters
    ----------
    ids : post ids [n]. created_at : datetime64 [n]. seen : a row per post, of `like_counts_seen`.
    """
    if seen is None:
        return None
    times = pd.Series(seen["counted_at"].to_numpy(), index=seen["id"].to_pylist())
    counted = times.reindex(ids).to_numpy()
    age = (counted - created_at).astype("timedelta64[ms]")
    days = age.astype(np.float64) / MILLISECONDS
    # A post is not counted before it was written: such a date is wrong.
    days[np.isnat(age) | (days < 0)] = np.nan
    return None if np.isnan(days).all() else days


def _part(path: Path) -> pa.Table | None:
    """The rows with likes of a parsed part (id, received_at); None of a damaged one, which is parsed again."""
    try:
        part = read_part(path)
    except ValueError:
        return None
    known = pc.and_(part["like_count"].is_valid(), part["received_at"].is_valid())
    return part.select(["id", "received_at"]).filter(known)
