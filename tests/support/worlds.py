"""A small working folder whose photos a loopback host serves, and what a fetch of it should give."""

import hashlib
import io
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from .servers import Answer, Handler, Host

ROWS = 10  # a shard
PLANTED = {
    3: "http_404",
    4: "http_410",
    5: "not_an_image",
    6: "decode",
    7: "refused",
    8: "noai",
    9: "http_403",
}


def photo(number: int, format: str = "JPEG") -> bytes:
    """A picture that differs with its number."""
    pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC).save(
        buffer, format
    )
    return buffer.getvalue()


def flaky(data: bytes, seconds: int = 1) -> Answer:
    """503 with Retry-After at the first request, the image afterwards."""
    seen: list[float] = []

    def answer(handler: Handler) -> None:
        seen.append(time.monotonic())
        if time.monotonic() < seen[0] + seconds:
            handler.reply(503, b"", Retry_After=str(seconds))
        else:
            handler.reply(200, data)

    return answer


def slow(data: bytes, seconds: float) -> Answer:
    """The image, after a pause."""

    def answer(handler: Handler) -> None:
        time.sleep(seconds)
        handler.reply(200, data)

    return answer


def name(number: int) -> str:
    return str(1_500_000_000_000_000_000 + number)


def populate(work: Path, host: Host, count: int, pause: float = 0.0) -> None:
    """Write the images table for photos 0..count-1, one of them on two posts, and the host's answers."""
    numbers = [*range(count), 0]
    urls = [f"https://pbs.twimg.com/media/n{number}.jpg" for number in numbers]
    if count > 7:
        urls[7] = "http://127.0.0.1:9/internal.jpg"
    ids = [str(10**18 + at) for at in range(len(numbers))]
    table = pa.table(
        {"id": ids, "image_name": [name(number) for number in numbers], "url": urls}
    )
    work.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, work / "images.parquet")
    for number in range(count):
        data = photo(number, "PNG" if number % 7 == 2 else "JPEG")
        host.answers[f"/media/n{number}"] = slow(data, pause) if pause else data
    host.answers["/media/n3"], host.answers["/media/n4"], host.answers["/media/n9"] = (
        404,
        410,
        403,
    )
    host.answers["/media/n5"] = b"<html><body>This page does not exist</body></html>"
    host.answers["/media/n6"] = photo(6)[:1500] + b"\xff\xd9"
    host.answers["/media/n8"] = lambda handler: handler.reply(
        200, photo(8), X_Robots_Tag="noai"
    )
    host.answers["/media/n10"] = flaky(photo(10))


def content(work: Path) -> dict[str, str]:
    """SHA-256 of every tar and of every sidecar's rows: what two equal fetches must agree on."""
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((work / "shards").glob("*.tar"))
    }
    for path in sorted((work / "shards").glob("*.parquet")):
        found[path.name] = hashlib.sha256(
            repr(pq.read_table(path).to_pylist()).encode()
        ).hexdigest()
    return found


def start(work: Path, host: Host) -> subprocess.Popen[bytes]:
    """A fetch in a process of its own."""
    code = (
        "import sys; from pathlib import Path; from twigma.rehydrate.fetch.fetch import fetch; "
        f"fetch(Path(sys.argv[1]), image_base_url=sys.argv[2], rows_per_shard={ROWS}, processes=2, connections=4)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(work), host.url], stderr=subprocess.DEVNULL
    )


def descendants(pid: int) -> list[int]:
    """Process ids below `pid`, from /proc."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, fringe = [], [pid]
    while fringe:
        children = parents.get(fringe.pop(), [])
        found += children
        fringe += children
    return found


def wait_until(condition: object, seconds: float = 60.0) -> None:
    """Wait for a condition, or fail."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False
