"""Progress and notices, on standard error; what a command answers goes to standard output.

Everything that takes time shows a `progress_bar`; what a user should know meanwhile is a `notice`, what only somebody
who looks for a fault needs is a `detail`. `-q` and `-v` of every command set the verbosity; from Python:

    with verbosity(Verbosity.QUIET):
        embed_shards("work")
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar, overload

if TYPE_CHECKING:
    from tqdm.auto import tqdm

T = TypeVar("T")
ProgressBar: TypeAlias = "tqdm[Any]"
DELAY = 1.0  # seconds before a bar appears: short work shows none
REFRESH = 0.5  # seconds between two states of a bar on a terminal
LOG_REFRESH = 10.0  # and in a log file, where every state stays


class Verbosity(IntEnum):
    """How much is written to standard error."""

    QUIET = 0  # errors and warnings only
    NORMAL = 1  # progress bars and notices too
    VERBOSE = 2  # details too


_current = Verbosity.NORMAL
_names: dict[str, str] = {}  # what the user calls a folder, by its path


@contextmanager
def verbosity(level: Verbosity) -> Iterator[None]:
    """Write more or less to standard error within a block; in this process, all threads of it."""
    global _current  # noqa: PLW0603
    before = _current
    _current = level
    try:
        yield
    finally:
        _current = before


@contextmanager
def naming(folder: str | os.PathLike[str], name: str) -> Iterator[None]:
    """Call a folder by this name in the messages of a block, such as the mirror of a bucket by its address."""
    path = os.fspath(folder)
    _names[path] = name
    try:
        yield
    finally:
        _names.pop(path, None)


@overload
def progress_bar(
    iterable: Iterable[T],
    *,
    desc: str,
    unit: str,
    total: float | None = None,
    initial: int = 0,
    unit_scale: bool | int = False,
    leave: bool = True,
) -> "tqdm[T]": ...


@overload
def progress_bar(
    iterable: None = None,
    *,
    desc: str,
    unit: str,
    total: float | None = None,
    initial: int = 0,
    unit_scale: bool | int = False,
    leave: bool = True,
) -> "tqdm[NoReturn]": ...


def progress_bar(
    iterable: Iterable[T] | None = None,
    *,
    desc: str,
    unit: str,
    total: float | None = None,
    initial: int = 0,
    unit_scale: bool | int = False,
    leave: bool = True,
) -> Any:
    """A bar with rate and time left, in a terminal or a notebook; nothing is shown for work of under a second.

    In a log file, where every state stays, work of under ten seconds shows nothing either.

    Parameters
    ----------
    iterable : what to count; without it, the caller updates the bar and closes it (`with`).
    desc, unit : what is done, and to what: `embed`, `image`.
    total, initial : units in all, and those that an earlier run has done.
    unit_scale : write large counts as 1.2k, bytes as 1.2M; a number multiplies the counts first.
    leave : whether the finished bar stays on the screen.
    """
    # Imported here: `twigma --help` answers without it.
    from tqdm.auto import tqdm

    on_terminal = sys.stderr.isatty()
    return tqdm(
        iterable,
        desc=desc,
        unit=unit,
        total=total,
        initial=initial,
        unit_scale=unit_scale,
        leave=leave,
        delay=DELAY,
        mininterval=REFRESH if on_terminal else LOG_REFRESH,
        disable=_current is Verbosity.QUIET,
    )


def notice(text: str) -> None:
    """Tell the user something, above the bars on the screen; nothing with `-q`."""
    if _current >= Verbosity.NORMAL:
        _write(text)


def detail(text: str) -> None:
    """Tell something that helps only to find a fault, such as a worker's traceback; only with `-v`."""
    if _current >= Verbosity.VERBOSE:
        _write(text)


def _write(text: str) -> None:
    from tqdm.auto import tqdm

    for folder, name in _names.items():
        # Not where it is the beginning of another folder's name.
        parts = re.split(rf"{re.escape(folder)}(?![\w.-])", text)
        text = name.join(parts)
    tqdm.write(text, file=sys.stderr)
