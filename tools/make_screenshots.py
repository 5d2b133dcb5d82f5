"""Make the pictures of the documentation from a demo, in a real Chromium.

    make demo
    python tools/make_screenshots.py demo-out   # docs/report.png, explorer.png, labelling.png, tutorial.png

Pictures are stored with 256 colours, so that each stays small. Look at them before they are committed.
"""

import io
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

import twigma
from twigma.analysis.annotation import LabelServer
from twigma.analysis.annotation.draw_sheets import draw_sheets
from twigma.analysis.explorer.page import explore

DOCS = Path(__file__).resolve().parents[1] / "docs"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SECTIONS = ("Fig 1b", "Eq (1)")  # of the report that are shown
# Leaves these sections of the report only, without their tables.
SHOW = """wanted => {
  const seen = new Set()
  for (const section of document.querySelectorAll('section')) {
    const figure = section.querySelector('h2 span')?.textContent
    if (!wanted.includes(figure) || seen.has(figure)) section.remove()
    seen.add(figure)
  }
  for (const folded of document.querySelectorAll('details, table')) folded.remove()
}"""
CELL = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
FIGURE = "my-first-figure.png"


def main() -> int:
    """Make every picture; the exit code."""
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "report").is_dir():
        print("expected the folder of a demo: `make demo`, then this with demo-out")
        return 2
    demo = Path(sys.argv[1]).resolve()
    with browser() as chromium:
        for name, picture in (
            ("report", report),
            ("explorer", explorer),
            ("labelling", labelling),
        ):
            save(DOCS / f"{name}.png", picture(chromium, demo))
    save(DOCS / "tutorial.png", first_figure(demo))
    return 0


@contextmanager
def browser() -> Iterator[Any]:
    """A Chromium without a graphics processor."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


def report(chromium: Any, demo: Path) -> bytes:
    """Two sections of the report."""
    page = chromium.new_page(viewport={"width": 900, "height": 900})
    page.goto((demo / "report" / "index.html").as_uri())
    page.evaluate(SHOW, list(SECTIONS))
    box = page.locator("section").first.bounding_box()
    last = page.locator("section").last.bounding_box()
    height = last["y"] + last["height"] - box["y"]
    clip = {"x": 0, "y": box["y"], "width": 900, "height": min(height, 1500)}
    return bytes(page.screenshot(clip=clip, full_page=True))


def explorer(chromium: Any, demo: Path) -> bytes:
    """The map of the release."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "explore.html"
        explore(demo / "twigma", file)
        page = chromium.new_page(viewport={"width": 1280, "height": 760})
        page.goto(file.as_uri())
        page.wait_for_timeout(3000)
        return bytes(page.screenshot())


def labelling(chromium: Any, demo: Path) -> bytes:
    """The first picture that somebody is asked about."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "labels"
        drawn = {"column": "nsfw_score", "n": 40, "work": demo / "work"}
        draw_sheets(demo / "twigma", folder, **drawn)
        with LabelServer(folder, twigma.open_images(demo / "work")) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            page = chromium.new_page(viewport={"width": 900, "height": 760})
            page.goto(server.url)
            page.fill("#name", "Ada")
            page.press("#name", "Enter")
            page.wait_for_selector("#picture[data-item]")
            page.press("body", "Space")
            page.wait_for_timeout(1500)
            picture = bytes(page.screenshot())
            server.shutdown()
            thread.join()
    return picture


def first_figure(demo: Path) -> bytes:
    """What the cells of the tutorial draw, up to the one that stores it."""
    cells = CELL.findall((DOCS / "tutorial.md").read_text("utf-8"))
    last = next(at for at, cell in enumerate(cells) if FIGURE in cell)
    code = "\n".join(cells[: last + 1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "demo-out").symlink_to(demo)
        command = [sys.executable, "-c", code]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return (folder / FIGURE).read_bytes()


def save(path: Path, data: bytes) -> None:
    """Store a picture with 256 colours."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    picture.quantize(256).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {picture.size}")


if __name__ == "__main__":
    sys.exit(main())
