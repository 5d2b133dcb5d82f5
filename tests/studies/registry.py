"""All studies of intervals and tests: importing this registers them, in the order of the tables."""

from studies import (  # noqa: F401 - each registers its own
    distances_of_sets,
    likes_of_authors,
    months_of_authors,
    people_and_models,
    variation_within_sets,
)
from studies.coverage import STUDIES, cells

__all__ = ["caveats", "cells", "names"]


def names() -> list[str]:
    """Every interval and test."""
    return [name for one in STUDIES for name in one.names]


def caveats() -> dict[str, str]:
    """What stands behind a name in the tables: what the result says it cannot do, and a study of its own."""
    found = {}
    for one in STUDIES:
        text = f"; it says that it {one.caveat}" if one.caveat else ""
        if one.page:
            text += f" ([study]({one.page}.md))"
        for name in one.names:
            found[name] = text
    return found
