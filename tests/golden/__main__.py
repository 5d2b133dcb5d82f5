"""Compare what the demo makes now with the golden files; write them again, on purpose, with --update.

python -m tests.golden            # the differences
python -m tests.golden --update   # then review `git diff tests/golden`
"""

import argparse
import sys
import tempfile
from pathlib import Path

from .canonical import canonical
from .compare import difference, settle
from .run import run_demo

FOLDER = Path(__file__).parent


def main() -> None:
    """Run the demo, print what differs, and with --update write it; exit 1 when something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument(
        "--update",
        action="store_true",
        help="write tests/golden/ from what the demo makes now",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="where a demo is or goes  [default: a folder that is deleted]",
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = _made(args.out or Path(folder) / "demo-out")
    differences = {name: _difference(name, text) for name, text in found.items()}
    for name, lines in differences.items():
        if lines:
            print(lines)
            if args.update:
                (FOLDER / name).write_text(_settled(name, found[name]), "utf-8")
    sys.exit(any(differences.values()) and not args.update)


def _made(out: Path) -> dict[str, str]:
    done = run_demo(out)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return canonical(out, done.stdout)


def _difference(name: str, text: str) -> str:
    return difference(_golden(name), text, name)


def _settled(name: str, text: str) -> str:
    """What is new, without the last digits that another kind of CPU would write back."""
    lines = settle(_golden(name).splitlines(), text.splitlines())
    return "\n".join(lines) + "\n"


def _golden(name: str) -> str:
    path = FOLDER / name
    return path.read_text("utf-8") if path.exists() else ""


if __name__ == "__main__":
    main()
