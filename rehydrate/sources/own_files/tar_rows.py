"""The sidecar rows of a tar that is registered where it is: every image that is new, decoded once, with its name."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from twigma.core.progress import progress_bar
from twigma.rehydrate.posts.removed_ids import Removed
from twigma.rehydrate.sources.own_files.known import Known, unique_name
from twigma.rehydrate.sources.own_files.new_metadata import Stated
from twigma.rehydrate.sources.own_files.pack_images import REMOVED, Packed
from twigma.rehydrate.sources.own_files.tar_samples import (
    Data,
    Sample,
    SampleRow,
    Scan,
    sidecar_row,
)
from twigma.rehydrate.sources.pictures.beside import COLUMNS

Row = dict[str, Any]


def tar_rows(
    tar: Path,
    data: Data,
    found: Scan,
    known: Known,
    removed: Removed,
    *,
    group_key: str | None,
) -> tuple[list[Row], Packed]:
    """The sidecar rows of a tar, mapped as `data`, and what to report but for them; images are decoded in threads.

    `known` has the names in use and what was stored before; it learns the new names.
    """

    def row(sample: Sample) -> SampleRow:
        facts = found.facts.get(sample.image.name, {})
        return sidecar_row(data, sample, facts, tar.name, group_key)

    rows: list[Row] = []
    added = Packed(left_out=found.left_out)
    with ThreadPoolExecutor() as threads:
        bar = progress_bar(
            threads.map(row, found.samples),
            desc=f"add {tar.name}",
            total=len(found.samples),
            unit="image",
        )
        for sample, (one, unread, damaged) in zip(found.samples, bar, strict=True):
            added.unread.add(unread)
            found.leave_out_damaged(damaged)
            if one["status"] == "success" and known.take(one["sha256"]):
                added.known += 1
                added.stated.append(_stated(one))
                continue
            name = unique_name(sample.key, tar.stem, known.names)
            # An image that was removed on request does not come back with the tar it was in.
            if removed.holds(name):
                found.leave_out(REMOVED, "")
                continue
            one["image_name"] = name
            one["key"] = f"{len(rows):09}"
            rows.append(one)
    return rows, added


def _stated(row: Row) -> Stated:
    """What stands beside an image, from its sidecar row."""
    values = {name: row[name] for name in COLUMNS if name in row}
    return Stated.of(row["sha256"], row["path"], values, row["group"])
