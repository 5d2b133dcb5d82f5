"""Fetching images from a loopback server: `twigma rehydrate` against bare img2dataset, each a process of its own.

Goal: at least 2.5 times img2dataset with skip_reencode at equal features, start-up at most half, files never grow.
Run: `python benchmarks/fetch.py`.
"""

import hashlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from photos import serving, stored, write_photos
from PIL import Image
from versus import Cost, versus

IMAGES, FEW = 1_000, 50  # FEW measure the start-up
SMALL, CONNECTIONS, ROUNDS = 256, 32, 3
OURS = """
import sys; from pathlib import Path; from twigma.rehydrate.images import fetch
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
             **(kind if edge != "0" else {"resize_mode": "no", "skip_reencode": True}))
"""


def run(code: str, folder: Path, url: str, count: int, edge: int) -> Path:
    """Fetch the first `count` images into a new folder with one of the two; the folder."""
    work = Path(tempfile.mkdtemp(dir=folder))
    names = [str(10**18 + number) for number in range(count)]
    urls = [f"https://pbs.twimg.com/media/n{number}.jpg" for number in range(count)]
    pq.write_table(pa.table({"id": names, "image_name": names, "url": urls}), work / "images.parquet")
    asked = [f"{url}/media/n{number}?format=jpg&name=small" for number in range(count)]
    pq.write_table(pa.table({"url": asked}), work / "urls.parquet")
    (script := work / "fetch.py").write_text(code)
    environment = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1", "TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(script), str(work), url, str(edge), str(CONNECTIONS)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return work


def judge(work: Path, hashes: dict[str, str], count: int, edge: int) -> str:
    """Lost and wrong rows: bytes that are not the server's or, where images are shrunk, another size than asked."""
    images = stored(work)
    if edge:
        wrong = sum(max(Image.open(io.BytesIO(data)).size) != edge for data in images.values())
    else:
        wrong = sum(hashlib.sha256(data).hexdigest() != hashes[name] for name, data in images.items())
    return f"{count - len(images)} lost {wrong} wrong {sum(map(len, images.values())) / 1e6:.0f} MB"


def main() -> None:
    """Print the rows, then what an image costs once the processes run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hashes = write_photos(folder / "photos", IMAGES)
        with serving(folder / "photos") as url:
            started = compare(folder, url, hashes, FEW, 0)
            for edge in (0, SMALL):
                report(started, compare(folder, url, hashes, IMAGES, edge))


def compare(folder: Path, url: str, hashes: dict[str, str], count: int, edge: int) -> tuple[Cost, Cost]:
    """Print the row of one setting; the costs of ours and of the peer."""
    what = f"to {edge} px" if edge else "skip_reencode"
    return versus(
        f"fetch {count:,} images, {what} | img2dataset",
        lambda: run(OURS, folder, url, count, edge),
        lambda: run(PEER, folder, url, count, edge),
        rounds=ROUNDS,
        quality=lambda ours, peer: f"{judge(ours, hashes, count, edge)}; peer {judge(peer, hashes, count, edge)}",
    )


def report(started: tuple[Cost, Cost], whole: tuple[Cost, Cost]) -> None:
    """Print images a second and CPU milliseconds an image, the start-up taken off."""
    for who, few, all_ in zip(("ours", "peer"), started, whole, strict=True):
        seconds, cpu = all_.wall - few.wall, all_.cpu - few.cpu
        rate = (IMAGES - FEW) / seconds if seconds > 0 else float("nan")
        print(f"    {who}: {rate:,.0f} images/s, {1000 * cpu / (IMAGES - FEW):.2f} ms CPU an image")


if __name__ == "__main__":
    main()
