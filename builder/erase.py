"""Writes the files of a working folder again without what was removed; `twigma removals` holds the locks and calls it.

Each file is written beside the old one and renamed, so a stopped run has erased some files whole and left others whole.
"""

import contextlib
import csv
import shutil
import tarfile
from collections.abc import Collection
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from twigma import columns, spreadsheet
from twigma.rehydrate import pages as raw
from twigma.rehydrate import shards
from twigma.rehydrate.index import index_file
from twigma.rehydrate.parsed import write_images_table
from twigma.rehydrate.plan import list_of
from twigma.rehydrate.removed import Removed, strip_answer
from twigma.rehydrate.shards import Shard

NAMING = (*columns.KEY, "duplicate_of")  # columns that hold ids
SHEETS_KEY = "key.csv"  # of `twigma sheets`
LISTS = ("outcomes.csv", "quarantine.csv")


def pages(work: Path, removed: Removed) -> int:
    """Strip the stored pages; the number of pages changed. What was made of them is deleted: it can be made again."""
    files = [raw.page_file(work, kind) for kind in raw.KINDS]
    changed = sum(raw.rewrite_pages(file, lambda page: _strip(page, removed)) for file in files)
    if changed:
        shutil.rmtree(work / "pages" / "parsed", ignore_errors=True)
        for path in work.glob("ledger.sqlite*"):
            path.unlink()
    return changed


def _strip(page: raw.Page, removed: Removed) -> raw.Page:
    request = dict(page["request"])
    if "ids" in request:
        request["ids"] = [post for post in request["ids"] if not removed.holds(post)]
    return {**page, "request": request, "answer": strip_answer(page["answer"], removed)}


def tables(work: Path, removed: Removed) -> int:
    """Take rows out of the tables and lists of the folder; the number of rows."""
    changed = sum(_filter_parquet(work / name, removed) for name in ("images.parquet", "ids.parquet"))
    changed += sum(_filter_csv(work / name, removed) for name in LISTS)
    if any(raw.page_file(work, kind).exists() for kind in raw.KINDS):
        write_images_table(work)
    return changed


def sheets(folder: Path, removed: Removed) -> int:
    """Take images out of a folder of annotation sheets, filled in or not; the number of rows.

    The key names images as we wrote them, sheets have been through a spreadsheet: there the item number tells. The key
    comes last, so that a stopped run finds the items again.
    """
    key = folder / SHEETS_KEY
    items = {row["item"] for row in _read_sheet(key) if removed.holds(row["image_name"])}
    return sum(_strike(path, items) for path in (*sorted(folder.glob("annotator-*.csv")), key))


def _strike(path: Path, items: set[str]) -> int:
    rows = _read_sheet(path)
    kept = [row for row in rows if row["item"] not in items]
    if len(kept) < len(rows):
        spreadsheet.write_rows(path, list(rows[0]), (row.values() for row in kept))
    return len(rows) - len(kept)


def _read_sheet(path: Path) -> list[dict[str, str]]:
    """The rows of a sheet that a spreadsheet may have saved with semicolons or tabs."""
    text = path.read_text("utf-8-sig")
    delimiter = csv.Sniffer().sniff(text.partition("\n")[0], ",;\t").delimiter
    cells = spreadsheet.read_rows(path, delimiter)
    rows = [dict(zip_longest(cells[0], row[: len(cells[0])], fillvalue="")) for row in cells[1:] if row]
    if rows and "item" not in rows[0]:
        raise ValueError(f"{path}: expected the column item, found {list(rows[0])}; name the columns as they were")
    return rows


def holds(table: pa.Table, names: Collection[str]) -> bool:
    """Whether a column of ids of this table holds one of these."""
    wanted = pa.array(sorted(names), pa.string())
    there = [name for name in NAMING if name in table.column_names]
    return any(pc.any(pc.is_in(table[name], value_set=wanted)).as_py() for name in there)


def _keep(table: pa.Table, removed: Removed) -> pa.Table:
    """The rows whose ids were not removed; a row that repeated a removed image repeats none."""
    gone = pa.repeat(pa.scalar(False), len(table))
    for name in columns.KEY:
        if name in table.column_names:
            gone = pc.or_(gone, removed.mask(table[name]))
    table = table.filter(pc.invert(gone))
    if "duplicate_of" not in table.column_names:
        return table
    lost = removed.mask(table["duplicate_of"])
    nothing = pa.nulls(len(table), pa.string())
    freed = {name: pc.if_else(lost, nothing, table[name]) for name in ("duplicate_of", "duplicate_reason")}
    return columns.add(table, **freed)


def _filter_parquet(path: Path, removed: Removed) -> int:
    if not path.exists():
        return 0
    table = pq.read_table(path)
    kept = _keep(table, removed)
    if len(kept) < len(table):
        columns.write_parquet(path, kept)
    return len(table) - len(kept)


