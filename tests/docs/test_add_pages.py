"""The pages on adding a figure, a stage and a platform: their code, applied to a copy of the source, runs."""

import contextlib
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import releasing

import twigma

from .pages import ROOT, blocks_of

HOWTO = ROOT / "docs" / "howto"
PACKAGES = ("core", "rehydrate", "dataset", "builder", "analysis", "cli")
COMMAND = "from twigma.cli import main; main()"


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, in which a page may change anything."""
    package = tmp_path / "source" / "twigma"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, package / name, ignore=ignored)
    shutil.copy(ROOT / "twigma.py", package / "__init__.py")
    shutil.copy(ROOT / "dataset_card.md", package)
    return package


def replace_once(path: Path, before: str, after: str) -> None:
    """Exchange a text that must be there once."""
    text = path.read_text("utf-8")
    assert text.count(before) == 1, f"{path.name} does not have this once:\n{before}"
    path.write_text(text.replace(before, after), "utf-8")


def apply_diff(package: Path, diff: str) -> None:
    """Apply a diff of one hunk whose place is found by its lines alone."""
    head, _, hunk = diff.partition("@@\n")
    name = head.splitlines()[1].removeprefix("+++ b/")
    lines = hunk.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    if before:
        replace_once(package / name, before, after)


def follow(name: str, package: Path, folder: Path) -> None:
    """Write and change what the page says, and run the rest of its Python, in its order, as one script."""
    script = ""
    for block in blocks_of(HOWTO / name):
        if block.language == "diff":
            apply_diff(package, block.code)
        elif block.title:
            path = package / block.title
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.code, "utf-8")
        elif block.language == "python":
            script += block.code
    run(package, folder, script)


def run(package: Path, folder: Path, script: str, *words: str, **environment: str):
    """Run Python with the changed copy."""
    ours = {"PYTHONPATH": str(package.parent), "HF_HOME": str(folder / "hf")}
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=folder,
        env=os.environ | ours | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_figure_is_added(copy, here):
    follow("add_figure.md", copy, here)
    assert (here / "replies.png").stat().st_size > 1000
    results = json.loads((here / "report" / "results.json").read_text())
    (share,) = (
        entry for key, entry in results["values"].items() if key.startswith("replies/")
    )
    # Every post of this world has one reply.
    assert share["value"] == 1 and share["n"] == len(releasing.read(here / "twigma"))


def test_a_stage_is_added(copy, here):
    follow("add_stage.md", copy, here)
    table = releasing.read(here / "twigma-with-brightness")
    levels = {row["image_name"]: row["brightness"] for row in table.to_pylist()}
    assert len(levels) == len(releasing.read(here / "twigma"))
    for name, level in levels.items():
        with Image.open(io.BytesIO(releasing.jpeg(name))) as picture:
            expected = np.asarray(picture.convert("RGB")).mean() / 255
        assert level == pytest.approx(expected, abs=0.01)


@contextlib.contextmanager
def photo_host():
    """A host that has a picture of one colour at every address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.end_headers()
            self.wfile.write(releasing.jpeg("123"))

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def status(number, host, **fields):
    """A status with two photos and a video, as the API writes it."""
    media = [
        {"type": "image", "url": f"http://{host}/{number}-{at}.jpg"} for at in (1, 2)
    ]
    return {
        "id": str(number),
        "created_at": "2026-05-01T10:00:00.000Z",
        "content": "<p>A castle &amp; a <b>moat</b></p>",
        "favourites_count": number,
        "replies_count": 0,
        "sensitive": False,
        "account": {"id": "77"},
        "reblog": None,
        "media_attachments": [*media, {"type": "video", "url": "http://x.invalid/v"}],
        **fields,
    }


def test_a_platform_is_added(copy, tmp_path):
    (fetching, _) = blocks_of(HOWTO / "add_platform.md", "sh")[0].code.splitlines()
    words = shlex.split(fetching, comments=True)[1:]
    with photo_host() as host:
        statuses = [status(n, host) for n in range(3)]
        statuses.append(status(9, host, reblog=status(0, host)))
        lines = "\n".join(json.dumps(each) for each in statuses)
        (tmp_path / "statuses.jsonl").write_text(lines)
        follow("add_platform.md", copy, tmp_path)
        run(copy, tmp_path, COMMAND, *words, TWIGMA_ALLOW_HOSTS=host)
    assert len(twigma.open_images(tmp_path / "mastodon")) == 6
    rows = pq.read_table(tmp_path / "mastodon" / "images.parquet").to_pylist()
    assert sorted(row["like_count"] for row in rows) == [0, 0, 1, 1, 2, 2]
    assert {row["text"] for row in rows} == {"A castle & a moat"}


def test_a_line_that_is_no_status_is_refused_with_its_number(copy, tmp_path):
    (tmp_path / "statuses.jsonl").write_text('{"id": "1"}\n')
    with pytest.raises(AssertionError, match="line 1: expected a status of Mastodon"):
        follow("add_platform.md", copy, tmp_path)
