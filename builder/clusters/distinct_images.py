"""The embedded images of a working folder, and which of them stay after deduplication. Used by `twigma cluster`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.engine.vectors import Indices, Vectors, read_vectors
from twigma.builder.stages.dedupe import REASONS
from twigma.core.model_identity import identity
from twigma.core.names import DEFAULT, with_name
from twigma.core.parts import (
    Provenance,
    embedding_stage,
    read_fingerprint,
    read_model,
    refuse_other_embeddings,
)
from twigma.core.workspace import AnyWorkspace, Workspace


@dataclass(frozen=True)
class Embedded:
    """The embedded images, and the row that represents each.

    Attributes
    ----------
    vectors : the embeddings.
    representative : int64[n], the row of the image that stays in place of each; its own row where it stays itself.
    model : identity of the model that made the embeddings (see `model_identity.identity`).
    inputs : entries of a provenance: what this was read from.
    """

    vectors: Vectors
    representative: Indices
    model: dict[str, Any]
    inputs: Provenance

    @property
    def originals(self) -> Indices:
        """The rows that stay after deduplication, ascending."""
        rows = np.arange(len(self.representative))
        return np.flatnonzero(self.representative == rows)

    def by_name(self, rows: Indices) -> Indices:
        """These rows, int64[n], in the order of the images' names: no result depends on the shards they lie in."""
        names = self.vectors.names.take(pa.array(rows))
        ordered: Indices = rows[pc.sort_indices(names).to_numpy()]
        return ordered


def read_embedded(
    work: AnyWorkspace, drop: Sequence[str] = REASONS, embedding: str = DEFAULT
) -> Embedded:
    """The embedded images of a working folder, after deduplication for the reasons in `drop`.

    `embedding` is the name of the embeddings; those that `twigma dedupe` compared may bear another.
    FileNotFoundError before `twigma embed` and `twigma dedupe`, ValueError when these are of two models.
    """
    work = Workspace(work)
    embed = with_name("embed", embedding)
    vectors, embed_marks = read_vectors(work, embed)
    compared = embedding_stage(read_model(work.stage_folder("dedupe")))
    refuse_other_embeddings(work.columns, dict.fromkeys([embed, compared, "dedupe"]))
    model = identity(work.embedding_model(embedding))
    inputs = Provenance(drop=list(drop), embed=embed_marks, embedding=model)
    if embedding:
        inputs["embedding_name"] = embedding
    representative = representatives(vectors, work.read("dedupe"), drop)
    inputs["dedupe"] = read_fingerprint(work.part("dedupe"))
    return Embedded(vectors, representative, model, inputs)


def representatives(
    vectors: Vectors, repeats: pa.Table, drop: Sequence[str]
) -> Indices:
    """For each embedded image the row of the image that stays in its place, int64[n]; itself where it stays.

    `repeats` is the table of `twigma dedupe`; only its reasons in `drop` count, and chains are followed to their end.
    """
    reasons = pa.array(drop, pa.string())
    counts = pc.is_in(repeats["duplicate_reason"], value_set=reasons)
    # A later post of an image repeats the image itself, which is one row here.
    is_other = pc.not_equal(repeats["duplicate_of"], repeats["image_name"])
    links = repeats.filter(pc.and_(counts, is_other))
    repeat, original = links["image_name"], links["duplicate_of"]
    source = pc.index_in(repeat.combine_chunks(), value_set=vectors.names)
    target = pc.index_in(original.combine_chunks(), value_set=vectors.names)
    embedded = np.asarray(pc.and_(source.is_valid(), target.is_valid()))
    result = np.arange(len(vectors))
    sources = source.fill_null(0).to_numpy()[embedded]
    result[sources] = target.fill_null(0).to_numpy()[embedded]
    while True:
        further = result[result]
        if np.array_equal(further, result):
            return result
        result = further
