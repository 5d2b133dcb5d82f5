"""One set of images as the estimators take it: its rows, and unit embeddings of those rows that have one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.analysis.convert import as_matrix
from twigma.analysis.inference.sample_weights import sample_weights, thinned
from twigma.core import columns
from twigma.core.numeric.unit_vectors import usable_unit_rows


@dataclass(frozen=True)
class Images:
    """One set of images: its rows, and the embedding of those rows that have one.

    `embedding` is float32 [n, d] with rows of norm 1, n = 0 when the set has no embeddings; `rows` [n] is the row of
    `table` each belongs to. Embeddings of zero or not finite numbers have no direction: `unusable` counts them.
    """

    name: str
    table: pa.Table
    embedding: NDArray[np.float32]
    rows: NDArray[np.int64]
    dtype: str = ""  # precision the embeddings were stored in
    unusable: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)  # of a reference set

    def has(self, column: str) -> bool:
        """Whether any row has a value in this column; `columns.LABELS` is the label column, whatever its k."""
        if column == "embedding":
            return len(self.rows) > 0
        name = self._name(column)
        if name not in self.table.column_names:
            return False
        return bool(self.table[name].null_count < len(self.table))

    def _name(self, column: str) -> str:
        """The column under the name that it has here."""
        return columns.present([column], self.table.column_names)[0]

    def weights(self) -> NDArray[np.float64] | None:
        """Weights in a sample of the rows that have an embedding, [n]; None where there are none to use."""
        weights = sample_weights(self.table)
        return None if weights is None else weights[self.rows]

    def thinned(self, values: NDArray[Any]) -> NDArray[Any]:
        """Of values [n] of the rows that have an embedding, those drawn by the weights (`sample_weights.thinned`).

        Unweighted, they represent the list. All of them where there are no weights.
        """
        weights = self.weights()
        return values if weights is None else values[thinned(weights)]

    def known(self, column: str) -> NDArray[Any] | None:
        """`values` of a column, [n]; None where no row has one."""
        return self.values(column) if self.has(column) else None

    def values(self, column: str) -> NDArray[Any]:
        """A column of the rows that have an embedding, [n]; numbers with nan where unknown, text with None."""
        picked = self.table[self._name(column)].take(pa.array(self.rows))
        if pa.types.is_integer(picked.type) or pa.types.is_floating(picked.type):
            picked = picked.cast(pa.float64())
        return np.asarray(picked.to_pandas())


def images_of(name: str, table: pa.Table, vectors: pa.Table | None) -> Images:
    """A set of images from its rows, and a table (image_name, embedding) of any rows of it, in any order."""
    if vectors is None:
        none = np.zeros((0, columns.EMBEDDING_DIM), np.float32)
        return Images(name, table, none, np.zeros(0, np.int64))
    if vectors["embedding"].null_count:
        vectors = vectors.filter(pc.is_valid(vectors["embedding"]))
    names = vectors["image_name"].combine_chunks()
    place = pc.fill_null(pc.index_in(table["image_name"], value_set=names), -1)
    place = place.to_numpy()
    rows = np.flatnonzero(place >= 0)
    stored = _stored(vectors["embedding"])
    unit, usable = usable_unit_rows(stored, place[rows])
    unusable = len(rows) - int(usable.sum())
    if unusable:
        unit, rows = unit[usable], rows[usable]
    return Images(name, table, unit, rows, str(stored.dtype), unusable)


def _stored(column: pa.ChunkedArray) -> NDArray[np.floating]:
    """A column of equally long vectors as a matrix [n, d], in the precision it is stored in."""
    if len(column):
        return as_matrix(column)
    flat = pc.list_flatten(column).combine_chunks()
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(0, 1)
