"""One new look-up of posts whose photo is gone or was never shown, before photos are tried again.

Run by `twigma rehydrate --retry`.

A 404 is final for a URL, but not for a post: X may name another URL, which is then fetched, or say that the post is
gone too. A look-up may name a photo without showing it. Either way the post is asked this once only.
"""

import csv

import pyarrow.compute as pc

from twigma.core.files import read_parquet
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.fetch.shard_plan import GONE
from twigma.rehydrate.images import shards
from twigma.rehydrate.ledger.ledger import NOT_ASKED, Ledger, count_outcomes
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.sources.x.budget import POST_PRICE, Budget
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import Lookup, ask_all, write_outcomes


def retry_missing(
    work: AnyWorkspace,
    client: XClient,
    budget: float | None = None,
    *,
    post_price: float = POST_PRICE,
) -> Lookup:
    """Ask again for the posts of `gone_posts`, within the `budget` of the folder, and bring its tables up to date.

    Returns the outcomes of these posts. Raises ApiError when X ends the run, as `lookup` does.
    """
    work = Workspace(work)
    money = Budget(budget, post_price=post_price)
    with Ledger(work) as ledger:
        posts = _to_renew(work, ledger)
        asked, failure = ask_all(ledger, posts, client, money, renew=True)
        _update_outcomes(work, ledger)
        write_images_table(work)
        if failure:
            raise failure
        outcomes = ledger.outcomes(posts)
        # The ledger still has the first outcome of those that were not asked.
        outcomes.update(dict.fromkeys(ledger.not_renewed(posts), NOT_ASKED))
        remaining = len(posts) - asked
        dollars = money.spent(ledger)
        return Lookup(count_outcomes(outcomes), asked, remaining, dollars)


def gone_posts(work: AnyWorkspace) -> list[str]:
    """Posts of X with a photo that is gone, by its URL, or was not shown, and which were not asked again for that."""
    work = Workspace(work)
    if not work.ledger_file.exists() and not _posts_with_gone_photos(work):
        return []
    with Ledger(work) as ledger:
        return _to_renew(work, ledger)


def _to_renew(work: Workspace, ledger: Ledger) -> list[str]:
    posts = [*_posts_with_gone_photos(work), *ledger.without_photos()]
    return ledger.not_renewed(list(dict.fromkeys(posts)))


def _posts_with_gone_photos(work: Workspace) -> list[str]:
    """Ids, each once, in the order of the images table."""
    path = work.images_file
    if not path.exists() or not shards.manifests(work.path):
        return []
    from_x = pc.field("source") == "x"
    table = read_parquet(path, columns=["id", "image_name", "url"], filters=from_x)
    tried = shards.read_sidecars(work.path, ["image_name", "status", "url"])
    gone = tried.filter(pc.is_in(tried["status"], value_set=GONE))
    names = gone["image_name"].combine_chunks()
    at = pc.index_in(table["image_name"], value_set=names)
    # A photo that has another URL by now is to be fetched, not to be asked for.
    gone_url = gone["url"].take(at)
    is_same_url = pc.fill_null(pc.equal(table["url"], gone_url), False)
    return list(dict.fromkeys(table.filter(is_same_url)["id"].to_pylist()))


def _update_outcomes(work: Workspace, ledger: Ledger) -> None:
    """Write `outcomes.csv` again, for the list it is of."""
    path = work.outcomes_file
    if not path.exists():
        return
    with path.open(encoding="ascii", newline="") as file:
        listed = [row["id"] for row in csv.DictReader(file)]
    write_outcomes(work, ledger.outcomes(listed))
