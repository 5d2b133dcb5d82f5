"""Posts of the id list that were lost since: how many of each stratum are left, and what each of those stands for.

A working folder knows the list it was given (`ids.parquet`, with a stratum such as `2022-07/3`) and what became of
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
from twigma.rehydrate.posts.ledger_reader import found_posts

COLUMN = "survival_weight"
FEWEST = 5  # posts found in a stratum below which its month speaks for it


def survival(work: AnyWorkspace) -> tuple[pd.DataFrame, pa.Table] | None:
    """What is left of the list of a working folder; None where it has no list, no ledger, or nothing was lost.

    Returns
    -------
    (strata, posts). strata has a row a stratum: stratum, listed, found, share, low, high (Wilson, 95%), weight =
    listed/found, and `pooled`, whether that of its month, or of all, was taken, as fewer than 5 were found.
    posts: (id, survival_weight) of those found.
    """
    work = Workspace(work)
    listed, alive = _listed(work), found_posts(work)
    if listed is None or alive is None:
        return None
    listed = listed.assign(found=listed["id"].isin(alive))
    if listed["found"].all() or not listed["found"].any():
        return None
    strata = survival_weights(listed)
    weight = listed["stratum"].map(strata.set_index("stratum")["weight"])
    posts = pa.table({"id": listed["id"], COLUMN: weight}).filter(
        pa.array(listed["found"])
    )
    return strata, posts


def survival_weights(listed: pd.DataFrame) -> pd.DataFrame:
    """The strata of `survival`, from a row an id of the list: stratum and found, true or false."""
    table = (
        listed.groupby("stratum")["found"].agg(listed="size", found="sum").reset_index()
    )
    table["share"] = table["found"] / table["listed"]
    table["low"], table["high"] = wilson(table["found"], table["listed"])
    month = table["stratum"].str.split("/").str[0]
    wider = table.groupby(month)[["listed", "found"]].transform("sum")
    every = len(listed) / listed["found"].sum()
    table["pooled"] = table["found"] < FEWEST
    by_month = np.where(
        wider["found"] >= FEWEST, wider["listed"] / wider["found"].clip(lower=1), every
    )
    table["weight"] = np.where(
        table["pooled"], by_month, table["listed"] / table["found"].clip(lower=1)
    )
    return table


def with_survival(table: pa.Table, posts: pa.Table) -> pa.Table:
    """The table with each row's survival weight; 1 for posts that are not of the list."""
    place = pc.index_in(table["id"], value_set=posts["id"].combine_chunks())
    weight = pc.fill_null(
        posts[COLUMN].combine_chunks().take(pc.fill_null(place, 0)), 1.0
    )
    known = np.asarray(place.is_valid())
    return table.append_column(COLUMN, pa.array(np.where(known, weight, 1.0)))


def _listed(work: Workspace) -> pd.DataFrame | None:
    if not work.ids_file.exists():
        return None
    listed: pd.DataFrame = pq.read_table(
        work.ids_file, columns=["id", "stratum"]
    ).to_pandas()
    return listed
