"""Which rows of a working folder are released, and the one reason why each of the others is not.

Every row has at most one reason: the first that applies of `removed on request`, `not fetched: CLASS`,
`not decodable`, `duplicate: REASON`, `nsfw_score above X`, `not selected`. `twigma release` prints the counts.
"""

import re
from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.release.chosen import with_selection
from twigma.core import columns
from twigma.core.names import command_of, split_name
from twigma.core.parts import refuse_other_embeddings
from twigma.core.tables import take_rows, take_table
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.dataset.selections import Selection
from twigma.rehydrate.images.shards import read_sidecars
from twigma.rehydrate.posts.removed_ids import Removed

# How reasons begin, in the order in which they are tried.
REASONS = (
    "removed",
    "not fetched",
    "not decodable",
    "duplicate",
    "nsfw",
    "not selected",
)
OPTIONAL = ("caption", "nsfw", "cluster")  # what nothing else of a release is made from
ID = re.compile(r"[0-9]{1,20}(_[0-9]+)?")


def select_rows(
    work: AnyWorkspace,
    stages: Collection[str],
    removed: Removed,
    near_duplicates: str,
    nsfw_threshold: float | None,
    *,
    selection: Selection | None = None,
) -> tuple[pa.Table, dict[str, int]]:
    """The rows to release in their order, with every public column and `text`; and the rows left out per reason.

    With a selection only its images are released. Raises FileNotFoundError when a stage has not run, ValueError when it
    has not seen every image, or no image is selected.
    """
    work = Workspace(work)
    images = _read_images(work)
    _require_run(work, stages)
    table = join_stages(work, stages, images)
    reasons = exclusion_reasons(table, removed, near_duplicates, nsfw_threshold)
    if selection is not None:
        reasons = with_selection(reasons, table, selection, work)
    counts = _count_reasons(reasons)
    rows = _rows_in_order(table, reasons)
    values = {name: table[name] for name in columns.metadata(table.column_names)}
    values["text"] = table["text"]
    schema = pa.schema([table.schema.field(name) for name in values])
    # Each column goes as it is copied: all of them would be in memory twice.
    del table, reasons
    taken = [take_rows(values.pop(name), rows) for name in schema.names]
    released = pa.table(taken, schema=schema)
    for stage in stages:
        _require_seen(released["image_name"], work, stage)
    refuse_repeated(released)
    return released, counts


def _require_run(work: Workspace, stages: Collection[str]) -> None:
    """FileNotFoundError for a stage that has not run and that a release can do without, if it is the first."""
    missing = [stage for stage in stages if not work.has(stage)]
    if missing and missing[0] in OPTIONAL:
        stage = missing[0]
        raise FileNotFoundError(
            f"no columns in {work.stage_folder(stage)}: run `{command_of(stage)}` on this working folder first, or "
            f"release without them: --without {stage}"
        )


def _rows_in_order(table: pa.Table, reasons: pa.ChunkedArray) -> pa.Array:
    """The rows that have no reason to be left out, int64, in the order of a release."""
    kept = pa.array(np.flatnonzero(reasons.is_null().to_numpy()))
    keys = take_table(table.select(columns.ORDER), kept)
    return kept.take(pc.sort_indices(keys, sort_keys=columns.sort_keys()))


def _count_reasons(reasons: pa.ChunkedArray) -> dict[str, int]:
    """Rows per reason (string or null, one a row), in the order in which reasons are tried."""
    counts = {}
    for each in reasons.drop_null().value_counts().to_pylist():
        counts[str(each["values"])] = int(each["counts"])
    return {reason: counts[reason] for reason in sorted(counts, key=reason_order)}


def reason_order(reason: str) -> tuple[int, str]:
    """The place of a reason in the list of counts: reasons are tried in this order."""
    for place, head in enumerate(REASONS):
        if reason.startswith(head):
            return place, reason
    raise ValueError(f"no reason to leave out a row begins like {reason!r}")


