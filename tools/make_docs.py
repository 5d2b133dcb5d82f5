"""Build the documentation site: `make docs`, into `site/`. It needs no network, and fails on any warning.

    python tools/make_docs.py          # into site/
    python tools/make_docs.py FOLDER   # elsewhere

The pages are put together in a folder that has the shape of the repository, so that a link works here and there: the
README is the home page, the pages of the reference are made from the docstrings (`make_api.py`). Zensical turns them
into HTML.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from make_api import write_pages

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "site"
CONFIG = ROOT / "docs" / "zensical.toml"
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
FOLDERS = ("docs", "benchmarks")
KINDS = (".md", ".png", ".ipynb")
# What the reader of docstrings prints, and does not count as a warning.
COMPLAINT = re.compile(r"^(griffe|mkdocstrings)\b.*", re.MULTILINE)


def main() -> int:
    """Build the site; the exit code."""
    site = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SITE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        assemble(folder / "pages")
        shutil.copy(CONFIG, folder)
        # Where mkdocstrings reads the source, and the extension that it loads.
        (folder / "src").symlink_to(ROOT / "src")
        (folder / "tools").symlink_to(ROOT / "tools")
        problems = build(folder)
        if problems:
            print(problems)
            return 1
        if site.exists():
            shutil.rmtree(site)
        shutil.move(folder / "site", site)
    print(
        f"{site / 'index.html'}; with search: python -m http.server --directory {site}"
    )
    return 0


def assemble(pages: Path) -> None:
    """Copy the pages and their pictures, and write those of the reference."""
    pages.mkdir()
    for name in PAGES:
        shutil.copy(ROOT / name, pages)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in KINDS:
                target = pages / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
    write_pages(pages / "docs" / "api")


def build(folder: Path) -> str:
    """Run Zensical; what is wrong, or nothing."""
    command = [
        Path(sys.executable).with_name("zensical"),
        "build",
        "--strict",
        "--clean",
    ]
    environment = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout + done.stderr
    if done.returncode != 0:
        return printed.partition("Traceback")[0]
    return "\n".join(match[0] for match in COMPLAINT.finditer(printed))


if __name__ == "__main__":
    sys.exit(main())
