"""The content of a reference set's folder: tars of images, embeddings, or texts; all with the same columns.

Used by `twigma reference add`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.engine.vectors import Half, as_column
from twigma.builder.models.clip_names import find_model
from twigma.builder.stages.clip_encoder import load_encoder
from twigma.builder.stages.embed_texts import encode_all, token_counter
from twigma.core import columns
from twigma.core.files import read_parquet, write_parquet
from twigma.core.parts import fingerprint, part_is_current, read_part, write_part
from twigma.core.safety.failures import Failures
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.sources.own_files.add_images import add_stream, add_tars
from twigma.rehydrate.sources.own_files.report import Added
from twigma.rehydrate.sources.pictures.contents import Picture
from twigma.rehydrate.sources.pictures.tables import WITHOUT_IMAGE

MOST_TEXTS = 2000  # texts that are embedded
PASSAGE = 10  # texts in a row that are drawn together


# ------------------------------------------------------------------ images


def add_images(
    work: AnyWorkspace,
    name: str,
    paths: Sequence[Path],
    group: str | None,
    *,
    failures: Failures,
    column: str | None = None,
) -> dict[str, int]:
    """Add tars, tables and images to the set: how many `images` were added, and how many `failed` to decode.

    What cannot be read at all goes to `failures`. `column` names the images of a table.
    """
    report: list[Added] = []
    with failures.collect():
        add_tars(work, paths, group, report.append, column)
    return _counted(Workspace(work), name, report)


def add_pictures(
    work: AnyWorkspace,
    name: str,
    where: Path,
    pictures: Iterable[Picture],
    group: str | None,
) -> dict[str, int]:
    """Add pictures one after the other, which come from the file `where`; as `add_images`."""
    report: list[Added] = []
    add_stream(work, where, pictures, group, report.append)
    return _counted(Workspace(work), name, report)


def _counted(work: Workspace, name: str, report: list[Added]) -> dict[str, int]:
    """Name the set as the source of its rows; the counts of a report."""
    if work.images_file.exists():
        table = read_parquet(work.images_file)
        if set(table["source"].to_pylist()) - {name}:
            renamed = columns.add(table, source=[name] * len(table))
            write_parquet(work.images_file, renamed, private=True)
    images = sum(row["images"] for row in report)
    failed = sum(row["failed"] for row in report)
    without = 0
    for row in report:
        for left_out in row["left_out"]:
            if left_out["reason"] == WITHOUT_IMAGE:
                without += left_out["count"]
    return {"images": images, "failed": failed, "without": without}


# ------------------------------------------------------------------ rows without images


class AddedVectors(NamedTuple):
    """What `add_vectors` wrote: rows and parts; of the rows, those without direction, and the first such, from 0 on."""

    rows: int
    parts: int
    unusable: int
    first_unusable: int | None


def add_vectors(
    work: AnyWorkspace,
    name: str,
    blocks: Iterable[tuple[list[str] | None, np.ndarray]],
    made_from: dict[str, Any],
    *,
    first: int,
    groups: Sequence[str | None] | None = None,
    source: Path | None = None,
) -> AddedVectors:
    """Write vectors as parts of `columns/embed` from number `first` on, at norm 1, and their rows.

    What a stopped run left at these numbers is dropped first. ValueError when a block is bad, two rows have one name,
    or no row has a direction: nothing of them stays.

    Parameters
    ----------
    blocks : (m names or None, vectors float[m, d]); a vector of zeros or of numbers that are not finite becomes null.
    made_from : the provenance: the model, the file and its hash.
    groups : the artist or prompt of each row, [n]; None where rows have none.
    source : the file of the vectors, for messages.
    """
    work = Workspace(work)
    with work.lock_shards(), work.lock_stage("embed"):
        _drop_stopped(work, first)
        try:
            names, bad = _write_vectors(work, blocks, made_from, first)
            _require_usable(len(names), len(bad), source or made_from["file"])
            rows = pa.table({"image_name": names})
            if groups is not None:
                rows = columns.add(rows, group=pa.array(groups, pa.string()))
            _extend(work, name, rows)
        except (ValueError, OSError):
            for path in _parts_from(work, first):
                path.unlink()
            raise
        parts = len(_parts_from(work, first))
    return AddedVectors(len(names), parts, len(bad), bad[0] if bad else None)


def _write_vectors(
    work: Workspace,
    blocks: Iterable[tuple[list[str] | None, np.ndarray]],
    made_from: dict[str, Any],
    first: int,
) -> tuple[list[str], list[int]]:
    """Write the parts; the names of all rows, and the places of those without direction."""
    added: list[str] = []
    bad: list[int] = []
    for number, (stated, rows) in enumerate(blocks, first):
        start = len(added)
        names = stated
        if names is None:
            places = range(start, start + len(rows))
            names = [f"{made_from['file']}_{place:07}" for place in places]
        unit, unusable = _unit(rows)
        embeddings = as_column(unit, unusable)
        part = pa.table({"image_name": names, "embedding": embeddings})
        provenance = made_from | {"rows": [start, len(rows)]}
        write_part(work.part("embed", f"{number:05}"), part, provenance)
        added += names
        bad += (start + np.flatnonzero(unusable)).tolist()
    return added, bad


def _require_usable(rows: int, unusable: int, source: object) -> None:
    """ValueError where no row of a file has a direction, or it has no rows."""
    if not rows:
        raise ValueError(f"{source} holds no embeddings: it has 0 rows")
    if rows == unusable:
        raise ValueError(
            f"{source} holds no embeddings: every one of its {rows:,} rows is all zeros or not finite"
        )


def _parts_from(work: Workspace, first: int) -> list[Path]:
    """The parts of embeddings with this number or a higher one."""
    return [path for path in work.part_files("embed") if int(path.stem) >= first]


def _drop_stopped(work: Workspace, first: int) -> None:
    """Delete parts from number `first` on, which a stopped run left, and rows that are in no other part."""
    stopped = _parts_from(work, first)
    if not stopped:
        return
    if work.images_file.exists():
        recorded: list[pa.Array] = []
        for path in work.part_files("embed"):
            if path not in stopped:
                recorded += read_part(path)["image_name"].chunks
        table = read_parquet(work.images_file)
        names = pa.chunked_array(recorded, pa.string())
        is_recorded = pc.is_in(table["image_name"], value_set=names)
        write_parquet(work.images_file, table.filter(is_recorded), private=True)
    for path in stopped:
        path.unlink()


def _unit(rows: np.ndarray) -> tuple[Half, np.ndarray]:
    """Rows at norm 1 in half precision, and which have no direction."""
    double = rows.astype(np.float64)
    norms = np.linalg.norm(double, axis=1, keepdims=True)
    usable = np.isfinite(norms) & (norms > 0)
    unit = np.divide(double, norms, out=np.zeros_like(double), where=usable)
    return unit.astype(np.float16), ~usable[:, 0]


def add_texts(work: AnyWorkspace, name: str, texts: Sequence[str], stem: str) -> int:
    """Write texts as rows of the set, in place of those of this stem; how many.

    Rows of the stem are there where the file was edited, or where a run was stopped before it was recorded.
    """
    work = Workspace(work)
    names = [f"{stem}_{at:06}" for at in range(len(texts))]
    rows = pa.table({"image_name": names, "text": pa.array(texts, pa.string())})
    with work.lock_shards():
        _drop_texts(work, stem)
        _extend(work, name, rows)
    return len(names)


def _drop_texts(work: Workspace, stem: str) -> None:
    """Drop the rows that `add_texts` wrote of a stem."""
    if not work.images_file.exists():
        return
    table = read_parquet(work.images_file)
    pattern = re.compile(rf"{re.escape(stem)}_[0-9]{{6,}}")
    others = [not pattern.fullmatch(each) for each in table["image_name"].to_pylist()]
    if not all(others):
        write_parquet(work.images_file, table.filter(pa.array(others)), private=True)


def _extend(work: Workspace, name: str, rows: pa.Table) -> None:
    """Add rows to images.parquet, every one under a name of its own."""
    path = work.images_file
    table = rows.slice(0, 0)
    if path.exists():
        table = read_parquet(path)
    names = pa.chunked_array([*table["image_name"].chunks, *rows["image_name"].chunks])
    counts = pc.value_counts(names)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        raise ValueError(
            f"{path}: two rows would have the name {repeated[0]['values']}: names must differ within a reference set; "
            "rename the file where its rows are named after it, or add it to a set of another name"
        )
    # These rows belong to no post: each is its own, so that (id, image_name) stays a key.
    source = [name] * len(rows)
    new = columns.add(rows, id=rows["image_name"], source=source)
    merged = pa.concat_tables([table, new], promote_options="default")
    write_parquet(path, merged, private=True)


def embed_texts(
    work: AnyWorkspace, made_from: Mapping[str, Any], *model: Any, revision: str | None
) -> int:
    """Encode texts of the set by CLIP's text half into `columns/embed_text`, unless that is done; how many now.

    Of more than 2,000 texts, passages of ten in a row are drawn: Fig 3d compares no more, and resamples by passages.
    """
    work = Workspace(work)
    table = read_parquet(work.images_file, columns=["image_name", "text"])
    part = work.part("embed_text", "00000")
    table = table.take(pa.array(_passages(len(table))))
    provenance = dict(made_from) | {"texts": fingerprint(table.to_pylist())}
    if part_is_current(part, provenance):
        return 0
    encode = load_encoder(*model, revision=revision, work=work).encode_text
    texts = table["text"].to_pylist()
    rows = encode_all(texts, encode, work.path.name)
    count_tokens = token_counter(find_model(model[0], model[1], revision, work))
    columns_of_part = {
        "image_name": table["image_name"].combine_chunks(),
        "embedding": as_column(rows),
        "tokens": pa.array(map(count_tokens, texts), pa.int32()),
    }
    write_part(part, pa.table(columns_of_part), provenance)
    return len(rows)


def _passages(n: int) -> np.ndarray:
    """Rows of the texts to embed: all, or those of random passages, in order."""
    if n <= MOST_TEXTS:
        return np.arange(n)
    passages = np.random.default_rng(0).permutation(n // PASSAGE)
    drawn = np.sort(passages[: MOST_TEXTS // PASSAGE])
    return (drawn[:, None] * PASSAGE + np.arange(PASSAGE)).ravel()
