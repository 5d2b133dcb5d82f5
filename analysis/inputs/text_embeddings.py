"""Embedded texts for Fig 3d, read from working folders: posts, captions, prompts, and reference sets of texts.

`twigma texts` and `twigma reference add` embed them; `twigma analyze` reads them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from twigma.analysis.variation.text_variation import Texts
from twigma.core import columns
from twigma.core.embedding_model import differing
from twigma.core.files import file_sha256
from twigma.core.parts import read_part, read_provenance
from twigma.core.workspace import Workspace

KINDS = {
    "text": "posts",
    "all_captions": "captions of our images",
}  # of the studied images: column -> name
PROMPTS = "group"  # of a reference set by prompt
PASSAGE = 10  # texts in a row of a text set that are resampled together: sentences of a page, news of a day


def text_files(work: Path | None, references: Mapping[str, Path]) -> dict[str, Path]:
    """The parts of embedded texts there are, by the name of their kind in the tables."""
    found = (
        {}
        if work is None
        else {name: _part(work, kind) for kind, name in KINDS.items()}
    )
    for name, folder in references.items():
        given = folder / "columns" / "embed_text" / "00000.arrow"
        found[name] = given if given.exists() else _part(folder, PROMPTS)
    return {name: path for name, path in found.items() if path.exists()}


def read_texts(work: Path | None, references: Mapping[str, Path]) -> dict[str, Texts]:
    """All embedded texts by kind; ValueError when they were embedded by different models."""
    files = text_files(work, references)
    _refuse_other_models(files)
    return {
        name: texts
        for name, path in files.items()
        if len((texts := _read(name, path)).words)
    }


def file_hashes(work: Path | None, references: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of the parts that `read_texts` reads."""
    return {
        f"texts/{name}": file_sha256(path)
        for name, path in text_files(work, references).items()
    }


def _part(folder: Path, kind: str) -> Path:
    return folder / "columns" / "texts" / f"{kind}.arrow"


def _refuse_other_models(files: Mapping[str, Path]) -> None:
    made: list[tuple[str, Any]] = [
        (name, read_provenance(path)) for name, path in files.items()
    ]
    for (first, ours), (name, theirs) in ((made[0], other) for other in made[1:]):
        if key := differing(theirs, ours):
            raise ValueError(
                f"the texts {name!r} and {first!r} were embedded by different models ({key} {theirs[key]} and "
                f"{ours[key]}): embed both by one with `twigma texts --model …`"
            )


def _read(name: str, path: Path) -> Texts:
    table = read_part(path)
    folder = path.parent.parent.parent
    if (
        "words" not in table.column_names
    ):  # a set of texts: they stand in its images table
        table = columns.join(
            table, Workspace(folder).table().select(["image_name", "text"])
        )
        words = pc.list_value_length(pc.utf8_split_whitespace(table["text"]))
        table = table.append_column("words", words.cast(pa.int32()))
        blocks = np.arange(len(table)) // PASSAGE
    else:
        blocks = _authors(table, folder)
    known = np.flatnonzero(
        table["embedding"].is_valid().to_numpy()
        & (pc.fill_null(table["words"], 0).to_numpy() > 0)
    )
    chosen = table.take(pa.array(known))
    flat = (
        pc.list_flatten(chosen["embedding"])
        .combine_chunks()
        .to_numpy(zero_copy_only=False)
        .astype(np.float32)
    )
    x = (
        flat.reshape(len(chosen), -1)
        if len(chosen)
        else np.zeros((0, columns.EMBEDDING_DIM), np.float32)
    )
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    tokens = (
        chosen["tokens"].to_numpy().astype(np.int64)
        if "tokens" in chosen.column_names
        else None
    )
    return Texts(
        name,
        x / norms,
        chosen["words"].to_numpy().astype(np.int64),
        tokens,
        blocks[known],
    )


def _authors(table: pa.Table, folder: Path) -> np.ndarray:
    """The author of each post, where authors are known; a text without one stands alone."""
    alone = pd.Series([f"alone {row}" for row in range(len(table))], dtype=object)
    images = Workspace(folder).table()
    if "author_id" not in images.column_names or "id" not in table.column_names:
        return alone.to_numpy()
    keyed = images.select([*columns.KEY, "author_id"])
    authors = pd.Series(
        columns.join(table.select(list(columns.KEY)), keyed)["author_id"].to_pylist(),
        dtype=object,
    )
    return authors.where(authors.notna(), alone).to_numpy()
