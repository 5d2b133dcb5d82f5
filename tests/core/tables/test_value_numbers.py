"""Numbers of authors and posts: equal where the texts are, in the order of texts, none where there is none."""

import numpy as np
import pyarrow as pa
import pytest

from twigma.core.tables.value_numbers import value_numbers


@pytest.mark.parametrize(
    "texts",
    [
        ["9", "10", None, "9", "1480000000000000001", "1480000000000000000"],
        ["007", "7", "ada", None, "ada", "Ünal"],
        ["", None, ""],
        [None, None],
        [],
    ],
)
def test_numbers_are_the_ranks_of_the_texts(texts):
    half = len(texts) // 2
    column = pa.chunked_array([texts[:half], texts[half:]], pa.string())
    ranks = {text: rank for rank, text in enumerate(sorted(set(texts) - {None}))}
    numbers = value_numbers(column)
    assert numbers.tolist() == [ranks.get(text, -1) for text in texts]
    assert numbers.dtype == np.int32
