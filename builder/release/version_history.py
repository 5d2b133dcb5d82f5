"""What a release changes against the one before it; `twigma release` puts it into the card and MANIFEST.json.

The release before is the one that stands where the new one goes. Its history is carried on, one entry a version.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

import twigma
from twigma.core import columns

Entry = dict[str, Any]


def history(before: Path, metadata: pa.Table, version: str) -> list[Entry]:
    """Every version so far, newest first: version, rows, and how many images it added, removed and changed.

    A version that is made again takes the place of its old entry; what it changes is not known then, unless it is the
    first, since the release it followed is gone.
    """
    if not (before / "MANIFEST.json").exists():
        return [{"version": version, "rows": len(metadata)}]
    manifest = twigma.read_manifest(before)
    earlier = manifest.get("history", [])
    if manifest.get("version") == version:
        return [{"version": version, "rows": len(metadata)}, *earlier[1:]]
    old = pyarrow.dataset.dataset(
        sorted((before / "metadata").glob("*.parquet"))
    ).to_table()
    return [
        {"version": version, "rows": len(metadata), **compare(old, metadata)},
        *earlier,
    ]


def compare(old: pa.Table, new: pa.Table) -> dict[str, int]:
    """Images added, removed, and changed in any column that both tables have, matched by `image_name`."""
    names = [
        name
        for name in columns.METADATA
        if name in old.column_names and name in new.column_names
    ]
    at = pc.index_in(
        new["image_name"].combine_chunks(), value_set=old["image_name"].combine_chunks()
    )
    both = at.is_valid()
    then, now = old.select(names).take(at.drop_null()), new.select(names).filter(both)
    differs = pa.repeat(pa.scalar(False), len(now))
    for name in names:
        differs = pc.or_(differs, _differ(then[name].cast(now[name].type), now[name]))
    kept = len(now)
    return {
        "added": len(new) - kept,
        "removed": len(old) - kept,
        "changed": pc.sum(differs).as_py() or 0,
    }


def _differ(then: pa.ChunkedArray, now: pa.ChunkedArray) -> pa.ChunkedArray:
    """Where two columns differ, nulls being equal to nulls."""
    same = pc.or_kleene(pc.equal(then, now), pc.and_(then.is_null(), now.is_null()))
    return pc.invert(pc.fill_null(same, False))
