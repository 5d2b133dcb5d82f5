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

from twigma.analysis.convert import Array, as_matrix
from twigma.analysis.variation.text_variation import Texts
from twigma.core import columns
from twigma.core.files import file_sha256
from twigma.core.model_identity import differing
from twigma.core.numeric.unit_vectors import usable_unit_rows
from twigma.core.parts import read_part, read_provenance
from twigma.core.safety.failures import DataError
from twigma.core.workspace import AnyWorkspace, Workspace

# Of the studied images: column -> name.
KINDS = {"text": "posts", "all_captions": "captions of our images"}
PROMPTS = "group"  # of a reference set by prompt
TEXT_SET = "00000"  # the only part of a set of texts
PASSAGE = 10  # texts in a row of a text set that are resampled together: sentences of a page, news of a day


def text_files(
    work: AnyWorkspace | None, references: Mapping[str, Path]
) -> dict[str, Path]:
    """The parts of embedded texts that exist, by the name of their kind in the tables."""
    files: dict[str, Path] = {}
    if work is not None:
        for column, name in KINDS.items():
            files[name] = Workspace(work).part("texts", column)
    for name, folder in references.items():
        reference = Workspace(folder)
        of_texts = reference.part("embed_text", TEXT_SET)
        if of_texts.exists():
            files[name] = of_texts
        else:
            files[name] = reference.part("texts", PROMPTS)
    return {name: path for name, path in files.items() if path.exists()}


def read_texts(
    work: AnyWorkspace | None, references: Mapping[str, Path]
) -> dict[str, Texts]:
    """All embedded texts by kind; ValueError when they were embedded by different models."""
    files = text_files(work, references)
    _refuse_other_models(files)
    kinds = {name: _read(name, path) for name, path in files.items()}
    return {name: texts for name, texts in kinds.items() if len(texts.words)}


def file_hashes(
    work: AnyWorkspace | None, references: Mapping[str, Path]
) -> dict[str, str]:
    """SHA-256 of the parts that `read_texts` reads."""
    return {
        f"texts/{name}": file_sha256(path)
        for name, path in text_files(work, references).items()
    }


def _refuse_other_models(files: Mapping[str, Path]) -> None:
    models: list[tuple[str, Any]] = [
        (name, read_provenance(path)) for name, path in files.items()
    ]
    if not models:
        return
    first, ours = models[0]
    for name, theirs in models[1:]:
        key = differing(theirs, ours)
        if key is not None:
            raise DataError(
                f"the texts {name!r} and {first!r} were embedded by different models ({key} {theirs[key]} and "
                f"{ours[key]}): embed both by one with `twigma texts --model …`"
            )


def _read(name: str, path: Path) -> Texts:
    """The texts of one part that have words and a usable embedding."""
    table = read_part(path)
    work = Workspace(path.parent.parent.parent)
    if "words" in table.column_names:
        blocks = _authors(table, work)
    else:
        table = _with_words(table, work)
        blocks = np.arange(len(table)) // PASSAGE
    words = pc.fill_null(table["words"], 0).to_numpy()
    known = np.flatnonzero(table["embedding"].is_valid().to_numpy() & (words > 0))
    chosen = table.take(pa.array(known))
    stored: Array = np.zeros((0, columns.EMBEDDING_DIM), np.float32)
    if len(chosen):
        stored = as_matrix(chosen["embedding"])
    unit, usable = usable_unit_rows(stored, np.arange(len(stored)))
    tokens = None
    if "tokens" in chosen.column_names:
        tokens = chosen["tokens"].to_numpy().astype(np.int64)[usable]
    return Texts(
        name=name,
        embedding=unit[usable],
        words=words[known][usable].astype(np.int64),
        tokens=tokens,
        blocks=blocks[known][usable],
    )


def _with_words(table: pa.Table, work: Workspace) -> pa.Table:
    """A set of texts has its texts in the images table: with the number of their words."""
    texts = work.image_rows("image_name", "text")
    table = columns.join(table, texts)
    words = pc.list_value_length(pc.utf8_split_whitespace(table["text"]))
    return table.append_column("words", words.cast(pa.int32()))


def _authors(table: pa.Table, work: Workspace) -> Array:
    """The author of each post, [n], where authors are known; a text without one is a block of its own."""
    alone = pd.Series([f"alone {row}" for row in range(len(table))], dtype=object)
    there = work.image_schema().names
    if "author_id" not in there or "id" not in table.column_names:
        return alone.to_numpy()
    keyed = work.image_rows(*columns.KEY, "author_id")
    joined = columns.join(table.select(list(columns.KEY)), keyed)
    authors = pd.Series(joined["author_id"].to_pylist(), dtype=object)
    return authors.where(authors.notna(), alone).to_numpy()
