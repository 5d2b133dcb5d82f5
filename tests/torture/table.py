"""The rows of the torture table: what each does, when it passes, and how often it is done.

A row is a function `(count, folder) -> Measured` under `@row`; `count` is how often the hazard strikes. It raises
`unittest.SkipTest` with the reason where this machine does not permit the hazard.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

MODULES = (
    "scale",
    "kills",
    "disks",
    "damage",
    "hostile_hosts",
    "hostile_images",
    "limits",
    "hostile_x",
    "cut_images",
    "evil_models",
    "api",
    "id_lists",
    "stages",
    "releases",
)


class Measured(NamedTuple):
    """Whether a row passed, and the figures as a sentence."""

    ok: bool
    figures: str


@dataclass(frozen=True)
class Row:
    """One row: its number, what is done, when it passes, the function, and its counts (quick may be None: not in
    the test suite)."""

    number: int
    check: str
    passes: str
    run: Callable[[int, Path], Measured]
    quick: int | None
    default: int
    long: int


ROWS: dict[int, Row] = {}


def row(
    number: int, check: str, passes: str, *, quick: int | None, default: int, long: int
) -> Callable[[Callable[[int, Path], Measured]], Callable[[int, Path], Measured]]:
    """Enter a function into the table under this number."""

    def enter(
        function: Callable[[int, Path], Measured],
    ) -> Callable[[int, Path], Measured]:
        ROWS[number] = Row(number, check, passes, function, quick, default, long)
        return function

    return enter


def rows() -> list[Row]:
    """Every row, by number."""
    folder = Path(__file__).parent
    for name in MODULES:
        if (folder / f"{name}.py").exists():
            importlib.import_module(f"{__package__}.{name}")
    return [ROWS[number] for number in sorted(ROWS)]
