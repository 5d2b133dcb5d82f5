"""Places of texts in a column, compared with those that Arrow finds."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twigma.core.tables import Places, places

TEXTS = st.lists(st.none() | st.text("aé0", max_size=3), max_size=12)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_the_same_places_as_arrow_finds(known, wanted):
    column = pa.chunked_array([known[:5], known[5:]], pa.string())
    asked = pa.chunked_array([wanted], pa.string())
    expected = pc.index_in(asked, value_set=column, skip_nulls=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "BLOCK", 4)
        found = Places(column).of(asked)
    assert found.type == pa.int64()
    assert found.to_pylist() == expected.to_pylist()
