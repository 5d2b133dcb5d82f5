"""What a release changes against the one before it; `twigma release` puts it into the card and MANIFEST.json.

The release before is the one at the path of the new one. Its history is continued, one entry a version. Where
`twigma removals` deleted that release, the working folder remembers its history, without any id.
"""

import datetime
import json
import os
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

import twigma
from twigma.core import columns
from twigma.core.files import write_json
from twigma.core.progress import notice
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.dataset.tables.table_files import select_tables

# As 1.1.0, 2026.11, 1.0.0rc1, 2.0.0-beta.1.
VERSION = re.compile(r"[0-9][0-9A-Za-z]*([-+._][0-9A-Za-z]+)*")

Entry = dict[str, Any]


def history(
    before: Path,
    metadata: pa.Table,
    version: str,
    date: datetime.date | None,
    work: AnyWorkspace,
) -> list[Entry]:
    """Every version so far, newest first: version, date, rows, and the images it added, removed and changed.

    The date is `date`; without it that of the entry which a version that is re-created has already, else today's
    (`SOURCE_DATE_EPOCH`).

    What a version changes is not known where the one before was deleted, is damaged, or has the same number and is
    re-created.
    """
    entry: Entry = {"version": version, "rows": len(metadata)}
    entry["date"] = (date or today()).isoformat()
    if (before / "MANIFEST.json").exists():
        manifest = twigma.read_manifest(before)
        earlier = manifest.get("history", [])
        is_same = manifest.get("version") == version
    else:
        earlier = _remembered(before, work)
        is_same = bool(earlier) and earlier[0]["version"] == version
        if not is_same:
            return [entry, *earlier]
    if is_same:
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


def remember(release: Path, work: AnyWorkspace) -> None:
    """Store the history of a release that is about to be deleted in its working folder."""
    path = Workspace(work).versions_file
    histories = _read(path)
    manifest = twigma.read_manifest(release)
    histories[str(release.resolve())] = manifest.get("history", [])
    write_json(path, histories, private=True)


def _remembered(release: Path, work: AnyWorkspace) -> list[Entry]:
    return _read(Workspace(work).versions_file).get(str(release.resolve()), [])


def _read(path: Path) -> dict[str, list[Entry]]:
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({error}): restore it, or delete it and lose the history of earlier versions"
        ) from None


def today() -> datetime.date:
    """Today in UTC, or the day of $SOURCE_DATE_EPOCH, with which a release can be reproduced on another day."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if seconds:
        return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).date()
    return datetime.datetime.now(datetime.UTC).date()


def require_version(version: str) -> None:
    """Raise ValueError unless this is a version: numbers with dots between, and whatever marks a test version."""
    if not VERSION.fullmatch(version):
        raise ValueError(
            f"version: expected numbers with dots between them, as 1.1.0, found {version!r}"
        )


def refuse_used(version: str, out: Path) -> None:
    """ValueError for the number of a version before the last one, which may have had other images."""
    if not (out / "MANIFEST.json").exists():
        return
    entries = twigma.read_manifest(out).get("history", [])
    if version in [entry["version"] for entry in entries[1:]]:
        raise ValueError(
            f"{out} is version {entries[0]['version']}, and {version} was an earlier version: name a new "
            "one with --version"
        )


def notice_step_back(version: str, earlier: list[str], out: Path) -> None:
    """Tell the user where a version is lower than the last one, as it is where --version was left out."""
    if earlier and _numbers(earlier[0]) > _numbers(version):
        notice(
            f"{out} was version {earlier[0]}, and becomes version {version}: --version names another"
        )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", version)]


def earlier_versions(before: Path, version: str) -> list[str]:
    """The versions before the one that is released now, newest first."""
    if not (before / "MANIFEST.json").exists():
        return []
    entries = twigma.read_manifest(before).get("history", [])
    versions = [entry["version"] for entry in entries]
    return [earlier for earlier in versions if earlier != version]


def compare(old: pa.Table, new: pa.Table) -> dict[str, int]:
    """Images added, removed, and changed in any column that both tables have, matched by `image_name`."""
    metadata = columns.metadata(new.column_names)
    names = [name for name in metadata if name in old.column_names]
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
