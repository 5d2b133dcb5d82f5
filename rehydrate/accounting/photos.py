"""What became of every photo of the images table: stored, waiting, or failed by class."""

from dataclasses import dataclass
from typing import Annotated, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.tables import compact, find, number, united
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.accounting.sums import check_sum, first_line
from twigma.rehydrate.fetch.http.failure_classes import RETRYABLE

# The first two of `Photos.classes`; those of failures follow.
SUCCESS, WAITING = range(2)
_REMEDY = (
    "delete it and repeat the last command that found posts, "
    "which re-creates it from the pages"
)

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Photos:
    """The photos of the images table, each once.

    Attributes
    ----------
    of_row : int32[rows], the photo of each row of the table.
    classes : names of classes: `success`, `waiting` and the classes of failure, sorted.
    status : int16[photos], a place in `classes`.
    tries : int64[photos], how often each was tried.
    without_row : photos in shards that are not in the table.
    """

    of_row: npt.NDArray[np.int32]
    classes: list[str]
    status: npt.NDArray[np.int16]
    tries: Indices
    without_row: int


class PhotoCounts(TypedDict):
    """Rows of the images table, and its photos, each in one class."""

    rows: Annotated[int, "of the images table"]
    total: Annotated[int, "distinct photos on them"]
    stored: Annotated[int, "in shards"]
    failed: Annotated[dict[str, int], "by class of failure"]
    waiting: Annotated[int, "still to be fetched"]
    tried_once: Annotated[int, "of the failed ones: once, for a passing reason"]
    without_row: Annotated[int, "photos in shards that are not in the table"]


def read_image_rows(work: AnyWorkspace) -> pa.Table:
    """(id, image_name, local) of every row of the images table; no row where there is none. ValueError if damaged.

    The ids are numbers where all of them are (`compact`).
    """
    path = Workspace(work).images_file
    if not path.exists():
        schema = columns.schema(columns.KEY)
        return schema.append(pa.field("local", pa.bool_())).empty_table()
    try:
        with pq.ParquetFile(path) as file:
            present = file.schema_arrow.names
            wanted = (*columns.KEY, "source")
            names = [name for name in wanted if name in present]
            empty = file.schema_arrow.empty_table()
            columns.require(empty, columns.KEY, str(path))
            # A table without rows has no row group, and still its columns.
            groups = [_compact_rows(empty.select(names))]
            for number in range(file.num_row_groups):
                # The texts of one group are held at a time.
                groups.append(_compact_rows(file.read_row_group(number, names)))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged ({first_line(error)}): {_REMEDY}"
        ) from None
    rows = {}
    for name in (*columns.KEY, "local"):
        rows[name] = united([group[name] for group in groups])
    return pa.table(rows)


def _compact_rows(table: pa.Table) -> pa.Table:
    rows = {name: compact(table[name]) for name in columns.KEY}
    # A table without `source` holds images from X only.
    rows["local"] = pa.chunked_array([pa.repeat(pa.scalar(False), len(table))])
    if "source" in table.column_names:
        rows["local"] = pc.fill_null(pc.equal(table["source"], "local"), False)
    return pa.table(rows)


def classify_photos(rows: pa.Table, tries: pa.Table) -> Photos:
    """The class of each photo of the images table: stored if any try was a success, else as its last try failed.

    `rows` has `image_name`; `tries` is a table (image_name, status) in order, such as `FinishedShards.tries`. Names are
    text, or numbers (`compact`).
    """
    # A photo is an image name; it may be on several rows, one a post.
    names = number(rows["image_name"].combine_chunks())
    tried = tries["image_name"].combine_chunks()
    photo_of_try = find(tried, names.distinct)
    has_row = np.asarray(photo_of_try.is_valid())
    photo = photo_of_try.drop_null().to_numpy()

    classes, outcome = _outcomes(tries["status"])
    place_of_try = outcome[has_row]

    status = np.full(len(names.distinct), WAITING, np.int16)
    status[photo] = place_of_try  # of several tries NumPy keeps the last
    status[photo[place_of_try == SUCCESS]] = SUCCESS
    without_row = pc.unique(tried.filter(photo_of_try.is_null()))
    return Photos(
        of_row=names.codes,
        classes=classes,
        status=status,
        tries=np.bincount(photo, minlength=len(status)),
        without_row=len(without_row),
    )


def _outcomes(status: pa.ChunkedArray) -> tuple[list[str], npt.NDArray[np.int16]]:
    """The classes of `Photos`, and the place among them of each try, int16[n]; null is `unknown`."""
    encoded = status.unify_dictionaries().combine_chunks()
    names = [*encoded.dictionary.to_pylist(), "unknown"]
    codes = encoded.indices.fill_null(len(names) - 1).to_numpy()
    if not encoded.null_count:
        names.pop()
    # In an order which does not depend on that of the shards.
    classes = ["success", "waiting", *sorted(set(names) - {"success"})]
    places = np.array([classes.index(name) for name in names], np.int16)
    return classes, places[codes]


def count_photos(photos: Photos) -> PhotoCounts:
    """Rows of the images table, its photos by class, failures worth another try, and photos that lost their row."""
    stored, waiting, *failed = np.bincount(
        photos.status, minlength=len(photos.classes)
    ).tolist()
    by_class = zip(photos.classes[2:], failed, strict=True)
    is_retryable = np.array([name in RETRYABLE for name in photos.classes])
    tried_once = is_retryable[photos.status] & (photos.tries == 1)
    counts: PhotoCounts = {
        "rows": len(photos.of_row),
        "total": len(photos.status),
        "stored": stored,
        "failed": {name: count for name, count in by_class if count},
        "waiting": waiting,
        "tried_once": int(np.sum(tried_once)),
        "without_row": photos.without_row,
    }
    check_sum(counts, ("stored", "failed", "waiting"), "photos")
    return counts
