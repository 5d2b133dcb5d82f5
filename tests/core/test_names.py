"""Names in a sentence: none, one, two, and more than a message has room for."""

import pytest

from twigma.core.names import join_names


@pytest.mark.parametrize(
    ("names", "most", "text"),
    [
        ([], None, ""),
        (["a"], 1, "a"),
        (iter(["a", "b"]), 2, "a and b"),
        (["a", "b", "c"], 1, "a and 2 more"),
        ([1, 2, 3], None, "1, 2 and 3"),
    ],
)
def test_names_are_joined(names, most, text):
    assert join_names(names, most) == text
