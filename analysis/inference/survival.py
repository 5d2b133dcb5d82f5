"""Posts of the id list that were lost since: how many of each stratum are left, and how many each of those represents.

A working folder knows the list it is for (`ids.parquet`, with a stratum such as `2022-07/3`) and the outcome of
every id that was looked up (`ledger.sqlite`). Where losses differ between months or themes, what is left is no picture
of the list; weighted by listed/found of its stratum it is. Of ids that were never looked up, as when the budget was
spent, nothing is known: they are left out. `twigma analyze --work WORK` does so, and writes the table `survival`.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.analysis.inference.proportions import wilson
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.ledger.reader import view_ledger
from twigma.rehydrate.posts.page_content import EXISTS

COLUMN = "survival_weight"
FEWEST = 5  # posts left in a stratum; with fewer, the weight of its month is taken


def listed_outcomes(work: AnyWorkspace) -> pd.DataFrame | None:
    """What is known of every id of a working folder's list; None where it has no list or no ledger.

    Returns
    -------
    DataFrame (id, stratum, asked, found), a row an id: whether it was ever looked up, and whether the post was there.
    """
    work = Workspace(work)
    if not work.ids_file.exists() or not work.ledger_file.exists():
        return None
    ledger = view_ledger(work).ids
    is_found = pc.is_in(ledger["outcome"], value_set=pa.array(EXISTS, pa.string()))
    listed: pd.DataFrame = pq.read_table(
        work.ids_file, columns=["id", "stratum"]
    ).to_pandas()
    listed["asked"] = listed["id"].isin(ledger["id"].to_pandas())
    listed["found"] = listed["id"].isin(ledger["id"].filter(is_found).to_pandas())
    return listed


def survival(outcomes: pd.DataFrame) -> tuple[pd.DataFrame, pa.Table] | None:
    """What is left of those ids of a list that were looked up; None where nothing of them was lost, or everything.

    Parameters
    ----------
    outcomes : those of `listed_outcomes`.

    Returns
    -------
    (strata, posts). strata has a row a stratum: stratum, listed (ids of the list that were looked up), found, share,
    low, high (Wilson, 95%), weight = listed/found, and `pooled`, whether that of its month, or of all, was taken, as
    fewer than 5 were found.
    posts: (id, survival_weight) of those found.
    """
    listed = outcomes[outcomes["asked"]]
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
