"""What a search found: hashtags, posts, and those whose photos could be fetched, from the folder of `twigma collect`.

`twigma analyze --work` holds them against the paper's, whose own collection is only told in its text.
"""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core.tables import united
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.accounting import (
    IdCounts,
    classify_photos,
    count_ids,
    read_finished_shards,
    read_image_rows,
)
from twigma.rehydrate.accounting.ids import read_listed_ids
from twigma.rehydrate.ledger.reader import view_ledger
from twigma.rehydrate.posts.page_content import EXISTS

# Classes of posts that a search found, beside those that failed.
FOUND = (
    "stored",
    "partly_stored",
    "waiting",
    "no_photo",
    "photos_unknown",
    "unlisted",
)


@dataclass(frozen=True)
class Collected:
    """Hashtags that were searched, posts that were found, and those with a photo that was fetched.

    The last is None while photos are still to be fetched.
    """

    hashtags: int
    posts: int
    posts_with_photos: int | None


@dataclass(frozen=True)
class PostCounts:
    """Posts of a working folder: all it knows, those that were looked up, that were found, and those with photos."""

    known: int  # those of the list that were never looked up included
    asked: int
    found: int
    with_photos: int


def post_counts(work: AnyWorkspace) -> PostCounts | None:
    """What became of every post that a folder knows, by list or by search; None where it asked for none."""
    work = Workspace(work)
    if not work.ledger_file.exists():
        return None
    ledger = view_ledger(work).ids
    rows = read_image_rows(work)
    # Images added by hand are on no post.
    with_photos = pc.unique(rows["id"].filter(pc.invert(rows["local"])))
    is_found = pc.is_in(ledger["outcome"], value_set=pa.array(EXISTS, pa.string()))
    found = _distinct(ledger["id"].filter(is_found), with_photos)
    listed, _ = read_listed_ids(work)
    asked = _distinct(ledger["id"], found)
    known = _distinct(asked, listed)
    if not len(known):
        return None
    return PostCounts(len(known), len(asked), len(found), len(with_photos))


def _distinct(*ids: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The different ones of several columns of ids."""
    pieces = []
    for column in ids:
        is_array = isinstance(column, pa.Array)
        pieces.append(pa.chunked_array([column]) if is_array else column)
    return pc.unique(united(pieces))


def collected(work: AnyWorkspace) -> Collected | None:
    """What the searches of a folder found; None where none was run, one is not complete, or a list was looked up.

    A list of ids in the folder brings posts that no search found.
    """
    work = Workspace(work)
    lists = (work.ids_file, work.outcomes_file)
    if any(path.exists() for path in lists) or not work.ledger_file.exists():
        return None
    ledger = view_ledger(work)
    if not ledger.collections or ledger.open:
        return None
    hashtags: set[str] = set()
    for search in ledger.searches:
        hashtags.update(search.tags)
    rows = read_image_rows(work)
    photos = classify_photos(rows, read_finished_shards(work).tries)
    counts = count_ids(work, rows, photos, ledger)
    return Collected(len(hashtags), _found(counts), _fetched(counts))


def _found(counts: IdCounts) -> int:
    classes: dict[str, Any] = dict(counts)
    failed = sum(counts["failed"].values())
    return failed + sum(int(classes[name]) for name in FOUND)


def _fetched(counts: IdCounts) -> int | None:
    """Posts with a photo that was fetched; None while some wait."""
    if counts["waiting"]:
        return None
    return counts["stored"] + counts["partly_stored"]
