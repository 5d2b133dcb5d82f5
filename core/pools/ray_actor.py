"""What runs on a node of a Ray cluster: the base of every actor of ours.

Ray calls an actor's methods in several threads. The driver has one of them at a time work on a task; the others
answer `beat` meanwhile, however long the work takes, and take in the task that comes next.
"""

import socket
from collections.abc import Iterator
from typing import Any

from twigma import __version__
from twigma.core.pools.task_event import notes

CALLS = 4  # at once: the work, a beat, a delivery, and the end


class Actor:
    """Works on one task after the other; a subclass yields the results of one from `parts`."""

    _parts: Iterator[Any]

    def __init__(self) -> None:
        self._delivered: dict[Any, Any] = {}

    def ready(self) -> str:
        """The version of this package on the node; a subclass may raise what is missing there."""
        return __version__

    def beat(self) -> None:
        """A sign of life, also in the middle of the work."""

    def deliver(self, task: Any, payload: Any) -> bool:
        """Take in what a task needs, beside the work on another; False where an offer is of no use on this node.

        What it raises costs the actor: it is replaced, and the task goes to another.
        """
        self._delivered[task] = payload
        return True

    def discard(self, task: Any) -> None:
        """Drop what was delivered: another actor does that task."""
        self._delivered.pop(task, None)

    def parts(self, payload: Any) -> Iterator[Any]:
        """The parts of one task, and `Progress` between them; no part is None.

        An exception (ValueError, OSError …) fails the task on the driver; SystemExit gives the actor up.
        """
        raise NotImplementedError

    def begin(self, task: Any) -> Any:
        """Turn to a task that was delivered: its first part or `Progress`."""
        self._parts = self.parts(self._delivered.pop(task))
        return self.next()

    def next(self) -> Any:
        """The next part or `Progress` of the task; None at its end."""
        return next(self._parts, None)

    def close(self) -> None:
        """Remove what would outlive the actor."""


def on_this_node(error: Exception) -> Exception:
    """The same error, saying on which machine it happened."""
    place = f"on {socket.gethostname()}"
    if isinstance(error, OSError) and error.strerror:
        return OSError(error.errno, f"{error.strerror}, {place}")
    return RuntimeError(f"{error}, {place}\n{notes(error)}".strip())