def _filter_csv(path: Path, removed: Removed) -> int:
    if not path.exists():
        return 0
    rows = spreadsheet.read_rows(path)
    kept = [row for row in rows if not any(removed.holds(cell.strip("' ")) for cell in row)]
    if len(kept) < len(rows):
        spreadsheet.write_rows(path, kept[0], kept[1:])
    return len(rows) - len(kept)


# ------------------------------------------------------------------ shards


def shards_and_columns(work: Path, removed: Removed, left: list[str]) -> dict[str, int]:
    """Take images out of shards and columns; counts of both. A tar that is not ours is named in `left`, not changed."""
    images, marks = 0, dict[str, str]()
    shutil.rmtree(work / "shards" / ".erasing", ignore_errors=True)
    for shard in tqdm(shards.manifests(work), desc="erase", unit="shard", delay=1):
        was = shards.read_manifest(shard)
        images += _erase_shard(shard, was, removed, left)
        marks[str(was["sha256"])] = str(shards.read_manifest(shard)["sha256"])
    index_file(work).unlink(missing_ok=True)
    for path in sorted((work / "shards" / "plan").glob("*.parquet")):
        _filter_parquet(path, removed)
    return {"images": images, "columns": _erase_columns(work, removed, marks)}


def _erase_shard(shard: Shard, manifest: dict[str, Any], removed: Removed, left: list[str]) -> int:
    """Write one shard again without the images removed; how many those were."""
    sidecar = pq.read_table(shard.sidecar, schema=shards.SIDECAR)
    gone = removed.mask(sidecar["image_name"])
    count = pc.sum(gone).as_py() or 0
    if not count:
        return 0
    members = {PurePosixPath(name).stem for name in sidecar.filter(gone)["member"].to_pylist() if name}
    tar = shard.manifest.parent / manifest["tar"]
    attempt = shard.manifest.parent / ".erasing" / shard.name
    attempt.mkdir(parents=True)
    columns.write_parquet(attempt / shard.sidecar.name, sidecar.filter(pc.invert(gone)))
    made_from = dict(manifest["made_from"])
    if tar.parent != shard.manifest.parent.absolute() and Path(manifest["tar"]).is_absolute():
        _leave_tar(shard, attempt, tar, manifest)
        left.append(f"{tar}: your own tar, still holds {count:,} of the images")
    else:
        _copy_tar(tar, attempt / shard.tar.name, members)
        if _filter_parquet(list_of(shard), removed):
            made_from["list"] = columns.file_sha256(list_of(shard))
        shards.publish(attempt, shard, made_from)
    shutil.rmtree(attempt)
    return int(count)


def _leave_tar(shard: Shard, attempt: Path, tar: Path, manifest: dict[str, Any]) -> None:
    """Take rows out of a sidecar whose tar stays as it is."""
    facts = shards.verify(tar, attempt / shard.sidecar.name)
    (attempt / shard.sidecar.name).replace(shard.sidecar)
    columns.write_json(shard.manifest, manifest | facts)


def _copy_tar(source: Path, target: Path, without: set[str]) -> None:
    """The members of a tar as they are, but for those of these samples."""
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(tarfile.open(source, "r:"))
        new = stack.enter_context(tarfile.open(target, "w", format=tarfile.USTAR_FORMAT))
        for member in shards.tar_members(source):
            if PurePosixPath(member.name).stem not in without:
                new.addfile(member, old.extractfile(member))


# ------------------------------------------------------------------ columns


def _erase_columns(work: Path, removed: Removed, marks: dict[str, str]) -> int:
    """Take rows out of every part, and tell parts that were made from a shard or a part that it is the same still.

    Also out of what models keep of images: the map of `twigma cluster` holds embeddings.
    """
    rows = 0
    marks = {old: new for old, new in marks.items() if old != new}
    folders = [*(work / "columns").glob("*"), *(work / "models").glob("*")]
    for stage in sorted(folders, key=lambda path: (path.name != "embed", path.name)):
        for path in sorted(stage.glob("*.arrow")):
            rows += _erase_part(path, removed, marks)
    return rows


def _erase_part(path: Path, removed: Removed, marks: dict[str, str]) -> int:
    table, made_from = columns.read_arrow(path), columns.made_from(path)
    kept = _keep(table, removed)
    told = {key: marks.get(value, value) if isinstance(value, str) else value for key, value in made_from.items()}
    if len(kept) < len(table) or told != made_from or not kept.equals(table):
        columns.write_part(path, kept.replace_schema_metadata().combine_chunks(), told)
        marks[columns.fingerprint(made_from)] = columns.fingerprint(told)
    return len(table) - len(kept)
