"""What became of every id of the list, or of the ledger where there is no list. `twigma status` prints it.

Reads only, takes no lock and waits for none, so that it can be asked while a run is going on.
"""

import datetime
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from twigma.core.tables import compact, find, number
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.accounting.photos import SUCCESS, WAITING, Indices, Photos
from twigma.rehydrate.accounting.sums import check_sum, first_line
from twigma.rehydrate.ledger.ledger import NOT_ASKED
from twigma.rehydrate.ledger.reader import LedgerView
from twigma.rehydrate.posts.page_content import EXISTS, OUTCOMES, PHOTOS_UNKNOWN
from twigma.rehydrate.posts.page_store import utc_text

# Classes of posts that were found, and of those that were not.
FOUND = (
    "stored",
    "partly_stored",
    "waiting",
    "failed",
    "no_photo",
    PHOTOS_UNKNOWN,
    "unlisted",
)
MISSING = tuple(outcome for outcome in OUTCOMES if outcome not in EXISTS)
CLASSES = (*FOUND, *MISSING, NOT_ASKED)
_FAILED = "failed: "


class IdCounts(TypedDict):
    """The ids of a list, each in one class."""

    list: Annotated[
        str | None, "name of the file that lists them; null: all the ledger knows"
    ]
    total: int
    stored: Annotated[int, "all of their photos are in shards"]
    partly_stored: Annotated[int, "some photos are in shards, the others failed"]
    waiting: Annotated[int, "photos are still to be fetched"]
    failed: Annotated[dict[str, int], "by class of failure"]
    no_photo: Annotated[int, "looked up, but without a photo"]
    photos_unknown: Annotated[int, "there, but nothing has shown their photos"]
    unlisted: Annotated[int, "looked up, their photos are not in the table yet"]
    not_found: Annotated[int, "deleted, or never there"]
    unauthorized: Annotated[int, "of a protected account"]
    suspended: Annotated[int, "of a suspended account"]
    absent: Annotated[int, "X answered without them"]
    not_asked: int
    beyond_list: Annotated[int, "posts of the folder outside the list"]


class PostClasses(NamedTuple):
    """Posts with photos: their ids ([n]), the names of classes, and the place of each post's class (int64[n])."""

    ids: pa.Array
    names: list[str]
    places: Indices


def read_listed_ids(work: AnyWorkspace) -> tuple[pa.Array, str | None]:
    """The distinct ids to account for, string[n], and the name of the file that lists them; None without a list.

    ValueError when that file is damaged.
    """
    work = Workspace(work)
    # The record of the lists comes first; `outcomes.csv` is of the last look-up only.
    readers = {
        work.ids_file: _read_parquet_ids,
        work.outcomes_file: _read_csv_ids,
    }
    for path, read in readers.items():
        if not path.exists():
            continue
        try:
            ids = read(path)
        except (OSError, ValueError, KeyError) as error:
            remedy = "pass the list again with `twigma rehydrate --ids FILE`"
            raise ValueError(
                f"{path} is damaged ({first_line(error)}): {remedy}"
            ) from None
        return pc.unique(ids), path.name
    return pa.array([], pa.string()), None


def _read_parquet_ids(path: Path) -> pa.ChunkedArray:
    return pq.ParquetFile(path).read(["id"])["id"].cast(pa.string())


def _read_csv_ids(path: Path) -> pa.ChunkedArray:
    types = {"id": pa.string()}
    options = pa.csv.ConvertOptions(column_types=types, include_columns=["id"])
    return pa.csv.read_csv(path, convert_options=options)["id"]


