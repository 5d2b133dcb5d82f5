"""JPEGs, a server on 127.0.0.1 that gives them, and what a fetch stored of them; alone it does nothing."""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

SIDE, QUALITY = (
    680,
    85,
)  # square, as most generators draw, and as large as Twitter's `small`
ORIENTATION = 0x0112  # the EXIF tag
SMOOTHNESS = (
    1.5  # amplitude falls with frequency to this power, which makes about 85 KB each
)
PICTURES = 50  # with pixels of their own; the others differ from these in a comment
JFIF_END = 20  # of the start mark and the first segment
TICK = os.sysconf("SC_CLK_TCK")
SERVER = """
import os, sys, time
from pathlib import Path
from aiohttp import web
from benchmarks.harness.photos import cpu_below

files, first, asked = {path.stem: path.read_bytes() for path in Path(sys.argv[1]).iterdir()}, {}, {}

async def answer(request):
    if not first:
        first.update(cpu=cpu_below(os.getppid(), os.getpid()), at=time.monotonic())
    name = request.match_info["name"].partition(".")[0]
    if name.startswith("busy") and time.monotonic() < asked.setdefault(name, time.monotonic()) + 1:
        return web.Response(status=503, headers={"Retry-After": "1"})
    return web.Response(body=files[name], content_type="image/jpeg")

async def tell(request):
    told = dict(first)
    first.clear(), asked.clear()
    return web.json_response(told)

app = web.Application()
app.router.add_get("/media/{name}", answer)
app.router.add_get("/first", tell)
web.run_app(app, host="127.0.0.1", port=0, access_log=None, print=lambda text: print(text, flush=True))
"""


def cpu_below(pid: int, without: int) -> float:
    """CPU seconds of the processes below `pid` and of those they waited for, but for one; from /proc."""
    parents, spent = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
            spent[int(path.parent.name)] = sum(map(int, fields[11:15])) / TICK
    below: list[int] = []
    fringe = {pid}
    while fringe:
        fringe = {
            child
            for child, parent in parents.items()
            if parent in fringe and child != without
        }
        below += fringe
    return sum(spent[child] for child in below)


def write_photos(folder: Path, count: int) -> dict[str, str]:
    """Write n0.jpg, n1.jpg ..., all different, to a new folder; the SHA-256 of each by its name."""
    folder.mkdir()
    pictures = [_picture(number) for number in range(PICTURES)]
    found = {}
    for number in range(count):
        picture, comment = (
            pictures[number % PICTURES],
            b"\xff\xfe\x00\x0a" + f"{number:08}".encode(),
        )
        data = picture[:JFIF_END] + comment + picture[JFIF_END:]
        (folder / f"n{number}.jpg").write_bytes(data)
        found[f"n{number}"] = hashlib.sha256(data).hexdigest()
    return found


def jpegs(count: int, width: int = SIDE, height: int = SIDE) -> list[bytes]:
    """Photos of one size; at most `PICTURES` of them differ."""
    pictures = [
        _picture(number, width, height) for number in range(min(count, PICTURES))
    ]
    return [pictures[number % PICTURES] for number in range(count)]


def write_tars(folder: Path, images: int, per_tar: int, side: int) -> list[Path]:
    """Tars of square photos as NUMBER.jpg, so many a tar."""
    files, paths = jpegs(images, side, side), []
    for first in range(0, images, per_tar):
        paths.append(folder / f"{first // per_tar:05}.tar")
        with tarfile.open(paths[-1], "w") as tar:
            for number in range(first, min(first + per_tar, images)):
                member = tarfile.TarInfo(f"{number:09}.jpg")
                member.size = len(files[number])
                tar.addfile(member, io.BytesIO(files[number]))
    return paths


def _picture(number: int, width: int = SIDE, height: int = SIDE) -> bytes:
    """Detail of every size, less of the fine than of the coarse, and channels that mostly agree, as in photographs."""
    rng = np.random.default_rng(number)
    down, across = np.fft.fftfreq(height), np.fft.rfftfreq(width)
    frequency = np.hypot(down[:, None], across[None])
    frequency[0, 0] = np.inf
    normal = rng.normal(size=(3, *frequency.shape, 2))
    noise = normal @ np.array([1, 1j])
    luma, red, blue = np.fft.irfft2(
        noise / frequency**SMOOTHNESS, (height, width), axes=(1, 2)
    )
    pixels = np.stack([luma + 0.3 * red, luma, luma + 0.3 * blue], axis=-1)
    pixels = 128 + 50 * pixels / pixels.std()
    return _encoded(
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), "JPEG", quality=QUALITY
    )


def write_tricky(folder: Path, each: int) -> dict[str, Image.Image | None]:
    """Write images that are easily lost or spoilt to a new folder; by name what should be stored, None for nothing."""
    folder.mkdir()
    wanted: dict[str, Image.Image | None] = {}
    for number in range(each):
        whole = _picture(number)
        image = Image.open(io.BytesIO(whole))
        exif = Image.Exif()
        exif[ORIENTATION] = 2 + number % 7
        turned = _encoded(image, "JPEG", exif=exif)
        deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
        for kind, data, right in (
            ("plain", whole, image),
            ("turned", turned, _upright(turned)),
            ("deep", _encoded(deep, "PNG"), image.convert("L")),
            ("half", whole[: len(whole) // 2] + b"\xff\xd9", None),
            ("page", b"<html><body>This image is no longer here</body></html>", None),
            ("busy", whole, image),
            ("über all", whole, image),
        ):
            name = f"{kind}{number}"
            (folder / f"{name}.jpg").write_bytes(data)
            wanted[name] = right
    return wanted


def _upright(data: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data)))


def _encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the photos of a folder as URL/media/NAME from a process of its own; the URL.

    URL/first tells when the first of them was asked for since that was last read, and what CPU time the processes
    below this one had taken until then: their start-up.
    """
    command = [sys.executable, "-c", SERVER, str(folder)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert server.stdout is not None
        line = (
            server.stdout.readline()
        )  # ======== Running on http://127.0.0.1:12345 ========
        yield line.split()[3]
    finally:
        server.terminate()
        server.wait()


def stored(work: Path) -> dict[str, bytes]:
    """The images of a fetch by the name in their URL, read from the tars."""
    found: dict[str, bytes] = {}
    for path in (work / "shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        for name, data in files.items():
            if not name.endswith(".json"):
                url = json.loads(files[f"{Path(name).stem}.json"])["url"]
                found[Path(url.partition("?")[0]).stem] = data
    return found


if __name__ == "__main__":
    pass
