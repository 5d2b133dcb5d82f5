"""A real headless Chromium without a graphics processor, for tests of pages."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-software-rasterizer",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Width in pixels and colour scheme: each of both is there; `-m slow` has the other two.
LOOKS = [
    (1440, "light"),
    (360, "dark"),
    pytest.param(360, "light", marks=pytest.mark.slow),
    pytest.param(1440, "dark", marks=pytest.mark.slow),
]


@dataclass
class Tab:
    """A page of the browser, what it printed, and what it asked for."""

    page: Any
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def started() -> Iterator[Any]:
    """A browser; skips the test where there is no Chromium. One at a time in a process."""
    sync_api = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium on this machine: install one to run this test")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Any,
    address: str,
    width: int = 1440,
    height: int = 900,
    scheme: str = "light",
) -> Iterator[Tab]:
    """A page of its own."""
    viewport = {"width": width, "height": height}
    page = browser.new_page(viewport=viewport, color_scheme=scheme)
    tab = Tab(page)
    page.on("console", lambda message: tab.messages.append(message.text))
    page.on("pageerror", lambda error: tab.messages.append(str(error)))
    page.on("dialog", lambda dialog: tab.messages.append(dialog.message))
    page.on("request", lambda request: tab.requests.append(request.url))
    page.goto(address)
    yield tab
    page.close()


def wait_for(page: Any, script: str, seconds: float = 60.0) -> None:
    """Wait until a script is true: `wait_for_function` is forbidden by a strict content security policy."""
    end = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < end, f"waited in vain for {script}"
        page.wait_for_timeout(20)


def violations(page: Any) -> list[str]:
    """What the accessibility rules of axe-core find wrong, with the first element of each."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    found = page.evaluate("axe.run().then(result => result.violations)")
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]
