"""What stands in the folder of a reference set: tars of images, given embeddings, or texts; all with the same columns.

Used by `twigma reference add`.
"""

import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.engine.vectors import Half, as_column
from twigma.builder.models.clip_names import find_model
from twigma.builder.stages.embed import load_encoder
from twigma.builder.stages.embed_texts import encode_all, token_counter
from twigma.core import columns
from twigma.core.files import atomic, read_parquet, write_parquet
from twigma.core.parts import fingerprint, part_is_current, write_part
from twigma.core.workspace import Workspace
from twigma.rehydrate.sources.own_files.add_images import add_tars

KINDS = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"RI": ".webp", b"GI": ".gif"}
MOST_TEXTS, PASSAGE = 2000, 10
Rows = Iterable[tuple[str, bytes | None, dict[str, Any]]]


# ------------------------------------------------------------------ images


def pack(work: Path, stem: str, rows: Rows) -> tuple[Path, int]:
    """A tar of images in the set's shards, each with its facts as JSON beside it; and how many rows had no bytes."""
    path = work.absolute() / "shards" / f"from_{stem}.tar"
    without, taken = 0, set[str]()
    with (
        atomic(path) as partial,
        tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, data, facts in rows:
            if data is None:
                without += 1
                continue
            key = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:80]
            key = key if key not in taken else f"{key}_{len(taken)}"
            taken.add(key)
            _append(tar, f"{key}{KINDS.get(data[:2], '.jpg')}", data)
            _append(tar, f"{key}.json", json.dumps(facts).encode())
    return path, without


def _append(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o444
    tar.addfile(member, io.BytesIO(data))


def add_images(
    work: Path, name: str, paths: Sequence[Path], group: str | None
) -> dict[str, int]:
    """Take tars and images into the set; counts of what was added and of what was not."""
    report = add_tars(work, paths, group)
    table = read_parquet(work / "images.parquet")
    if set(table["source"].to_pylist()) - {name}:
        write_parquet(
            work / "images.parquet",
            columns.add(table, source=[name] * len(table)),
            private=True,
        )
    return {key: int(pc.sum(report[key]).as_py() or 0) for key in ("images", "failed")}


# ------------------------------------------------------------------ rows without images


def add_vectors(
    work: Path,
    name: str,
    blocks: Iterable[tuple[list[str] | None, np.ndarray]],
    made_from: dict[str, Any],
    first: int,
) -> tuple[int, int]:
    """Write given vectors as parts of `columns/embed` from number `first` on, at norm 1, and their rows; how many.

    A vector of zeros or not finite numbers is null. `made_from` names the model, the file and its hash.
    """
    added: list[str] = []
    number = first
    with Workspace(work).lock_shards():
        for number, (names, rows) in enumerate(blocks, first):
            start = len(added)
            found = names or [
                f"{made_from['file']}_{start + at:07}" for at in range(len(rows))
            ]
            unit, unusable = _unit(rows)
            part = pa.table(
                {"image_name": found, "embedding": as_column(unit, unusable)}
            )
            path = work / "columns" / "embed" / f"{number:05}.arrow"
            write_part(path, part, made_from | {"rows": [start, len(rows)]})
            added += found
        _extend(work, name, pa.table({"image_name": added}))
    return len(added), number - first + 1


def _unit(rows: np.ndarray) -> tuple[Half, np.ndarray]:
    """Rows at norm 1 in half precision, and which have no direction."""
    double = rows.astype(np.float64)
    norms = np.linalg.norm(double, axis=1, keepdims=True)
    usable = np.isfinite(norms) & (norms > 0)
    unit = np.divide(double, norms, out=np.zeros_like(double), where=usable)
    return unit.astype(np.float16), ~usable[:, 0]


def add_texts(work: Path, name: str, texts: Sequence[str], stem: str) -> int:
    """Write texts as rows of the set; how many."""
    names = [f"{stem}_{at:06}" for at in range(len(texts))]
    with Workspace(work).lock_shards():
        _extend(
            work,
            name,
            pa.table({"image_name": names, "text": pa.array(texts, pa.string())}),
        )
    return len(names)


def _extend(work: Path, name: str, rows: pa.Table) -> None:
    """Add rows to images.parquet, every one under a name of its own."""
    path = work / "images.parquet"
    table = read_parquet(path) if path.exists() else rows.slice(0, 0)
    names = pa.concat_tables(
        [table.select(["image_name"]), rows.select(["image_name"])]
    )["image_name"]
    if len(pc.unique(names)) != len(names):
        counts = pc.value_counts(names.combine_chunks())
        twice = counts.filter(pc.greater(counts.field("counts"), 1))[0]["values"]
        raise ValueError(
            f"{path}: two rows would have the name {twice}: names must differ within a reference set"
        )
    made = columns.add(rows, id=rows["image_name"], source=[name] * len(rows))
    write_parquet(
        path, pa.concat_tables([table, made], promote_options="default"), private=True
    )


def embed_texts(
    work: Path, made_from: Mapping[str, Any], *model: Any, revision: str | None
) -> int:
    """Encode texts of the set by CLIP's text half into `columns/embed_text`, unless that is done; how many now.

    Of more than 2,000 texts, passages of ten in a row are drawn: Fig 3d compares no more, and resamples by passages.
    """
    table = read_parquet(work / "images.parquet", columns=["image_name", "text"])
    part = work / "columns" / "embed_text" / "00000.arrow"
    table = table.take(pa.array(_passages(len(table))))
    provenance = dict(made_from) | {"texts": fingerprint(table.to_pylist())}
    if part_is_current(part, provenance):
        return 0
    encode = load_encoder(*model, revision=revision, work=work).encode_text
    texts = table["text"].to_pylist()
    rows = encode_all(texts, encode, work.name)
    tokens = token_counter(find_model(model[0], model[1], revision, work))
    made = pa.table(
        {
            "image_name": table["image_name"].combine_chunks(),
            "embedding": as_column(rows),
        }
    )
    made = made.append_column("tokens", pa.array(map(tokens, texts), pa.int32()))
    write_part(part, made, provenance)
    return len(made)


def _passages(n: int) -> np.ndarray:
    """Rows of the texts to embed: all, or those of random passages, in order."""
    if n <= MOST_TEXTS:
        return np.arange(n)
    starts = (
        np.random.default_rng(0).permutation(n // PASSAGE)[: MOST_TEXTS // PASSAGE]
        * PASSAGE
    )
    return (np.sort(starts)[:, None] + np.arange(PASSAGE)).ravel()
