"""Compare what `twigma add` takes of a folder of any images with what Pillow and headless Chromium show.

    python -m tests.corpus.images FOLDER

No file that both show may be refused, but for its size or because pixels of it are missing; nothing may crash; and what
is taken has the pixels that Pillow shows. Exit code 1 when one of these does not hold. Without Chromium, Pillow alone
counts.
"""

import argparse
import http.server
import io
import os
import shutil
import sys
import threading
import urllib.parse
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from twigma.rehydrate.images.decode import open_image
from twigma.rehydrate.images.image_headers import BadImage
from twigma.rehydrate.sources.pictures.convert import stored_form
from twigma.rehydrate.sources.pictures.kinds import HEAD, kind_of

MOST_GREY_LEVELS = 4  # two decoders of JPEG differ so much
# Refusals that the other two do not make: they show grey, or the first part, in place of what is missing.
PIXELS_ARE_MISSING = ("jpg is damaged or cut short", "its last scans are missing")
BATCH = 50  # pictures that one page of the browser loads
# Resolves to what the browser shows of each address: its width, or 0 for none.
LOAD = """
urls => Promise.all(urls.map(async url => {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return image.naturalWidth;
  } catch {
    return 0;
  }
}))
"""


@dataclass
class Verdict:
    """What became of one file: why we refuse it (None if taken), who else shows it, and how far our pixels are off."""

    path: Path
    status: str | None
    reason: str | None
    pillow: bool
    browser: bool = True
    grey_levels: int = 0

    @property
    def is_wrongly_refused(self) -> bool:
        """Whether both others show a file that we refuse for anything but its size or missing pixels."""
        if self.reason is None or not (self.pillow and self.browser):
            return False
        is_cut = any(text in self.reason for text in PIXELS_ARE_MISSING)
        return self.status not in ("too_large", "crash") and not is_cut


def examine(path: Path) -> Verdict:
    """What we and Pillow make of one file."""
    data = path.read_bytes()
    pillow = _pillow(data)
    try:
        kind = kind_of(data[:HEAD])
        stored, _, _ = stored_form(data)
        pixels = np.asarray(open_image(stored))
    except BadImage as error:
        return Verdict(path, error.status, str(error), pillow is not None)
    except Exception as error:
        return Verdict(path, "crash", repr(error), pillow is not None)
    verdict = Verdict(path, None, kind, pillow is not None)
    verdict.reason = None
    if pillow is not None and pillow.shape == pixels.shape:
        difference = np.abs(pixels.astype(int) - pillow)
        verdict.grey_levels = int(difference.max(initial=0))
    return verdict


def _pillow(data: bytes) -> np.ndarray | None:
    """The pixels that Pillow shows, upright and as RGB; None where it shows none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data))
            image.load()
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):
                scaled = np.asarray(image).clip(0, 65535) >> 8
                image = Image.fromarray(scaled.astype(np.uint8))
            if image.mode in ("P", "PA", "LA", "RGBA"):
                image = image.convert("RGBA")
            return np.asarray(image.convert("RGB")).astype(int)
    except Exception:
        return None


# ------------------------------------------------------------------ the browser


class _Quiet(http.server.SimpleHTTPRequestHandler):
    # A browser tells a picture by its bytes, but shows an SVG only by its type.
    extensions_map = {"": "image/unknown", ".svg": "image/svg+xml"}  # noqa: RUF012

    def log_message(self, *_: object) -> None:
        return None


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        return None  # the browser hangs up once it knows that a file is no picture


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(folder))
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def browser_path() -> str | None:
    """Where Chromium is; None without one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def shown_by_browser(folder: Path, paths: list[Path]) -> list[bool]:
    """Which of these files below `folder` headless Chromium shows as a picture."""
    from playwright.sync_api import sync_playwright

    shown: list[bool] = []
    with _served(folder) as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser_path(), args=["--no-sandbox"]
        )
        for start in range(0, len(paths), BATCH):
            names = [str(path.relative_to(folder)) for path in paths[start:][:BATCH]]
            urls = [f"{url}/{urllib.parse.quote(name)}" for name in names]
            page = chromium.new_page()
            page.goto(f"{url}/no-such-page")
            widths: list[Any] = page.evaluate(LOAD, urls)
            shown += [width > 0 for width in widths]
            page.close()
        chromium.close()
    return shown


# ------------------------------------------------------------------ the report


def compare(folder: Path) -> list[Verdict]:
    """One verdict per file of a folder, by path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    verdicts = [examine(path) for path in paths]
    if browser_path() is not None:
        shown = shown_by_browser(folder, paths)
        for verdict, browser in zip(verdicts, shown, strict=True):
            verdict.browser = browser
    return verdicts


def report(verdicts: list[Verdict]) -> tuple[list[str], bool]:
    """The lines to print, and whether all is well."""
    taken = [each for each in verdicts if each.reason is None]
    both = [each for each in verdicts if each.pillow and each.browser]
    wrong = [each for each in verdicts if each.is_wrongly_refused]
    crashed = [each for each in verdicts if each.status == "crash"]
    off = [each for each in taken if each.grey_levels > MOST_GREY_LEVELS]
    refused = [each for each in both if each.reason is not None]
    lines = [
        f"{len(verdicts):,} files; taken: {len(taken):,}; shown by Pillow: "
        f"{sum(each.pillow for each in verdicts):,}, by Chromium: {sum(each.browser for each in verdicts):,}, "
        f"by both: {len(both):,}",
        f"shown by both and refused: {len(refused):,}, of which {len(wrong):,} without a reason in the picture; "
        f"crashes: {len(crashed):,}; other pixels than Pillow's: {len(off):,}",
    ]
    for title, group in (("refused", refused), ("crash", crashed)):
        for each in group:
            lines.append(f"  {title}: {each.path}: {each.reason}")
    for each in off:
        lines.append(f"  pixels: {each.path}: {each.grey_levels} grey levels off")
    reasons = Counter(each.status for each in verdicts if each.reason is not None)
    counts = ", ".join(f"{status} {count:,}" for status, count in reasons.most_common())
    lines.append(f"refusals by class: {counts}")
    return lines, not (wrong or crashed or off)


def main() -> None:
    """Print the comparison of a folder; exit code 1 where it does not hold."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.corpus.images", description=__doc__
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    lines, is_well = report(compare(folder))
    print(*lines, sep=os.linesep)
    sys.exit(not is_well)


if __name__ == "__main__":
    main()
