"""What this process may use of its machine, or of the container it runs in: CPUs and memory."""

import math
import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")  # of this process in a container
# Files of a container's limit, of what it takes, and the cached files among that: of cgroups 2, then 1.
LIMITS = (
    ("memory.max", "memory.current", "file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "cache"),
)


def usable_cpus() -> int:
    """CPUs that this process may use: those it is bound to, or fewer where its container has a smaller quota."""
    bound = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux
        bound = len(os.sched_getaffinity(0))
    return max(1, min(bound, _cpu_quota()))


def _cpu_quota() -> int:
    """CPUs whose time a container may take, a part of one as a whole; without a quota, more than any machine has."""
    try:
        quota, period = (GROUP / "cpu.max").read_text("ascii").split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # "max": no quota
        return 1 << 16


def available_memory() -> int | None:
    """Bytes that may be taken: what the machine has, or its container where that is less; None where Linux is not."""
    try:
        line = MEMINFO.read_text("ascii").partition("MemAvailable:")[2]
    except OSError:
        return None
    of_machine = int(line.split()[0]) << 10
    of_container = _left_to_container()
    return of_machine if of_container is None else min(of_machine, of_container)


def _left_to_container() -> int | None:
    """What a container may still take, its cached files not counted; None where it has no limit."""
    for limit, used, cached in LIMITS:
        try:
            most = int((GROUP / limit).read_text("ascii"))
            taken = int((GROUP / used).read_text("ascii"))
            stat = (GROUP / limit).with_name("memory.stat").read_text("ascii")
        except (OSError, ValueError):  # "max": no limit
            continue
        counts = dict(line.split() for line in stat.splitlines())
        return max(0, most - taken + int(counts.get(cached, 0)))
    return None
