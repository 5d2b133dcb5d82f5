"""The sidecar rows of a tar that is registered where it is: every image that is new, decoded once, with its name."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from twigma.core.progress import progress_bar
from twigma.rehydrate.sources.own_files.known import Holdings
from twigma.rehydrate.sources.own_files.new_metadata import Stated
from twigma.rehydrate.sources.own_files.pack_images import REMOVED, Packed
from twigma.rehydrate.sources.own_files.restore import Given
from twigma.rehydrate.sources.own_files.tar_samples import (
    Data,
    Sample,
    SampleRow,
    Scan,
    content,
    sidecar_row,
)
from twigma.rehydrate.sources.pictures.beside import COLUMNS

Row = dict[str, Any]


def tar_rows(
    tar: Path,
    data: Data,
    found: Scan,
    held: Holdings,
    *,
    group_key: str | None,
) -> tuple[list[Row], Packed]:
    """The sidecar rows of a tar, mapped as `data`, and what to report but for them; images are decoded in threads.

    `held` learns the names of new images, and takes those whose shard has lost its tar.
    """
    known, removed, restore = held

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
            name = known.free_name(sample.key, tar.stem)
            sha256 = one.get("sha256", "")
            # An image that was removed on request does not come back with the tar it was in.
            if removed.holds(name) and not known.is_at(sha256, one["path"]):
                found.leave_out(REMOVED, "")
                continue
            if known.take(sha256):
                added.known += 1
                added.stated.append(_stated(one))
                if restore.waits_for(sha256):
                    added.restored += restore.take(_given(data, sample, one))
                continue
            known.names.add(name)
            one["image_name"] = name
            one["key"] = f"{len(rows):09}"
            rows.append(one)
    return rows, added


def _given(data: Data, sample: Sample, row: Row) -> Given:
    beside = None if sample.json is None else content(data, sample.json)
    image = content(data, sample.image)
    return Given(row["sha256"], row["path"], image, row["sha256"], beside)


def _stated(row: Row) -> Stated:
    """What stands beside an image, from its sidecar row."""
    values = {name: row[name] for name in COLUMNS if name in row}
    return Stated.of(row["sha256"], row["path"], values, row["group"])
