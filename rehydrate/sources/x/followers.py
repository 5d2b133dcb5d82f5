"""The follower counts of authors whose posts a folder has already: users are looked up, and no post is bought again.

`twigma rehydrate --followers` and `collect --followers` buy them after their posts; Eq (1) needs them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core.files import read_parquet
from twigma.core.progress import progress_bar
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.posts.page_content import dicts
from twigma.rehydrate.posts.page_store import require_space
from twigma.rehydrate.sources.x.budget import Budget
from twigma.rehydrate.sources.x.client import IDS_PER_CALL, XClient


class WithoutFollowers(NamedTuple):
    """Of posts with photos but without a follower count: the authors, and the posts whose author is not known."""

    authors: list[str]
    posts: list[str]


def without_followers(
    work: AnyWorkspace, ids: Iterable[str] | None = None
) -> WithoutFollowers:
    """What the images table lacks of the followers of these posts, or of all; posts without a photo need none."""
    path = Workspace(work).images_file
    if not path.exists():
        return WithoutFollowers([], [])
    names = ["id", "author_id", "follower_count"]
    rows = read_parquet(path, columns=names, filters=pc.field("source") == "x")
    rows = rows.filter(pc.is_null(rows["follower_count"]))
    if ids is not None:
        wanted = pa.array(ids, pa.string())
        rows = rows.filter(pc.is_in(rows["id"], value_set=wanted))
    authors = pc.unique(rows["author_id"].drop_null()).to_pylist()
    authorless = rows.filter(pc.is_null(rows["author_id"]))
    return WithoutFollowers(authors, pc.unique(authorless["id"]).to_pylist())


def buy_followers(
    ledger: Ledger, authors: Sequence[str], client: XClient, money: Budget
) -> int:
    """Look up the authors that X was not asked for yet, as far as the money goes; how many are left over.

    Raises what `XClient.users` raises, and ValueError where X sends users without their numbers.
    """
    todo = ledger.unknown_users(authors)
    asked = 0
    with progress_bar(total=len(todo), desc="look up", unit="author") as bar:
        while asked < len(todo):
            affordable = money.affords_users(ledger, IDS_PER_CALL)
            batch = todo[asked : asked + affordable]
            if not batch:
                break
            require_space(ledger.work)
            answer = client.users(batch)
            request = {"users": batch, "dialect": client.dialect}
            ledger.append("users", request, answer)
            _require_numbers(answer)
            asked += len(batch)
            bar.update(len(batch))
    return len(todo) - asked


def _require_numbers(answer: dict[str, Any]) -> None:
    users = dicts(answer.get("data"))
    if users and not any("public_metrics" in user for user in users):
        raise ValueError(
            "X API: no user on a page has public_metrics, which was asked for; stopped before buying more"
        )
