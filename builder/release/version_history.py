"""What a release changes against the one before it; `twigma release` puts it into the card and MANIFEST.json.

The release before is the one at the path of the new one. Its history is continued, one entry a version.
"""

import datetime
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

import twigma
from twigma.core import columns
from twigma.dataset.table_files import select_tables

Entry = dict[str, Any]


def history(
    before: Path, metadata: pa.Table, version: str, date: datetime.date | None
) -> list[Entry]:
    """Every version so far, newest first: version, date, rows, and the images it added, removed and changed.

    The date is `date`; without it that of the entry which a version that is re-created has already, else today's
    (`SOURCE_DATE_EPOCH`).

    A version that is re-created takes the place of its old entry; what it changes is not known then, unless it is the
    first, since the release it followed is gone; nor where the release before is damaged.
    """
    entry: Entry = {"version": version, "rows": len(metadata)}
    entry["date"] = (date or today()).isoformat()
    if not (before / "MANIFEST.json").exists():
        return [entry]
    manifest = twigma.read_manifest(before)
    earlier = manifest.get("history", [])
    if manifest.get("version") == version:
        if date is None and earlier and "date" in earlier[0]:
            entry["date"] = earlier[0]["date"]
        return [entry, *earlier[1:]]
    names = select_tables("metadata", manifest["files"])
    try:
        twigma.check_files(before, names)
    except ValueError:  # damaged or incomplete: what has changed since cannot be known
        return [entry, *earlier]
    old = pyarrow.dataset.dataset([before / name for name in names]).to_table()
    return [{**entry, **compare(old, metadata)}, *earlier]


def today() -> datetime.date:
    """Today in UTC, or the day of $SOURCE_DATE_EPOCH, with which a release can be reproduced on another day."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if seconds:
        return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).date()
    return datetime.datetime.now(datetime.UTC).date()


def earlier_versions(before: Path, version: str) -> list[str]:
    """The versions before the one that is released now, newest first."""
    if not (before / "MANIFEST.json").exists():
        return []
    entries = twigma.read_manifest(before).get("history", [])
    versions = [entry["version"] for entry in entries]
    return [earlier for earlier in versions if earlier != version]


def compare(old: pa.Table, new: pa.Table) -> dict[str, int]:
    """Images added, removed, and changed in any column that both tables have, matched by `image_name`."""
    names = [
        name
        for name in columns.METADATA
        if name in old.column_names and name in new.column_names
    ]
    old_names = old["image_name"].combine_chunks()
    old_rows = pc.index_in(new["image_name"].combine_chunks(), value_set=old_names)
    before = old.select(names).take(old_rows.drop_null())
    after = new.select(names).filter(old_rows.is_valid())
    differs = pa.repeat(pa.scalar(False), len(after))
    for name in names:
        was = before[name].cast(after[name].type)
        differs = pc.or_(differs, _differ(was, after[name]))
    in_both = len(after)
    return {
        "added": len(new) - in_both,
        "removed": len(old) - in_both,
        "changed": pc.sum(differs).as_py() or 0,
    }


def _differ(before: pa.ChunkedArray, after: pa.ChunkedArray) -> pa.ChunkedArray:
    """Where two columns differ, nulls being equal to nulls."""
    both_null = pc.and_(before.is_null(), after.is_null())
    same = pc.or_kleene(pc.equal(before, after), both_null)
    return pc.invert(pc.fill_null(same, False))
