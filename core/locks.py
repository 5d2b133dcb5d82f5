"""One `twigma rehydrate` at a time in a working folder: the second is refused before it reads or writes anything.

The ledger and the shards have locks of their own; this one is held from the list of ids to the last photo. Imports
nothing that takes time.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


def make_private(work: Path) -> None:
    """Make a working folder, for this user alone; the permissions of one that is there are the user's."""
    work.parent.mkdir(parents=True, exist_ok=True)
    work.mkdir(mode=0o700, exist_ok=True)


@contextlib.contextmanager
def only_run(work: Path) -> Iterator[None]:
    """Hold a working folder alone; RuntimeError at once when another run does. A kill frees it too."""
    make_private(work)
    with (work / ".rehydrate.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(f"another run is at work in {work}: wait for it, or stop it first") from error
        yield
