"""Every write step of a run, numbered over all its processes; and a strike at one of them (`steps.c`, preloaded)."""

import re
import shutil
import subprocess
import unittest
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("steps.c")


def compiled(folder: Path) -> Path:
    """The library, built in this folder; SkipTest where there is no C compiler."""
    compiler, library = shutil.which("cc") or shutil.which("gcc"), folder / "steps.so"
    if compiler is None:
        raise unittest.SkipTest(
            "no C compiler here to build the counter of write steps"
        )
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True
    )
    return library


@dataclass(frozen=True)
class Steps:
    """The write steps of one run on a working folder."""

    library: Path
    work: Path

    @property
    def _log(self) -> Path:
        return self.work.with_name(self.work.name + ".steps")

    def environment(self, at: int = 0, how: str = "none") -> dict[str, str]:
        """What a run needs to be counted, and struck at step `at`: kill, torn, eio or short."""
        counter = self.work.with_name(self.work.name + ".counter")
        counter.write_bytes(bytes(8))
        self._log.unlink(missing_ok=True)
        found = {
            "FOLDER": f"{self.work}/",
            "LOG": str(self._log),
            "COUNTER": str(counter),
            "AT": str(at),
            "DO": how,
        }
        return {"LD_PRELOAD": str(self.library)} | {
            f"TORTURE_{name}": value for name, value in found.items()
        }

    def names(self) -> dict[int, str]:
        """What each step was: its call and its file, digits left out, as process ids and shard numbers differ."""
        lines = self._log.read_text("utf-8").splitlines() if self._log.exists() else []
        steps = {
            int(number): f"{call} {path}"
            for number, call, path in (line.split(" ", 2) for line in lines)
        }
        return {number: re.sub(r"\d+", "#", steps[number]) for number in sorted(steps)}


def chosen(names: dict[int, str], count: int) -> list[int]:
    """The numbers of so many steps: spread over the first of every name, then the second of each, and so on."""
    seen: Counter[str] = Counter()
    rank = {}
    for number, name in names.items():
        rank[number], seen[name] = seen[name], seen[name] + 1
    first = [number for number in names if rank[number] == 0]
    if count < len(first):
        return [first[(2 * at + 1) * len(first) // (2 * count)] for at in range(count)]
    return sorted(sorted(names, key=lambda number: (rank[number], number))[:count])
