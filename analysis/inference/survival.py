"""Posts of the id list that were lost since: how many of each stratum are left, and how many each of those represents.

A working folder knows the list it is for (`ids.parquet`, with a stratum such as `2022-07/3`) and the outcome of
every id (`ledger.sqlite`). Where losses differ between months or themes, what is left is no picture of the list;
weighted by listed/found of its stratum it is. `twigma analyze --work WORK` does so, and writes the table `survival`.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.analysis.inference.proportions import wilson
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.ledger.reader import found_posts

COLUMN = "survival_weight"
FEWEST = 5  # posts left in a stratum; with fewer, the weight of its month is taken


def survival(work: AnyWorkspace) -> tuple[pd.DataFrame, pa.Table] | None:
    """What is left of the list of a working folder; None where it has no list, no ledger, or nothing was lost.

    Returns
    -------
    (strata, posts). strata has a row a stratum: stratum, listed, found, share, low, high (Wilson, 95%), weight =
    listed/found, and `pooled`, whether that of its month, or of all, was taken, as fewer than 5 were found.
    posts: (id, survival_weight) of those found.
    """
    work = Workspace(work)
    listed = _listed_ids(work)
    alive = found_posts(work)
    if listed is None or alive is None:
        return None
    listed = listed.assign(found=listed["id"].isin(alive))
    if listed["found"].all() or not listed["found"].any():
        return None
    strata = survival_weights(listed)
    by_stratum = strata.set_index("stratum")["weight"]
    posts = pa.table({"id": listed["id"], COLUMN: listed["stratum"].map(by_stratum)})
    return strata, posts.filter(pa.array(listed["found"]))


def survival_weights(listed: pd.DataFrame) -> pd.DataFrame:
    """The strata of `survival`, from one row an id of the list.

    Parameters
    ----------
    listed : one row an id, with stratum (text, "MONTH" or "MONTH/THEME") and found (bool).

    Returns
    -------
    DataFrame (stratum, listed, found, share, low, high, pooled, weight), a row a stratum. Shares and their Wilson 95%
    limits are of the stratum itself, also where the weight was pooled.
    """
    groups = listed.groupby("stratum")["found"]
    table = groups.agg(listed="size", found="sum").reset_index()
    table["share"] = table["found"] / table["listed"]
    table["low"], table["high"] = wilson(table["found"], table["listed"])
    month = table["stratum"].str.split("/").str[0]
    in_month = table.groupby(month)[["listed", "found"]].transform("sum")
    overall = len(listed) / listed["found"].sum()
    table["pooled"] = table["found"] < FEWEST
    # `clip` only spares a division by zero: where nothing is left, the wider stratum is taken.
    by_month = in_month["listed"] / in_month["found"].clip(lower=1)
    wider = np.where(in_month["found"] >= FEWEST, by_month, overall)
    own = table["listed"] / table["found"].clip(lower=1)
    table["weight"] = np.where(table["pooled"], wider, own)
    return table


def with_survival(table: pa.Table, posts: pa.Table) -> pa.Table:
    """The table, one row an image, with its survival weight (float64); 1 for posts that are not of the list.

    `posts` is that of `survival`: (id, survival_weight), a row a post.
    """
    place = pc.index_in(table["id"], value_set=posts["id"].combine_chunks())
    listed = np.asarray(place.is_valid())
    weight = posts[COLUMN].combine_chunks().take(pc.fill_null(place, 0))
    weight = pc.fill_null(weight, 1.0)
    return table.append_column(COLUMN, pa.array(np.where(listed, weight, 1.0)))


def _listed_ids(work: Workspace) -> pd.DataFrame | None:
    """The ids of the list and their strata; None where the folder has no list."""
    if not work.ids_file.exists():
        return None
    ids: pd.DataFrame = pq.read_table(
        work.ids_file, columns=["id", "stratum"]
    ).to_pandas()
    return ids
