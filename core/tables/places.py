"""Where texts are in a long column, asked for again and again: the column is sorted once, and then searched."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

BLOCK = 1 << 20  # texts that are Python objects at the same time


class Places:
    """The places of texts in a column [n], of equal ones the first; `index_in` of Arrow would hash all n each time."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        """`column` is string[n]; nulls in it are found by nothing."""
        texts = _fixed_width(column.fill_null(""))
        known = np.flatnonzero(np.asarray(column.is_valid()))
        order = np.argsort(texts[known], kind="stable")
        self._places = known[order]
        self._sorted = texts[self._places]

    def of(self, column: pa.ChunkedArray) -> pa.Array:
        """int64[m]: the place of each text of a column, string[m]; null where it is nowhere.

        >>> Places(pa.chunked_array([["b", "a"]])).of(pa.chunked_array([["a", None, "c"]])).to_pylist()
        [1, None, None]
        """
        if not len(self._sorted):
            return pa.nulls(len(column), pa.int64())
        wanted = _fixed_width(column.fill_null(""))
        at = np.searchsorted(self._sorted, wanted)
        at = np.minimum(at, len(self._sorted) - 1)
        is_found = self._sorted[at] == wanted
        is_found &= np.asarray(column.is_valid())
        return pa.array(self._places[at], pa.int64(), mask=~is_found)


def _fixed_width(column: pa.ChunkedArray) -> npt.NDArray[np.bytes_]:
    """Texts without nulls, string[n], as bytes of one width, which NumPy sorts."""
    if not len(column):
        return np.empty(0, "S1")
    encoded = column.cast(pa.binary())
    width = max(1, pc.max(pc.binary_length(encoded)).as_py())
    texts = np.empty(len(column), f"S{width}")
    for start in range(0, len(column), BLOCK):
        block = encoded.slice(start, BLOCK)
        texts[start : start + BLOCK] = block.to_numpy()
    return texts