def join_stages(
    work: AnyWorkspace, stages: Collection[str], images: pa.Table | None = None
) -> pa.Table:
    """The images table with what the fetch and the stages add; columns of stages that are left out are null.

    `images` is the images table with some of its columns; without it, it has all of them.

    `decoded` (bool) says whether the image has an embedding of every name; null without `embed`.
    """
    work = Workspace(work)
    refuse_other_embeddings(work.columns, stages)
    table = work.table() if images is None else images
    table = columns.join(table, _outcomes(work))
    success = pc.fill_null(pc.equal(table["status"], "success"), False)
    fetched = table["image_name"].filter(success)
    decoded = pa.nulls(len(table), pa.bool_())
    for stage in stages:
        base, name = split_name(stage)
        if base == "embed":
            _require_seen(fetched, work, stage)
            embedded = pc.is_in(table["image_name"], value_set=_embedded(work, stage))
            decoded = pc.and_(pc.fill_null(decoded, True), embedded)
        else:
            table = columns.join(table, columns.named(work.read(stage), name))
    metadata = columns.metadata(table.column_names)
    for name in (*metadata, "text", "duplicate_reason"):
        if name not in table.column_names:
            nothing = pa.nulls(len(table), columns.COLUMNS[name].type)
            table = columns.add(table, **{name: nothing})
    return table.append_column("decoded", decoded)


def _read_images(work: Workspace) -> pa.Table:
    """The images table, without its columns that no release has, such as authors."""
    there = work.image_schema().names
    wanted = {*columns.KEY, *columns.metadata(there), "text"}
    names = [name for name in there if name in wanted]
    return work.image_rows(*names)


def _embedded(work: Workspace, stage: str) -> pa.Array:
    """Names of the images that have an embedding: the others could not be decoded."""
    part = work.read(stage)
    # Names alone: filtering the table would copy every embedding.
    names = part["image_name"].filter(part["embedding"].is_valid())
    return names.combine_chunks()


def _outcomes(work: Workspace) -> pa.Table:
    """Size and outcome of every photo asked for; one that failed and then succeeded has succeeded."""
    table = read_sidecars(work.path, ["image_name", "width", "height", "status"])
    success = pc.fill_null(pc.equal(table["status"], "success"), False)
    # The first row of an image is the one that is joined.
    return pa.concat_tables([table.filter(success), table.filter(pc.invert(success))])


def exclusion_reasons(
    table: pa.Table,
    removed: Removed,
    near_duplicates: str,
    nsfw_threshold: float | None,
) -> pa.ChunkedArray:
    """For each row of `join_stages`, the reason why it is not released (string), or null."""
    nothing = pa.scalar(None, pa.string())
    asked = pc.or_(*[removed.mask(table[key]) for key in columns.KEY])
    status = pc.fill_null(table["status"], "never tried")
    failed = _prefixed("not fetched: ", status)
    duplicate = table["duplicate_reason"]
    if near_duplicates == "keep":
        duplicate = pc.if_else(pc.equal(duplicate, "near"), nothing, duplicate)
    reasons = [
        _where(asked, "removed on request"),
        pc.if_else(pc.equal(status, "success"), nothing, failed),
        _where(pc.invert(table["decoded"]), "not decodable"),
        _prefixed("duplicate: ", duplicate),
    ]
    if nsfw_threshold is not None:
        above = pc.greater(table["nsfw_score"], pa.scalar(nsfw_threshold, pa.float32()))
        reasons.append(_where(above, f"nsfw_score above {nsfw_threshold:g}"))
    first = pc.coalesce(*reasons)
    return first if isinstance(first, pa.ChunkedArray) else pa.chunked_array([first])


def _where(mask: pa.Array, reason: str) -> pa.Array:
    """The reason where the mask is true, else null."""
    nothing = pa.scalar(None, pa.string())
    return pc.if_else(pc.fill_null(mask, False), pa.scalar(reason), nothing)


def _prefixed(head: str, values: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(head), values, "")


def _image_names(part: pa.Table) -> pa.Array:
    return part["image_name"].combine_chunks()


def _require_seen(images: pa.ChunkedArray, work: Workspace, stage: str) -> None:
    """Raise ValueError when a stage has not seen all these images: they were fetched after it ran."""
    seen = _image_names(work.read(stage))
    missing = images.filter(pc.invert(pc.is_in(images, value_set=seen)))
    if len(missing):
        raise ValueError(
            f"columns/{stage} is incomplete: {len(missing):,} of {len(images):,} images are missing, "
            f"{missing[0].as_py()} among them: run `{command_of(stage)}` again"
        )


def refuse_repeated(rows: pa.Table) -> None:
    """Raise ValueError unless one image has one row: `dedupe` finds repeats, but not those of a newer images table."""
    repeated = len(rows) - len(pc.unique(rows["image_name"]))
    if repeated:
        raise ValueError(
            f"{repeated:,} images are on several rows: run `twigma dedupe` again on this working folder"
        )
