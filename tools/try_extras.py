"""Try each extra alone: a new environment with the wheel of this checkout, and every command of the extra in it.

    python tools/try_extras.py                 # all of them, some minutes; downloads what is not in uv's cache
    python tools/try_extras.py rehydrate base  # some; `base` is without an extra

In each environment `twigma COMMAND --help` has to work for every command, and what the commands of the extra import
has to import. `tests/test_packaging.py` asks the same of the source, without installing anything.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASE = "base"
EXTRAS = (BASE, "rehydrate", "models", "analysis", "ray", "all")
# Runs in the new environment, whose name is its argument; a line for every failure.
PROBE = r"""
import ast, importlib, inspect, sys, textwrap
from click.testing import CliRunner
from twigma.cli import main
from twigma.cli.options import EXTRAS

def leaves(group, name=""):
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, f"{name} {word}".strip())
        else:
            yield f"{name} {word}".strip(), command

def modules(command):
    # What the function of a command imports, inside it.
    source = textwrap.dedent(inspect.getsource(command.callback))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield node.module

extra = sys.argv[1]
if extra == "ray":
    import ray
    import twigma.core.pools.ray_pool
for name, command in leaves(main):
    result = CliRunner().invoke(main, [*name.split(), "--help"])
    if result.exit_code != 0:
        print(f"twigma {name} --help: {result.output.strip()}")
    needed = EXTRAS.get(name.split()[0], "base")
    if needed not in (extra, "base") and extra != "all":
        continue
    for module in modules(command):
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(f"twigma {name}: {module}: {error}")
"""


def main() -> int:
    """Try the extras that the command line names; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("extras", nargs="*", metavar="EXTRA", help=", ".join(EXTRAS))
    names = parser.parse_args().extras or EXTRAS
    unknown = set(names) - set(EXTRAS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build_wheel(Path(scratch))
        for name in names:
            started = time.monotonic()
            failures = try_extra(name, wheel, Path(scratch) / name)
            seconds = time.monotonic() - started
            print(f"{name:<10} {'failed' if failures else 'works':<7} {seconds:4.0f} s")
            for line in failures:
                print(f"  {line}")
            failed = failed or bool(failures)
    return int(failed)


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout."""
    run_uv("build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


def try_extra(name: str, wheel: Path, folder: Path) -> list[str]:
    """What does not work with one extra, in an environment of its own that is deleted again."""
    requirement = str(wheel) if name == BASE else f"{wheel}[{name}]"
    python = folder / "bin" / "python"
    run_uv("venv", "--quiet", "--python", sys.executable, str(folder))
    pinned = ["--constraint", str(ROOT / "constraints.txt")]
    where = ["--quiet", "--python", str(python)]
    run_uv("pip", "install", *where, *pinned, requirement)
    # From the folder of the environment: the checkout must not be importable.
    probe = subprocess.run(
        [python, "-c", PROBE, name],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    shutil.rmtree(folder)
    lines = probe.stdout.splitlines()
    if probe.returncode != 0:
        lines.append(probe.stderr.strip().rpartition("\n")[2])
    return lines


def run_uv(*arguments: str) -> None:
    """Run uv; RuntimeError with what it wrote when it fails."""
    done = subprocess.run(
        ["uv", *arguments], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(f"uv {' '.join(arguments)}: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main())
