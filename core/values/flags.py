"""True and false in the spellings of CSV files, databases and programs."""

from collections.abc import Collection
from typing import Any

TRUE = ("true", "t", "yes", "1", "1.0")
FALSE = ("false", "f", "no", "0", "0.0")


def read_flag(
    value: Any, more_true: Collection[str] = (), more_false: Collection[str] = ()
) -> bool | None:
    """A flag; None for anything but the words of TRUE and FALSE, and `more_true` and `more_false` of one source.

    >>> read_flag(" T "), read_flag(0.0), read_flag("maybe")
    (True, False, None)
    """
    word = str(value).strip().lower()
    if word in TRUE or word in more_true:
        return True
    if word in FALSE or word in more_false:
        return False
    return None
