"""One set of images as the estimators take it: its rows, and unit embeddings of those rows that have one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.analysis.inference.sample_weights import sample_weights, thinned
from twigma.analysis.tables.embeddings import Embeddings
from twigma.core import columns
from twigma.core.numeric.stored_rows import StoredRows, rows_of, stored_unit_rows
from twigma.core.tables import compact, find, take_rows, whole
from twigma.core.tables.value_numbers import NONE, value_numbers


@dataclass(frozen=True)
class Images:
    """One set of images: its rows, and the embedding of those rows that have one.

    `embedding` is float32 [n, d] with rows of norm 1, n = 0 when the set has no embeddings; figures read blocks or
    samples of it, since the rows of a large set are made when they are read. `rows` [n] is the row of `table` each
    belongs to. Embeddings of zero or not finite numbers have no direction: `unusable` counts them.
    """

    name: str
    table: pa.Table
    embedding: NDArray[np.float32] | StoredRows
    rows: NDArray[np.int64]
    dtype: str = ""  # precision the embeddings were stored in
    unusable: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)  # of a reference set
    # By column, made once for all figures.
    _numbers: dict[str, NDArray[np.int32]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def has(self, column: str) -> bool:
        """Whether any row has a value in this column; `columns.LABELS` is the label column, whatever its k."""
        if column == "embedding":
            return len(self.rows) > 0
        name = self._name(column)
        if name not in self.table.column_names:
            return False
        return bool(self.table[name].null_count < len(self.table))

    @cached_property
    def is_local(self) -> bool:
        """Whether all images were added by hand, so that no post of theirs can be looked up."""
        if not self.has("source"):
            return False
        sources: list[str | None] = pc.unique(self.table["source"]).to_pylist()
        return sources == ["local"]

    def _name(self, column: str) -> str:
        """The column under the name that it has here."""
        return columns.present([column], self.table.column_names)[0]

    def weights(self) -> NDArray[np.float64] | None:
        """Weights in a sample of the rows that have an embedding, [n]; None where there are none to use."""
        weights = sample_weights(self.table)
        return None if weights is None else weights[self.rows]

    def thinned(self, values: Any) -> Any:
        """Of values [n] of the rows that have an embedding, those drawn by the weights (`sample_weights.thinned`).

        Unweighted, they represent the list. All of them where there are no weights.
        """
        weights = self.weights()
        return values if weights is None else rows_of(values, thinned(weights))

    def known(self, column: str) -> NDArray[Any] | None:
        """`values` of a column, [n]; None where no row has one."""
        return self.values(column) if self.has(column) else None

    def numbered(self, column: str) -> NDArray[np.float64]:
        """The values of a column as numbers, of every row of the table, float64 [rows]; nan where a row has none.

        Equal values have equal numbers, in their order. Authors and posts are only compared: so they need no text.
        """
        if column not in self._numbers:
            self._numbers[column] = value_numbers(self.table[self._name(column)])
        numbers = self._numbers[column].astype(np.float64)
        numbers[numbers == NONE] = np.nan
        return numbers

    def known_numbered(self, column: str) -> NDArray[np.float64] | None:
        """`numbered` of the rows that have an embedding, [n]; None where no row has a value."""
        return self.numbered(column)[self.rows] if self.has(column) else None

    def column(self, column: str) -> pa.ChunkedArray:
        """A column of the rows that have an embedding, [n], as it is stored."""
        stored = self.table[self._name(column)]
        if len(self.rows) == len(stored):
            return stored
        return take_rows(stored, pa.array(self.rows))

    def values(self, column: str) -> NDArray[Any]:
        """A column of the rows that have an embedding, [n]; numbers with nan where unknown, text with None."""
        picked = self.column(column)
        if pa.types.is_integer(picked.type) or pa.types.is_floating(picked.type):
            picked = picked.cast(pa.float64())
        return np.asarray(picked.to_pandas())


def images_of(name: str, table: pa.Table, embeddings: Embeddings | None) -> Images:
    """A set of images from its table, a row an image and post, and the embeddings of any of them, in any order."""
    if embeddings is None:
        none = np.zeros((0, columns.EMBEDDING_DIM), np.float32)
        return Images(name, table, none, np.zeros(0, np.int64))
    places = find(whole(compact(table["image_name"])), whole(embeddings.names))
    place = pc.fill_null(places, -1).to_numpy()
    rows = np.flatnonzero(place >= 0)
    stored = embeddings.rows
    unit, usable = stored_unit_rows(stored, place[rows])
    unusable = len(rows) - len(unit)
    return Images(name, table, unit, rows[usable], str(stored.dtype), unusable)
