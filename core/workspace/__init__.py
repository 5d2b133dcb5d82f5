"""A working folder as one object: its paths, what is read from it, its locks, and which of its files hold ids or text.

Functions take a `Workspace`, a `str` or a `Path`: `work = Workspace(work)` converts any of them. Importing this package
takes no time: a command can hold the lock of a folder before it imports what reads tables.
"""

from twigma.core.workspace.folder import Workspace
from twigma.core.workspace.paths import ALL_IMAGES, AnyWorkspace

__all__ = ["ALL_IMAGES", "AnyWorkspace", "Workspace"]
