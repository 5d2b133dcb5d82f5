"""Where every id and every photo of a working folder stands: exactly one class each, and sums that are checked.

Reads only, holds no lock and waits for none, so that it may be asked while a run goes on. `twigma status` prints it.
"""

import datetime
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.progress import progress_bar
from twigma.rehydrate.fetch.http_client import RETRYABLE
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import Shard
from twigma.rehydrate.posts.ledger import NOT_ASKED
from twigma.rehydrate.posts.ledger_reader import LedgerView
from twigma.rehydrate.posts.page_content import OUTCOMES
from twigma.rehydrate.posts.page_store import page_file, utc_text

FOUND = ("stored", "partly_stored", "waiting", "failed", "no_photo", "unlisted")
CLASSES = (*FOUND, *(outcome for outcome in OUTCOMES if outcome != "found"), NOT_ASKED)
PHOTO = pa.schema([("image_name", pa.string()), ("status", pa.string())])
MADE = "pages/parsed/made.json"  # written whenever the images table is brought up to the pages
GOOD, WAITING = "success", "waiting"
_FAILED = "failed: "

Indices = npt.NDArray[np.int64]

Counts = dict[str, Any]  # class -> number; `failed` -> {class of failure -> number}


@dataclass(frozen=True)
class Finished:
    """The finished shards: manifests by name, a row per photo and try in order, lists not fetched, what is damaged."""

    manifests: Mapping[str, Mapping[str, Any]]
    tries: pa.Table
    unfinished: int
    damaged: list[str]


def read_finished(work: Path) -> Finished:
    """The finished shards, each compared with its manifest in size and counts; hashes are left to `twigma embed`."""
    manifests, tables, damaged = {}, [PHOTO.empty_table()], []
    for shard in progress_bar(
        shards.manifests(work), desc="read shards", unit="shard", leave=False
    ):
        try:
            manifests[shard.name], table = _read_shard(shard)
            tables.append(table)
        except FileNotFoundError:
            continue  # its manifest was taken away just now: it is made again
        except ValueError as error:
            damaged.append(str(error))
    lists = {path.stem for path in (work / "shards" / "plan").glob("*.parquet")}
    return Finished(
        manifests, pa.concat_tables(tables), len(lists - set(manifests)), damaged
    )


def _read_shard(shard: Shard) -> tuple[dict[str, Any], pa.Table]:
    manifest = shards.read_manifest(shard)
    tar, remedy = shard.manifest.parent / manifest["tar"], _remedy(shard)
    size = tar.stat().st_size if tar.exists() else None
    if size != manifest["bytes"]:
        found = "it is gone" if size is None else f"found {size:,}"
        raise ValueError(
            f"{tar} should have {manifest['bytes']:,} bytes, {found}: {remedy}"
        )
    try:
        table = pq.ParquetFile(shard.sidecar).read(PHOTO.names, use_threads=False)
        columns.require(table, PHOTO.names, str(shard.sidecar))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the sidecar {shard.sidecar} is damaged ({_line(error)}): {remedy}"
        ) from None
    counted = len(table), pc.sum(pc.equal(table["status"], "success")).as_py() or 0
    if counted != (manifest["rows"], manifest["samples"]):
        raise ValueError(
            f"{shard.sidecar} should have {manifest['rows']:,} rows with {manifest['samples']:,} images, "
            f"found {counted[0]:,} with {counted[1]:,}: {remedy}"
        )
    return manifest, table.cast(PHOTO)


def _remedy(shard: Shard) -> str:
    listed = (shard.manifest.parent / "plan" / shard.sidecar.name).exists()
    command = "twigma rehydrate" if listed else "twigma add"
    return f"delete {shard.manifest} and run `{command}` again"


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:60]


# ------------------------------------------------------------------ photos


