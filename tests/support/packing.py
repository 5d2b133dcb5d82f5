"""What packs bytes as each suffix says."""

import bz2
import gzip
import lzma
from collections.abc import Callable

import pyarrow as pa

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}
