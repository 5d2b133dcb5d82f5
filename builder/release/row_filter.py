"""Which rows of a working folder are released, and the one reason why each of the others is not.

Every row has at most one reason: the first that applies of `removed on request`, `not fetched: CLASS`,
`not decodable`, `duplicate: REASON`, `nsfw_score above X`. `twigma release` prints the counts.
"""

import re
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core import columns
from twigma.core.parts import read_parts
from twigma.core.workspace import Workspace
from twigma.rehydrate.images.shards import read_sidecars
from twigma.rehydrate.posts.removed_ids import Removed

STAGES = ("embed", "caption", "nsfw", "dedupe", "cluster")
ID = re.compile(r"[0-9]{1,20}(_[0-9]+)?")
ORDER = [(name, "ascending") for name in ("created_at", *columns.KEY)]


def select_rows(
    work: Path,
    stages: Collection[str],
    removed: Removed,
    near_duplicates: str,
    nsfw_threshold: float | None,
) -> tuple[pa.Table, dict[str, int]]:
    """The rows to release in their order, with every column of METADATA and `text`; and the rows left out per reason.

    Raises FileNotFoundError when a stage has not run, ValueError when it has not seen every image.
    """
    table = join_stages(work, stages)
    reasons = exclusion_reasons(table, removed, near_duplicates, nsfw_threshold)
    kept = table.filter(reasons.is_null()).sort_by(ORDER)
    for stage in stages:
        _require_seen(kept["image_name"], work, stage)
    refuse_repeated(kept)
    counts = reasons.drop_null().value_counts().to_pylist()
    dropped = {str(each["values"]): int(each["counts"]) for each in counts}
    return kept.select([*columns.METADATA, "text"]), {
        reason: dropped[reason] for reason in sorted(dropped, key=reason_order)
    }


def reason_order(reason: str) -> tuple[int, str]:
    """The place of a reason in the funnel: reasons are tried in this order."""
    heads = ("removed", "not fetched", "not decodable", "duplicate", "nsfw")
    return next(at for at, head in enumerate(heads) if reason.startswith(head)), reason


def join_stages(work: Path, stages: Collection[str]) -> pa.Table:
    """The images table with what the fetch and the stages add; columns nobody has made are null.

    `decoded` stands for the embedding: whether the image has one (null without `embed`).
    """
    table = columns.join(Workspace(work).table(), _outcomes(work))
    fetched = table["image_name"].filter(
        pc.fill_null(pc.equal(table["status"], "success"), False)
    )
    decoded = pa.nulls(len(table), pa.bool_())
    if "embed" in stages:
        part = read_parts(work / "columns" / "embed")
        _require_seen(fetched, work, "embed")
        decoded = pc.is_in(
            table["image_name"],
            value_set=_column(part.filter(part["embedding"].is_valid())),
        )
    for stage in stages:
        if stage != "embed":
            table = columns.join(table, read_parts(work / "columns" / stage))
    for name in (*columns.METADATA, "text", "duplicate_reason"):
        if name not in table.column_names:
            table = columns.add(
                table, **{name: pa.nulls(len(table), columns.COLUMNS[name].type)}
            )
    return table.append_column("decoded", decoded)


def _outcomes(work: Path) -> pa.Table:
    """Size and outcome of every photo asked for; one that failed and then succeeded has succeeded."""
    table = read_sidecars(work).select(["image_name", "width", "height", "status"])
    success = pc.fill_null(pc.equal(table["status"], "success"), False)
    return pa.concat_tables([table.filter(success), table.filter(pc.invert(success))])


def exclusion_reasons(
    table: pa.Table,
    removed: Removed,
    near_duplicates: str,
    nsfw_threshold: float | None,
) -> pa.ChunkedArray:
    """For each row of `gather`, the reason why it is not released (string), or null."""
    asked = pc.or_(*[removed.mask(table[key]) for key in columns.KEY])
    status = pc.fill_null(table["status"], "never tried")
    duplicate = table["duplicate_reason"]
    if near_duplicates == "keep":
        duplicate = pc.if_else(
            pc.equal(duplicate, "near"), pa.scalar(None, pa.string()), duplicate
        )
    reasons = [
        _where(asked, "removed on request"),
        pc.if_else(
            pc.equal(status, "success"),
            pa.scalar(None, pa.string()),
            _join("not fetched: ", status),
        ),
        _where(pc.invert(table["decoded"]), "not decodable"),
        _join("duplicate: ", duplicate),
    ]
    if nsfw_threshold is not None:
        above = pc.greater(table["nsfw_score"], pa.scalar(nsfw_threshold, pa.float32()))
        reasons.append(_where(above, f"nsfw_score above {nsfw_threshold:g}"))
    found = pc.coalesce(*reasons)
    return found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])


def _where(mask: pa.Array, reason: str) -> pa.Array:
    return pc.if_else(
        pc.fill_null(mask, False), pa.scalar(reason), pa.scalar(None, pa.string())
    )


def _join(head: str, values: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(head), values, "")


def _column(part: pa.Table) -> pa.Array:
    return part["image_name"].combine_chunks()


def _require_seen(images: pa.ChunkedArray, work: Path, stage: str) -> None:
    """Raise ValueError when a stage has not seen all these images: they were fetched after it ran."""
    seen = _column(read_parts(work / "columns" / stage))
    missing = images.filter(pc.invert(pc.is_in(images, value_set=seen)))
    if len(missing):
        raise ValueError(
            f"columns/{stage} lacks {len(missing):,} of {len(images):,} images, {missing[0].as_py()} among them: "
            f"run `twigma {stage}` again"
        )


def refuse_repeated(kept: pa.Table) -> None:
    """Raise ValueError unless one image has one row: `dedupe` finds repeats, but not those of a newer images table."""
    again = len(kept) - len(pc.unique(kept["image_name"]))
    if again:
        raise ValueError(
            f"{again:,} images stand on several rows: run `twigma dedupe` again on this working folder"
        )