def read_rows(work: Path) -> pa.Table:
    """(id, image_name, local) of every row of the images table; no row where there is none. ValueError if damaged."""
    path = work / "images.parquet"
    if not path.exists():
        return (
            columns.schema(columns.KEY)
            .append(pa.field("local", pa.bool_()))
            .empty_table()
        )
    try:
        with pq.ParquetFile(path) as file:
            names = [
                name
                for name in (*columns.KEY, "source")
                if name in file.schema_arrow.names
            ]
            table = file.read(names)
        columns.require(table, columns.KEY, str(path))
    except (OSError, ValueError) as error:
        remedy = "delete it and repeat the last command that found posts, which makes it again from the pages"
        raise ValueError(f"{path} is damaged ({_line(error)}): {remedy}") from None
    source = table["source"] if "source" in names else pa.array(["x"] * len(table))
    local = pc.fill_null(pc.equal(source, "local"), False)
    return table.select(list(columns.KEY)).append_column("local", local)


@dataclass(frozen=True)
class Photos:
    """The photos of the images table in its order: `status` is a place in `classes`, and how often each was tried.

    `classes` are `success`, `waiting` and the classes of failure, by name. `of_row` is the photo of each row.
    """

    of_row: Indices
    classes: list[str]
    status: Indices
    tries: Indices
    without_row: int


def photos(rows: pa.Table, tries: pa.Table) -> Photos:
    """How each photo of the images table stands: stored if any try was a success, else failed as in its last try."""
    names = rows["image_name"].combine_chunks().dictionary_encode()
    known = pc.index_in(
        tries["image_name"].combine_chunks(), value_set=names.dictionary
    )
    there = np.asarray(known.is_valid())
    said = pc.fill_null(tries["status"], "unknown").combine_chunks().dictionary_encode()
    found = said.dictionary.to_pylist()
    classes = [GOOD, WAITING, *sorted(set(found) - {GOOD})]
    code = np.array([classes.index(name) for name in found], np.int64)[
        said.indices.to_numpy()
    ][there]
    photo = known.drop_null().to_numpy()
    status = np.full(len(names.dictionary), classes.index(WAITING))
    status[photo] = code  # the last of equal indices is the one that stays
    status[photo[code == 0]] = 0
    lost = len(pc.unique(tries["image_name"].filter(known.is_null())))
    return Photos(
        names.indices.to_numpy(),
        classes,
        status,
        np.bincount(photo, minlength=len(status)),
        lost,
    )


def count_photos(found: Photos) -> Counts:
    """Rows of the images table, its photos by outcome, failures worth another try, and photos that lost their row."""
    stored, waiting, *failed = np.bincount(
        found.status, minlength=len(found.classes)
    ).tolist()
    passing = np.array([name in RETRYABLE for name in found.classes])
    counts = {
        "rows": len(found.of_row),
        "total": len(found.status),
        "stored": stored,
        "failed": {
            name: count
            for name, count in zip(found.classes[2:], failed, strict=True)
            if count
        },
        "waiting": waiting,
        "tried_once": int(np.sum(passing[found.status] & (found.tries == 1))),
        "without_row": found.without_row,
    }
    _check_sum(counts, ("stored", "failed", "waiting"), "photos")
    return counts


# --------------------------------------------------------------------- ids


def read_listed_ids(work: Path) -> tuple[pa.Array, str | None]:
    """The distinct ids to account for, and the file that lists them; None where no list was given."""
    for name in ("ids.parquet", "outcomes.csv"):
        path = work / name
        if not path.exists():
            continue
        try:
            ids = (
                _read_parquet_ids(path)
                if path.suffix == ".parquet"
                else _read_csv_ids(path)
            )
        except (OSError, ValueError, KeyError) as error:
            remedy = "give the list again with `twigma rehydrate --ids FILE`"
            raise ValueError(f"{path} is damaged ({_line(error)}): {remedy}") from None
        return pc.unique(ids), name
    return pa.array([], pa.string()), None


def _read_parquet_ids(path: Path) -> pa.ChunkedArray:
    return pq.ParquetFile(path).read(["id"])["id"].cast(pa.string())


def _read_csv_ids(path: Path) -> pa.ChunkedArray:
    text = pa.csv.ConvertOptions(
        column_types={"id": pa.string()}, include_columns=["id"]
    )
    return pa.csv.read_csv(path, convert_options=text)["id"]


