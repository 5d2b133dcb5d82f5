"""JPEGs whose harmless oddities hide that they are cut, or how large they are, through the real fetch (row 38)."""

import io
import itertools
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from ..support.servers import Answer
from ..support.worlds import photo
from .bombs import saved
from .hostile_images import encoded, measured, served
from .table import Measured, row

EOI = b"\xff\xd9"
PARTS = (0.25, 1 / 3, 0.7, 0.95)


@row(
    38,
    "cut JPEGs with stray bytes, hidden sizes",
    "only whole ones, within ±3",
    quick=1,
    default=5,
    long=200,
)
def cut_images(count: int, folder: Path) -> Measured:
    bodies: dict[str, bytes | Answer] = {}
    wanted: dict[str, np.ndarray] = {}
    for turn in range(count):
        for name, (data, pixels) in _whole(turn).items():
            bodies[f"whole-{name}-{turn}"], wanted[f"whole-{name}-{turn}"] = (
                data,
                pixels,
            )
        bodies |= {
            f"bad-{name}-{turn}": data
            for name, data in {**_cut(turn), **_hidden()}.items()
        }
    run, left = served(folder, bodies)
    inside = [name for name in left.members if name not in wanted]
    far = [
        name
        for name in wanted
        if name not in left.members or _off_by(left.members[name], wanted[name]) > 3
    ]
    figures = f"{len(inside)} of {len(bodies) - len(wanted)} bad ones in the tars {inside[:3] or ''}"
    figures += (
        f", {len(far)} of {len(wanted)} whole ones missing or wrong {far[:3] or ''}"
    )
    return measured(not inside and not far, run, left, figures)


def _variants(seed: int) -> dict[str, bytes]:
    image = Image.open(io.BytesIO(photo(seed))).convert("RGB")
    made = {}
    for mode, progressive in itertools.product(("RGB", "L", "CMYK"), (False, True)):
        options = {"quality": 90, "progressive": progressive}
        made[f"{mode}{int(progressive)}"] = encoded(
            image.convert(mode), "JPEG", options
        )
    return made


def _strays(data: bytes, seed: int) -> dict[str, bytes]:
    """The file with stray bytes before its tables and before its first scan."""
    filling = bytes([seed % 255]) * (1 + seed % 64)
    places = {"tables": data.index(b"\xff\xdb"), "scan": data.index(b"\xff\xda")}
    return {name: data[:at] + filling + data[at:] for name, at in places.items()}


def _whole(seed: int) -> dict[str, tuple[bytes, np.ndarray]]:
    made = {}
    for name, data in _variants(seed).items():
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        for place, stray in _strays(data, seed).items():
            made[f"{name}-{place}"] = stray, pixels
    return made


def _cut(seed: int) -> dict[str, bytes]:
    made = {}
    for name, data in _variants(seed).items():
        for place, stray in _strays(data, seed).items():
            for part in PARTS:
                head = stray[: int(len(stray) * part)]
                made[f"{name}-{place}-{int(100 * part)}"] = head
                made[f"{name}-{place}-{int(100 * part)}-end"] = head + EOI
    return made


def _hidden() -> dict[str, bytes]:
    """A frame of 65,500 x 65,500 pixels where a walk over the segments that trusts FF 00 does not look."""
    plain = saved("JPEG")
    rest = plain[plain.index(b"\xff\xc4") :]
    small, large = (
        b"\xff\xc0\0\x0b\x08" + struct.pack(">HHB", side, side, 1) + b"\1\x11\0"
        for side in (16, 65_500)
    )
    return {
        "ff00": b"\xff\xd8\xff\x00"
        + struct.pack(">H", 2 + len(large))
        + large
        + small
        + rest,
        "first-of-two": b"\xff\xd8" + small + large + rest,
        "second-of-two": b"\xff\xd8" + large + small + rest,
    }


def _off_by(data: bytes, wanted: np.ndarray) -> int:
    found = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    return 999 if found.shape != wanted.shape else int(np.abs(found - wanted).max())
