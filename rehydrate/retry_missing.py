"""One new look-up of posts whose photo is gone, before photos are tried again: `twigma rehydrate --retry-failed`.

A 404 is final for a URL, but not for a post: X may name another URL, which is then fetched, or say that the post is
gone too. Either way the post is asked this once only.
"""

import csv
from pathlib import Path

import pyarrow.compute as pc

from twigma.core.files import read_parquet
from twigma.rehydrate.fetch.shard_plan import GONE
from twigma.rehydrate.images import shards
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.ledger import NOT_ASKED, Ledger, count_outcomes
from twigma.rehydrate.sources.x.budget import POST_PRICE, Budget
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import Lookup, ask_all, write_outcomes


def retry_missing(
    work: Path,
    client: XClient,
    budget: float | None = None,
    *,
    post_price: float = POST_PRICE,
) -> Lookup:
    """Ask again for the posts of `gone_posts`, within the `budget` of the folder, and bring its tables up to date.

    Gives the outcomes of these posts. Raises ApiError when X ends the run, as `lookup` does.
    """
    money = Budget(budget, post_price=post_price)
    with Ledger(work) as ledger:
        posts = ledger.not_renewed(_gone(work))
        asked, failure = ask_all(ledger, posts, client, money, renew=True)
        _update_outcomes(work, ledger)
        write_images_table(work)
        if failure:
            raise failure
        outcomes = ledger.outcomes(posts[:asked]) | dict.fromkeys(
            posts[asked:], NOT_ASKED
        )
        return Lookup(count_outcomes(outcomes), asked, money.spent(ledger))


def gone_posts(work: Path) -> list[str]:
    """Posts of X with a photo whose URL answered that it is gone, and which were not asked again for that."""
    posts = _gone(work)
    if not posts:
        return []
    with Ledger(work) as ledger:
        return ledger.not_renewed(posts)


def _gone(work: Path) -> list[str]:
    path = Path(work) / "images.parquet"
    if not path.exists() or not shards.manifests(work):
        return []
    table = read_parquet(
        path, columns=["id", "image_name", "url"], filters=pc.field("source") == "x"
    )
    fetched = shards.read_sidecars(work)
    fetched = fetched.filter(pc.is_in(fetched["status"], value_set=GONE))
    at = pc.index_in(
        table["image_name"], value_set=fetched["image_name"].combine_chunks()
    )
    same = pc.fill_null(pc.equal(table["url"], fetched["url"].take(at)), False)
    return list(dict.fromkeys(table.filter(same)["id"].to_pylist()))


def _update_outcomes(work: Path, ledger: Ledger) -> None:
    """Write `outcomes.csv` anew, for the list it is of."""
    path = Path(work) / "outcomes.csv"
    if path.exists():
        with path.open(encoding="ascii", newline="") as handle:
            listed = [row["id"] for row in csv.DictReader(handle)]
        write_outcomes(work, ledger.outcomes(listed))
