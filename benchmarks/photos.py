"""JPEGs, a server on 127.0.0.1 that gives them, and what a fetch stored of them; `fetch.py` uses it."""

import contextlib
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE, QUALITY = 680, 85  # square, as most generators draw, and as large as Twitter's `small`
SMOOTHNESS = 1.5  # amplitude falls with frequency to this power, which makes about 85 KB each
PICTURES = 50  # with pixels of their own; the others differ from these in a comment
JFIF_END = 20  # of the start mark and the first segment
SERVER = """
import sys; from pathlib import Path; from aiohttp import web
files = {path.stem: path.read_bytes() for path in Path(sys.argv[1]).glob("*.jpg")}
async def answer(request):
    return web.Response(body=files[request.match_info["name"]], content_type="image/jpeg")
app = web.Application(); app.router.add_get("/media/{name}", answer)
web.run_app(app, host="127.0.0.1", port=0, access_log=None, print=lambda text: print(text, flush=True))
"""


def write_photos(folder: Path, count: int) -> dict[str, str]:
    """Write n0.jpg, n1.jpg ..., all different, to a new folder; the SHA-256 of each by its name."""
    folder.mkdir()
    pictures = [_picture(number) for number in range(PICTURES)]
    found = {}
    for number in range(count):
        picture, comment = pictures[number % PICTURES], b"\xff\xfe\x00\x0a" + f"{number:08}".encode()
        data = picture[:JFIF_END] + comment + picture[JFIF_END:]
        (folder / f"n{number}.jpg").write_bytes(data)
        found[f"n{number}"] = hashlib.sha256(data).hexdigest()
    return found


def _picture(number: int) -> bytes:
    """Detail of every size, less of the fine than of the coarse, and channels that mostly agree, as in photographs."""
    rng = np.random.default_rng(number)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    frequency[0, 0] = np.inf
    noise = rng.normal(size=(3, *frequency.shape, 2)) @ np.array([1, 1j])
    luma, red, blue = np.fft.irfft2(noise / frequency**SMOOTHNESS, (SIDE, SIDE), axes=(1, 2))
    pixels = np.stack([luma + 0.3 * red, luma, luma + 0.3 * blue], axis=-1)
    pixels = 128 + 50 * pixels / pixels.std()
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the photos of a folder as URL/media/NAME from a process of its own; the URL."""
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()  # ======== Running on http://127.0.0.1:12345 ========
        yield line.split()[3]
    finally:
        server.terminate()
        server.wait()


def stored(work: Path) -> dict[str, bytes]:
    """The images of a fetch by the name in their URL, read from the tars."""
    found: dict[str, bytes] = {}
    for path in (work / "shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            files: dict[str, Any] = {member.name: tar.extractfile(member) for member in tar}
            for name in [name for name in files if name.endswith(".json")]:
                url = json.loads(files[name].read())["url"]
                if (image := files.get(f"{Path(name).stem}.jpg")) is not None:
                    found[Path(url.partition("?")[0]).stem] = image.read()
    return found


if __name__ == "__main__":
    pass
