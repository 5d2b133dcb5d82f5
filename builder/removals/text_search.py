"""Texts searched for the ids of what was removed: X's are numbers, images of the user's own have any name.

An id is found as a whole word: 003 is not in 0031, and `holiday_003` is in `holiday_003.jpg`.
"""

import re
from collections.abc import Collection

NUMBER = re.compile(r"(?<![0-9A-Za-z])[0-9]{1,20}(?![0-9A-Za-z])")
WORD = re.compile(r"[^\W_]+")


class TextSearch:
    """Tells whether a text holds one of these ids.

    >>> search = TextSearch(["003", "holiday_004"])
    >>> search.finds("as in 003"), search.finds("see holiday_004.jpg"), search.finds("0031, holiday_0041")
    (True, True, False)
    """

    def __init__(self, names: Collection[str]) -> None:
        self._numbers: set[str] = set()
        # Other ids by their last word, which is the one that differs in holiday_001, holiday_002, …
        self._by_word: dict[str, set[str]] = {}
        for name in names:
            words = WORD.findall(name)
            if NUMBER.fullmatch(name):
                self._numbers.add(name)
            elif words:
                self._by_word.setdefault(words[-1], set()).add(name)

    def finds(self, text: str) -> bool:
        """Whether the text holds one of the ids."""
        if not self._numbers.isdisjoint(NUMBER.findall(text)):
            return True
        if not self._by_word:
            return False
        for word in self._by_word.keys() & set(WORD.findall(text)):
            if any(_holds_word(text, name) for name in self._by_word[word]):
                return True
        return False


def _holds_word(text: str, name: str) -> bool:
    """Whether a name is in a text, and is no part of a longer word."""
    if name not in text:
        return False
    whole = rf"(?<![^\W_]){re.escape(name)}(?![^\W_])"
    return re.search(whole, text) is not None
