"""Small files that unpack to gigabytes."""

import gzip
import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def gzip_bomb(first: bytes, repeated: bytes, packed: int) -> bytes:
    """About `packed` bytes of gzip that unpack to `first` and `repeated` again and again; its end is missing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(first) + packer.flush(zlib.Z_FULL_FLUSH)
    text = repeated * ((1 << 18) // len(repeated))
    block = packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (packed // len(block))


def zip_of(name: str, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def list_bombs(folder: Path) -> list[Path]:
    """Lists of ids that would fill the memory, each in another format."""
    wide = 16 << 20
    made = {
        "line.csv.gz": gzip_bomb(b"id\n", b"1" * 1024, 100_000),
        "lines.csv.gz": gzip_bomb(b"id\n", b"x\n", 100_000),
        "quotes.csv.gz": gzip_bomb(b"a,id\n", b'"a\n', 100_000),
        "utf16.txt": "id\n".encode("utf-16") + "1".encode("utf-16-le") * (wide // 2),
        "lists.json.gz": gzip_bomb(b"[", b"[],", 100_000),
        "nested.jsonl": b'{"id":' * 1_000_000,
        "line.zip": zip_of("a.txt", b"1" * (wide * 5)),
        "bz2.zip": zip_of("a.txt", b"1" * wide, zipfile.ZIP_BZIP2),
        "columns.csv": b"," * wide,
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
    return [*(folder / name for name in made), *parquet_bombs(folder)]


def parquet_bombs(folder: Path) -> list[Path]:
    """One long cell on two hundred thousand rows, and a packed column of nothing but one letter."""
    dictionary, packed, inside = (
        folder / "cell.parquet",
        folder / "packed.parquet",
        folder / "inside.parquet.gz",
    )
    long = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(200_000, np.int32)), pa.array(["1" * (2 << 20)])
    )
    pq.write_table(pa.table({"id": long}), dictionary, row_group_size=200_000)
    values = pa.array(["1" * (1 << 20)] * 80)
    pq.write_table(
        pa.table({"id": values}), packed, compression="zstd", use_dictionary=False
    )
    inside.write_bytes(gzip.compress(dictionary.read_bytes()))
    return [dictionary, packed, inside]


def archive_bombs(folder: Path) -> list[Path]:
    """Archives of posts that would fill the memory."""
    made = {
        "line.jsonl.gz": gzip_bomb(b'{"a":"', b"A" * 1024, 100_000),
        "lines.jsonl.gz": gzip_bomb(b"", b"{}\n", 100_000),
        "lists.jsonl.gz": gzip_bomb(b"[", b"[],", 100_000),
        "objects.jsonl": b"[" + b'{"a":{}},' * 1_700_000 + b"1]",
        "indented.json.gz": gzip_bomb(b"{\n", b' "' + b"a" * 200 + b'",\n', 100_000),
        "posts.jsonl": b"["
        + b'{"id":"1","text":""},' * 700_000
        + b'{"id":"1","text":""}]',
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in made]