def count_ids(work: Path, rows: pa.Table, found: Photos, ledger: LedgerView) -> Counts:
    """The ids of the list by class, and the posts of the folder beyond it; without a list, every post of the ledger.

    Photos decide first: `stored` when all of a post's photos are, `waiting` while one is still to be fetched. A post
    without a row in the images table has the outcome of its look-up; one that was found has `no_photo`, or is
    `unlisted` as long as the table does not know of the page.
    """
    ids, source = read_listed_ids(work)
    known = ledger.ids["id"].combine_chunks()
    if source is None:
        ids = known
    posts, names, classes = _post_classes(rows, found)
    in_photos, in_ledger = (
        pc.index_in(ids, value_set=posts),
        pc.index_in(ids, value_set=known),
    )
    outcome = ledger.ids["outcome"].combine_chunks().take(in_ledger)
    unlisted = pc.is_in(ids, value_set=_unlisted(work, ledger))
    without = pc.if_else(
        pc.equal(outcome, "found"),
        pc.if_else(unlisted, "unlisted", "no_photo"),
        outcome,
    )
    counted = _value_counts(
        pc.fill_null(without, NOT_ASKED).filter(in_photos.is_null())
    )
    of_posts = np.bincount(
        classes[in_photos.drop_null().to_numpy()], minlength=len(names)
    ).tolist()
    counted += Counter(dict(zip(names, of_posts, strict=True)))
    failed = {
        name: counted[_FAILED + name]
        for name in found.classes[2:]
        if counted[_FAILED + name]
    }
    named = {name: failed if name == "failed" else counted[name] for name in CLASSES}
    listed = pc.sum(pc.or_(in_photos.is_valid(), in_ledger.is_valid())).as_py() or 0
    beyond = len(known) + pc.index_in(posts, value_set=known).null_count - listed
    counts = {"list": source, "total": len(ids), **named, "beyond_list": beyond}
    _check_sum(counts, CLASSES, "ids")
    return counts


def _post_classes(rows: pa.Table, found: Photos) -> tuple[pa.Array, list[str], Indices]:
    """The posts with photos, the names of classes, and the place of each post's class among them.

    Of several failures the first by name counts.
    """
    given = pc.invert(rows["local"])
    ids = rows["id"].filter(given).combine_chunks().dictionary_encode()
    post, status = ids.indices.to_numpy(), found.status[found.of_row[given.to_numpy()]]
    photos, good, open_ = (
        np.bincount(post[of], minlength=len(ids.dictionary))
        for of in (status >= 0, status == 0, status == 1)
    )
    names = [
        "stored",
        "waiting",
        "partly_stored",
        *(_FAILED + name for name in found.classes[2:]),
    ]
    first = np.full(len(ids.dictionary), len(names))
    np.minimum.at(first, post[status > 1], status[status > 1] + 1)
    return (
        ids.dictionary,
        names,
        np.select([good == photos, open_ > 0, good > 0], [0, 1, 2], first),
    )


def _unlisted(work: Path, ledger: LedgerView) -> pa.Array:
    """Posts found on pages that came after the images table was last brought up to them."""
    made = work / MADE
    when = made.stat().st_mtime_ns if made.exists() else 0
    files = {kind: page_file(work, kind) for kind in ledger.pages}
    kinds = [
        kind
        for kind, path in files.items()
        if path.exists() and path.stat().st_mtime_ns > when
    ]
    since = utc_text(datetime.datetime.fromtimestamp(when / 1e9, datetime.UTC))
    return pa.array(ledger.found_since(since, kinds), pa.string())


# ------------------------------------------------------------------ counting


def _value_counts(values: pa.Array) -> Counter[str]:
    return Counter(
        {pair["values"]: pair["counts"] for pair in pc.value_counts(values).to_pylist()}
    )


def _check_sum(counts: Counts, names: tuple[str, ...], what: str) -> None:
    """Raise RuntimeError unless every one of the total is in exactly one of these classes."""
    found = sum(
        sum(n.values()) if isinstance(n := counts[name], dict) else n for name in names
    )
    if found != counts["total"]:
        raise RuntimeError(
            f"{counts['total']:,} {what}, but {found:,} in their classes: this is a mistake of ours"
        )
