"""Several names in one sentence, as messages and the report write them."""

from collections.abc import Iterable


def join_names(names: Iterable[object], most: int | None = None) -> str:
    """Names with commas and a last "and"; of more than `most`, the first few and how many more there are.

    >>> join_names(["a", "b", "c"])
    'a, b and c'
    >>> join_names(["a", "b", "c", "d"], most=3)
    'a, b, c and 1 more'
    """
    words = [str(name) for name in names]
    if most is not None and len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last
