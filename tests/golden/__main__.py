"""Compare what the demo makes now with the golden files; write them again, on purpose, with --update.

python -m tests.golden            # the differences
python -m tests.golden --update   # then review `git diff tests/golden`
"""

import argparse
import sys
import tempfile
from pathlib import Path

from .canonical import canonical
from .compare import difference
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
                (FOLDER / name).write_text(found[name], "utf-8")
    sys.exit(any(differences.values()) and not args.update)


def _made(out: Path) -> dict[str, str]:
    done = run_demo(out)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return canonical(out, done.stdout)


def _difference(name: str, text: str) -> str:
    path = FOLDER / name
    golden = path.read_text("utf-8") if path.exists() else ""
    return difference(golden, text, name)


if __name__ == "__main__":
    main()
