"""Processes that the kernel ends with their parent, however the parent ends."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # of prctl(2), in <linux/prctl.h>


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent, of that process id, ends; ignore Ctrl-C.

    The terminal sends Ctrl-C to the parent too, which ends its children.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent ended before the line above
    signal.signal(signal.SIGINT, signal.SIG_IGN)
