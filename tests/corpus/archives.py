"""Import any folder of archives, and compare the photos with those that a small reader of its own finds in it.

The reader knows no format: it walks the JSON of every line, and takes each photo of X that is written with an id and a
URL of its own (`media_key` or `id_str`). It unpacks gzip, bzip2 and xz with the standard library alone.

    python -m tests.corpus.archives FOLDER

Prints how many photos either has found, and those that only one has; exit code 1 where they differ.
"""

import base64
import binascii
import bz2
import gzip
import json
import lzma
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from twigma.rehydrate.sources.archives.import_archives import import_archives

URL = re.compile(r"https://pbs[.]twimg[.]com/media/([\w-]{11})[\w-]{4}")
OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
ENDINGS = (".json", ".jsonl", ".ndjson")


def media_of(value: Any) -> Iterator[tuple[str, str]]:
    """(media id, type) of every object anywhere in a JSON value whose URL spells the id beside it."""
    if isinstance(value, list):
        for item in value:
            yield from media_of(item)
    elif isinstance(value, dict):
        name = _media_id(value)
        if name:
            yield name, str(value.get("type"))
        for item in value.values():
            yield from media_of(item)


def _media_id(value: dict[str, Any]) -> str | None:
    key = str(value.get("media_key") or value.get("id_str")).rpartition("_")[2]
    url = URL.match(str(value.get("media_url_https") or value.get("url")))
    try:
        spelt = base64.urlsafe_b64decode(url[1] + "=") if url else b""
    except binascii.Error:
        return None
    return key if spelt and str(int.from_bytes(spelt, "big")) == key else None


def values_of(text: str) -> Iterator[Any]:
    """A file as one JSON value, or else the lines of it that are JSON."""
    try:
        yield json.loads(text)
        return
    except ValueError:
        pass
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def read_folder(folder: Path) -> set[str]:
    """The media ids of every photo that the files of a folder name."""
    media: set[tuple[str, str]] = set()
    for path in sorted(folder.rglob("*")):
        opener = OPENERS.get(path.suffix)
        kind = Path(path.stem).suffix if opener else path.suffix
        if kind not in ENDINGS or not path.is_file():
            continue
        with (opener or open)(path, "rt", encoding="utf-8") as file:
            text = file.read()
        for value in values_of(text):
            media.update(media_of(value))
    # API v1.1 calls the still of a video a photo in one place, and a video in another.
    others = {name for name, kind in media if kind != "photo"}
    return {name for name, kind in media if kind == "photo"} - others


def compare(folder: Path, work: Path) -> tuple[set[str], set[str]]:
    """(photos that the import has, photos that the small reader has), by media id."""
    result = import_archives(work, [folder])
    for reason in result.failures.values():
        print(reason)
    table = pq.read_table(work / "images.parquet", columns=["image_name"])
    return set(table["image_name"].to_pylist()), read_folder(folder)


def main() -> None:
    """Compare the folder that the command line names."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.corpus.archives FOLDER")
    with tempfile.TemporaryDirectory() as work:
        imported, expected = compare(Path(sys.argv[1]), Path(work))
    print(f"{len(imported):,} photos imported, {len(expected):,} in the archives")
    for what, names in (
        ("not imported", expected - imported),
        ("not found by the small reader", imported - expected),
    ):
        for name in sorted(names):
            print(f"{what}: {name}")
    if imported != expected:
        sys.exit(1)


if __name__ == "__main__":
    main()