def count_ids(
    work: AnyWorkspace, rows: pa.Table, photos: Photos, ledger: LedgerView
) -> IdCounts:
    """The ids of the list by class, and the posts of the folder beyond it; without a list, every post of the ledger.

    `rows` is a table (id, image_name, local), as `read_image_rows` returns it, and `photos` the classes of its photos.

    Photos decide first: `stored` when all of a post's photos are, `waiting` while one is still to be fetched. A post
    without a row in the images table has the outcome of its look-up; one that was found has `no_photo`, is
    `photos_unknown` where no page shows them, or is `unlisted` as long as the table has not been brought up to its
    page.
    """
    ids, source = read_listed_ids(work)
    asked = compact(ledger.ids["id"]).combine_chunks()
    ids = compact(pa.chunked_array([ids])).combine_chunks()
    if source is None:
        ids = asked
    posts = _post_classes(rows, photos)
    in_posts = find(ids, posts.ids)
    in_ledger = find(ids, asked)

    # Posts of the list with photos are counted by their photos, all others by their look-up.
    counted = _count_posts(posts, in_posts.drop_null().to_numpy())
    outcome = ledger.ids["outcome"].combine_chunks().take(in_ledger)
    is_unlisted = find(ids, unlisted_posts(work, ledger)).is_valid()
    found_class = pc.if_else(is_unlisted, "unlisted", "no_photo")
    without_photo = pc.if_else(pc.equal(outcome, "found"), found_class, outcome)
    without_photo = pc.fill_null(without_photo, NOT_ASKED)
    counted += _value_counts(without_photo.filter(in_posts.is_null()))

    failed: dict[str, int] = {}
    for name in photos.classes[2:]:
        if counted[_FAILED + name]:
            failed[name] = counted[_FAILED + name]
    # Everything the folder knows, in photos or in the ledger, less what of it is on the list.
    is_known = pc.or_(in_posts.is_valid(), in_ledger.is_valid())
    known_of_list = pc.sum(is_known).as_py() or 0
    never_asked = find(posts.ids, asked).null_count
    counts: dict[str, Any] = {"list": source, "total": len(ids)}
    for name in CLASSES:
        counts[name] = failed if name == "failed" else counted[name]
    counts["beyond_list"] = len(asked) + never_asked - known_of_list
    check_sum(counts, CLASSES, "ids")
    return cast(IdCounts, counts)


def _post_classes(rows: pa.Table, photos: Photos) -> PostClasses:
    """The class of each post with photos, by the classes of its photos; of several failures the first by name counts.

    Images added by hand are on no post.
    """
    on_post = pc.invert(rows["local"])
    ids = number(rows["id"].filter(on_post).combine_chunks())
    post = ids.codes
    status = photos.status[photos.of_row[on_post.to_numpy()]]
    count = len(ids.distinct)
    n_photos = np.bincount(post, minlength=count)
    n_stored = np.bincount(post[status == SUCCESS], minlength=count)
    n_waiting = np.bincount(post[status == WAITING], minlength=count)

    # Failures follow three classes here, and two among the photos.
    failures = [_FAILED + name for name in photos.classes[2:]]
    names = ["stored", "waiting", "partly_stored", *failures]
    failed = status > WAITING
    failure = np.full(count, len(names))
    np.minimum.at(failure, post[failed], status[failed] + 1)

    # The first condition that holds counts; else the post is as its first failure.
    conditions = [n_stored == n_photos, n_waiting > 0, n_stored > 0]
    places = np.select(conditions, [0, 1, 2], failure)
    return PostClasses(ids.distinct, names, places)


def _count_posts(posts: PostClasses, chosen: Indices) -> Counter[str]:
    """These posts (int64[n], places among all) by class."""
    counts = np.bincount(posts.places[chosen], minlength=len(posts.names))
    return Counter(dict(zip(posts.names, counts.tolist(), strict=True)))


def unlisted_posts(work: AnyWorkspace, ledger: LedgerView) -> pa.Array:
    """Posts found on pages that came after the images table was last brought up to them."""
    work = Workspace(work)
    record = work.images_record
    when = record.stat().st_mtime_ns if record.exists() else 0
    newer: list[str] = []
    for kind in ledger.pages:
        file = work.page_file(kind)
        if file.exists() and file.stat().st_mtime_ns > when:
            newer.append(kind)
    since = datetime.datetime.fromtimestamp(when / 1e9, datetime.UTC)
    return pa.array(ledger.found_since(utc_text(since), newer), pa.string())


def _value_counts(values: pa.Array) -> Counter[str]:
    counts: Counter[str] = Counter()
    for pair in pc.value_counts(values).to_pylist():
        counts[pair["values"]] = pair["counts"]
    return counts
