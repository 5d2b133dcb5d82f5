"""What one command costs in a process of its own: seconds, CPU seconds, and the most memory that no file stands behind.

Pages of mapped files do not count: the system takes them back where memory is short. Alone it does nothing.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

EVERY = 0.05  # seconds between looks at the memory
COMMAND = "from twigma.cli import main; main()"


class Cost(NamedTuple):
    """Wall and CPU seconds, the largest anonymous memory in GB, and the exit code."""

    wall: float
    cpu: float
    memory: float
    code: int


def cost_of(words: Sequence[str], log: Path) -> Cost:
    """The cost of `twigma WORDS`; what it prints goes to `log`."""
    return _cost([sys.executable, "-c", COMMAND, *words], log)


def cost_of_python(code: str, log: Path) -> Cost:
    """The cost of some Python."""
    return _cost([sys.executable, "-c", code], log)


def _cost(command: Sequence[str], log: Path) -> Cost:
    start, most = time.perf_counter(), 0.0
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            most = max(most, _of_tree(process.pid))
            time.sleep(EVERY)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    return Cost(wall, usage.ru_utime + usage.ru_stime, most, process.returncode)


def _of_tree(pid: int) -> float:
    """GB of a process and of its children that no file stands behind."""
    return sum(anonymous(str(one)) for one in [pid, *_children(pid)])


def anonymous(process: str) -> float:
    """GB of a process, by its number or "self", that no file stands behind; 0 where it has ended."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
        return float(text.partition("RssAnon:")[2].split()[0]) / 2**20
    except (OSError, IndexError):
        return 0.0


def _children(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in map(int, listed.read_text().split()):
                found += [child, *_children(child)]
        except OSError:
            continue
    return found


if __name__ == "__main__":
    pass
