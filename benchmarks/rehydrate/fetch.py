"""Fetching images from a loopback server: `twigma rehydrate` against bare img2dataset, each a process of its own.

Goal: at least 2.5 times img2dataset with skip_reencode at equal features, start-up at most half, files never grow.
Run: `python -m benchmarks.rehydrate.fetch`.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from benchmarks.harness.interleaved import versus
from benchmarks.harness.photos import serving, stored, write_photos, write_tricky

IMAGES, TRICKY = 2_000, 10  # TRICKY of each kind
SMALL, CONNECTIONS, ROUNDS = 256, 32, 3
CLOSE = 3  # gray levels a stored pixel may be off where the bytes had to change
OURS = """
import sys; from pathlib import Path; from twigma.rehydrate.fetch.fetch import fetch
fetch(Path(sys.argv[1]), image_base_url=sys.argv[2], image_size=int(sys.argv[3]) or None, processes=1,
      connections=int(sys.argv[4]))
"""
PEER = """
import sys; from img2dataset import download
if __name__ == "__main__":
    work, _, edge, connections = sys.argv[1:]
    kind = {"image_size": int(edge), "resize_mode": "keep_ratio_largest", "resize_only_if_bigger": True}
    download(work + "/urls.parquet", input_format="parquet", url_col="url", output_folder=work + "/shards",
             output_format="webdataset", processes_count=1, thread_count=int(connections), retries=3,
             number_sample_per_shard=1000, **(kind if edge != "0" else {"resize_mode": "no", "skip_reencode": True}))
"""


@dataclass(frozen=True)
class Run:
    """One fetch: its folder; seconds and CPU seconds until its first request, and from there to its end."""

    work: Path
    start_wall: float
    start_cpu: float
    wall: float
    cpu: float


def run(code: str, folder: Path, url: str, names: Sequence[str], edge: int) -> Run:
    """Fetch images by name into a new folder with one of the two."""
    work = Path(tempfile.mkdtemp(dir=folder))
    ids = [str(10**18 + number) for number in range(len(names))]
    urls = [f"https://pbs.twimg.com/media/{name}.jpg" for name in names]
    pq.write_table(
        pa.table({"id": ids, "image_name": ids, "url": urls}), work / "images.parquet"
    )
    asked = [f"{url}/media/{name}.jpg?format=jpg&name=small" for name in names]
    pq.write_table(pa.table({"url": asked}), work / "urls.parquet")
    script = work / "fetch.py"
    script.write_text(code)
    environment = os.environ | {
        "NO_ALBUMENTATIONS_UPDATE": "1",
        "TQDM_DISABLE": "1",
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, str(script), str(work), url, str(edge), str(CONNECTIONS)]
    before, start = os.times(), time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after, end = os.times(), time.monotonic()
    with urllib.request.urlopen(f"{url}/first") as answer:
        first = json.load(answer)
    cpu = (
        after.children_user
        + after.children_system
        - before.children_user
        - before.children_system
    )
    return Run(
        work, first["at"] - start, first["cpu"], end - first["at"], cpu - first["cpu"]
    )


def main() -> None:
    """Print a row for each setting, with what an image costs once the processes run; then the tricky images."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hashes = write_photos(folder / "photos", IMAGES)
        with serving(folder / "photos") as url:
            for edge in (0, SMALL):
                judged = partial(judge, hashes=hashes, edge=edge)
                compare(folder, url, list(hashes), edge, judged)
        wanted = write_tricky(folder / "tricky", TRICKY)
        with serving(folder / "tricky") as url:
            compare(
                folder, url, list(wanted), 0, lambda work: judge_tricky(work, wanted)
            )


def compare(
    folder: Path,
    url: str,
    names: Sequence[str],
    edge: int,
    judge: Callable[[Path], str],
) -> None:
    """Print the row of one setting, then start-up, rate and CPU time an image of ours and of the peer."""
    runs: dict[str, list[Run]] = {OURS: [], PEER: []}

    def fetch(code: str) -> Run:
        runs[code].append(run(code, folder, url, names, edge))
        return runs[code][-1]

    what = f"to {edge} px" if edge else "skip_reencode"
    rounds = ROUNDS if len(names) == IMAGES else 1
    versus(
        f"fetch {len(names):,} images, {what} | img2dataset",
        lambda: fetch(OURS),
        lambda: fetch(PEER),
        rounds=rounds,
        quality=lambda ours, peer: f"{judge(ours.work)}; peer {judge(peer.work)}",
    )
    if rounds > 1:
        report(runs[OURS], runs[PEER], len(names))


def report(ours: Sequence[Run], peer: Sequence[Run], count: int) -> None:
    """Print the start-up, until the first request, and the rest; ratios are medians over rounds of peer / ours."""

    def line(what: str, measure: Callable[[Run], float], unit: str) -> None:
        ratio = median(
            measure(theirs) / measure(mine)
            for mine, theirs in zip(ours, peer, strict=True)
        )
        values = [median(map(measure, runs)) for runs in (ours, peer)]
        print(
            f"    {what}: ours {values[0]:.2f} {unit}, peer {values[1]:.2f} {unit}, ratio {ratio:.2f}",
            flush=True,
        )

    line("start-up, wall", lambda run: run.start_wall, "s")
    line("start-up, CPU", lambda run: run.start_cpu, "s")
    line("an image, wall", lambda run: 1000 * run.wall / count, "ms")
    line("an image, CPU", lambda run: 1000 * run.cpu / count, "ms")


def judge(work: Path, hashes: dict[str, str], edge: int) -> str:
    """Lost and wrong rows: bytes that are not the server's or, where images are shrunk, another size than asked."""
    images = stored(work)
    if edge:
        wrong = sum(
            max(Image.open(io.BytesIO(data)).size) != edge for data in images.values()
        )
    else:
        wrong = sum(
            hashlib.sha256(data).hexdigest() != hashes[name]
            for name, data in images.items()
        )
    return f"{len(hashes) - len(images)} lost {wrong} wrong {sum(map(len, images.values())) / 1e6:.0f} MB"


def judge_tricky(work: Path, wanted: dict[str, Image.Image | None]) -> str:
    """Lost: good images that are not stored. Wrong: broken ones that are, and pixels that are not the image's."""
    images = stored(work)
    lost = sum(
        image is not None and name not in images for name, image in wanted.items()
    )
    wrong = [
        name.rstrip("0123456789")
        for name, data in images.items()
        if not is_right(data, wanted[name])
    ]
    kinds = ", ".join(sorted(set(wrong)))
    return f"{lost} lost {len(wrong)} wrong" + (f" ({kinds})" if kinds else "")


def is_right(data: bytes, wanted: Image.Image | None) -> bool:
    """Whether stored bytes give the pixels wanted to a reader that turns them as EXIF says."""
    found = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if wanted is None or found.size != wanted.size:
        return False
    pixels = [np.asarray(image.convert("RGB")).astype(int) for image in (found, wanted)]
    return bool(np.abs(pixels[0] - pixels[1]).max() <= CLOSE)


if __name__ == "__main__":
    main()
