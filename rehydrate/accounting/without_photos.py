"""Whether a working folder has posts and not a single photo; then other posts help, or images of one's own."""

import pyarrow.parquet as pq

from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.accounting.ids import unlisted_posts
from twigma.rehydrate.ledger.reader import view_ledger


def describe_missing_photos(work: AnyWorkspace) -> str:
    """A sentence with what to do where no post has a photo, or there is none; "" in every other folder.

    Nothing is said before there is an images table. ValueError when the ledger is damaged.
    """
    work = Workspace(work)
    table = work.images_file
    if not table.exists() or pq.read_metadata(table).num_rows:
        return ""
    ledger = view_ledger(work)
    posts = len(ledger.ids)
    if len(unlisted_posts(work, ledger)):
        return ""
    if not posts:
        return "there is no post and no image: import or look up posts, or add images"
    if ledger.not_looked_up:
        listed = work.photos_unknown_file
        return (
            f"no archive or search shows a photo: `twigma rehydrate --ids {listed}` looks the posts up, "
            "or import others, or add images"
        )
    none = f"none of the {posts:,} posts has a photo"
    if posts == 1:
        none = "the only post has no photo"
    return f"{none}: import or look up others, or add images"


def require_photos(work: AnyWorkspace) -> None:
    """ValueError where there is an images table without a photo, or where the ledger that says so is damaged."""
    sentence = describe_missing_photos(work)
    if sentence:
        raise ValueError(f"{work}: {sentence}")
