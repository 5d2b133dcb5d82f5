"""Commands run in a process of their own whose memory is limited and measured."""

import resource
import subprocess
import sys
from typing import NamedTuple

MB = 1 << 20
MEASURED = """
import re, sys
from pathlib import Path
from click.testing import CliRunner
from twigma.cli import main
for line in sys.stdin.read().splitlines():
    result = CliRunner().invoke(main, line.split("\\t"))
    last = result.output.strip().splitlines()[-1:] or [""]
    print("run", result.exit_code, last[0], sep="\\t")
    if result.exception and not isinstance(result.exception, SystemExit):
        print("run", "traceback", repr(result.exception)[:300], sep="\\t")
print("peak", int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024, sep="\\t")
"""


class Ran(NamedTuple):
    """What commands came to: (exit code or `traceback`, last line) of each, and the most memory held, in MB."""

    results: list[tuple[str, str]]
    peak: int


def run_commands(commands: list[list[str]], limit: int = 1024 * MB) -> Ran:
    """Run `twigma` with each of these arguments, one after the other, in one process that may ask for `limit` bytes."""
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED],
        input="\n".join("\t".join(arguments) for arguments in commands),
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )
    lines = [line.split("\t") for line in ran.stdout.splitlines()]
    peaks = [int(line[1]) for line in lines if line[0] == "peak"]
    assert peaks, ran.stdout[-2000:] + ran.stderr[-2000:]
    return Ran([(line[1], line[2]) for line in lines if line[0] == "run"], peaks[0])
