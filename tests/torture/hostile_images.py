"""Hostile and unusual images through the real fetch: bombs, fuzz, colours, what is no image (rows 18 to 21)."""

import io
import tarfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..support.servers import Answer, Host
from ..support.worlds import photo
from .bombs import bombs, png
from .fetching import Left, Run, fetch, left_by, names, write_table
from .table import Measured, row

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
MOST = 1500  # MB


def served(folder: Path, bodies: dict[str, bytes | Answer]) -> tuple[Run, Left]:
    """Serve each body as the photo of its name, and fetch them all."""
    with Host({f"/{name}": body for name, body in bodies.items()}) as host:
        urls = {name: f"{host.url}/{name}" for name in bodies}
        write_table(folder, urls)
        run = fetch(folder, host.url)
    return run, left_by(folder, urls)


def measured(ok: bool, run: Run, left: Left, figures: str) -> Measured:
    """A row's end, after the checks all of them share."""
    faults = [
        *left.faults,
        *([f"exit code {run.code}: {run.text[-300:]}"] if run.code else []),
    ]
    told = f"; {'; '.join(faults)}" if faults else ""
    return Measured(
        ok and not faults, f"{figures}; {left.counts}; peak {run.peak:,} MB{told}"
    )


# ------------------------------------------------------------------ 18: bombs


@row(
    18,
    "20 bombs among good images",
    "memory ≤ 1.5 GB; all rejected",
    quick=None,
    default=1,
    long=20,
)
def decompression_bombs(count: int, folder: Path) -> Measured:
    made = bombs()
    bodies: dict[str, bytes | Answer] = {}
    for turn in range(count):
        bodies |= {f"{kind}-{turn}": data for kind, data in made.items()}
        bodies |= {f"good-{turn}-{n}": photo(n) for n in range(100)}
    run, left = served(folder, bodies)
    wrong = [
        name
        for name, status in left.statuses.items()
        if (status == "success") is not name.startswith("good")
    ]
    figures = f"{len(made) * count} bombs, {100 * count} good images, {len(wrong)} of them wrong {wrong[:3] or ''}"
    return measured(not wrong and run.peak <= MOST, run, left, figures)


# ------------------------------------------------------------------ 19: fuzz


@row(
    19,
    "fuzzed images",
    "0 hangs; 0 workers lost for good",
    quick=300,
    default=6000,
    long=100_000,
)
def fuzzed_images(count: int, folder: Path) -> Measured:
    seeds = [*encoded_seeds(), *real_images()]

    def fuzz(at: int) -> Answer:
        return lambda handler: handler.reply(200, mutated(seeds, at))

    run, left = served(folder, {name: fuzz(at) for at, name in enumerate(names(count))})
    lost = "its worker was lost 6 times" in run.text
    hangs = run.code == -9 or (lost and "no sign of life" in run.text)
    figures = f"{count:,} images from {len(seeds)} seeds: {int(hangs)} hangs, {int(lost)} workers lost for good"
    return measured(
        not hangs and not lost and len(left.statuses) == count, run, left, figures
    )


def encoded_seeds() -> list[bytes]:
    """Small pictures in every format and variant that is decoded."""
    image = Image.open(io.BytesIO(photo(1)))
    frames = {
        "save_all": True,
        "append_images": [Image.open(io.BytesIO(photo(n))) for n in (2, 3)],
    }
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "x" * 50
    variants: list[tuple[Image.Image, str, dict[str, object]]] = [
        (image, "JPEG", {"quality": 92, "exif": exif}), (image, "JPEG", {"progressive": True}),
        (image.convert("CMYK"), "JPEG", {}), (image.convert("L"), "JPEG", {"restart_marker_rows": 1}),
        (image, "PNG", {}), (image.convert("P"), "PNG", {"transparency": 3}), (image.convert("RGBA"), "PNG", {}),
        (image.convert("I;16"), "PNG", {}), (image, "PNG", frames), (image, "WEBP", {}),
        (image.convert("RGBA"), "WEBP", {"lossless": True, "exif": exif}), (image, "WEBP", frames),
        (image, "GIF", {"interlace": 1}), (image, "GIF", frames),
    ]  # fmt: skip
    return [encoded(*variant) for variant in variants]


def real_images() -> list[bytes]:
    """Images by other people, where they are at hand."""
    found = [path.read_bytes() for path in sorted(REAL.glob("*.jpg"))]
    for path in sorted(REAL.glob("*.tar")):
        with tarfile.open(path) as tar:
            found += [
                tar.extractfile(m).read()
                for m in tar
                if m.name.endswith((".jpg", ".png", ".webp"))
            ]  # type: ignore[union-attr]
    return found


def mutated(seeds: list[bytes], at: int) -> bytes:
    """Image number `at` of the fuzz: a seed with one to four wounds of five kinds."""
    rng = np.random.default_rng([19, at])
    data = bytearray(seeds[at % len(seeds)])
    for _ in range(rng.integers(1, 5)):
        here, there = sorted(int(n) for n in rng.integers(0, len(data) + 1, 2))
        match rng.integers(5):
            case 0:  # bytes in the head, where lengths and sizes stand
                for place in rng.integers(0, min(len(data), 64), 3):
                    data[place] = rng.integers(256)
            case 1:  # bytes anywhere
                for place in rng.integers(0, len(data), rng.integers(1, 20)):
                    data[place] = rng.integers(256)
            case 2:  # an extreme number
                data[here : here + 4] = (
                    b"\xff\xff\xff\xff",
                    b"\0\0\0\0",
                    b"\x7f\xff\xff\xff",
                )[rng.integers(3)]
            case 3:  # a part twice
                data[here:here] = data[here : min(there, here + 5000)]
            case _:  # a cut, and the rest of another image
                other = seeds[rng.integers(len(seeds))]
                data[here:] = other[here:]
        if len(data) < 8:
            break
    return bytes(data)


# ------------------------------------------------------------------ 20: pixels


@row(
    20,
    "16 bits, EXIF 1 to 8, CMYK, alpha",
    "within ±3 of Pillow",
    quick=1,
    default=1,
    long=20,
)
def pixels(count: int, folder: Path) -> Measured:
    made = {
        f"{kind}-{seed}": pair
        for seed in range(count)
        for kind, pair in pictures(seed).items()
    }
    run, left = served(folder, {name: data for name, (data, _) in made.items()})
    far = {
        name: _difference(left.members[name], made[name][1])
        for name in made
        if name in left.members
    }
    worst = max(far, key=lambda name: far[name], default="")
    figures = (
        f"{len(far)} of {len(made)} images, at most {far.get(worst, 0)} away ({worst})"
    )
    return measured(len(far) == len(made) and far[worst] <= 3, run, left, figures)


def pictures(seed: int) -> dict[str, tuple[bytes, np.ndarray]]:
    """Encoded pictures and the RGB pixels each should give, the latter by Pillow or from the numbers put in."""
    image = Image.open(io.BytesIO(photo(seed))).convert("RGB")
    made: dict[str, tuple[bytes, np.ndarray]] = {}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for format in ("JPEG", "PNG", "WEBP"):
            data = encoded(image, format, {"exif": exif})
            upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
            made[f"{format}-turned-{orientation}"] = (
                data,
                np.asarray(upright.convert("RGB")),
            )
    alpha = image.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(image.size))
    for name, source, format in (
        ("cmyk", image.convert("CMYK"), "JPEG"), ("gray", image.convert("L"), "JPEG"), ("rgba", alpha, "PNG"),
        ("rgba", alpha, "WEBP"), ("la", alpha.convert("LA"), "PNG"), ("palette", image.convert("P"), "PNG"),
        ("palette", image.convert("P"), "GIF"), ("bits", image.convert("1"), "PNG"),
    ):  # fmt: skip
        data = encoded(source, format, {})
        made[f"{format}-{name}"] = (
            data,
            np.asarray(Image.open(io.BytesIO(data)).convert("RGBA").convert("RGB")),
        )
    return made | {
        f"png16-{colour}": _sixteen(colour, channels, seed)
        for colour, channels in CHANNELS.items()
    }


CHANNELS = {
    0: 1,
    2: 3,
    4: 2,
    6: 4,
}  # of a PNG's colour types: gray, RGB, gray and RGB with alpha


def _sixteen(colour: int, channels: int, seed: int) -> tuple[bytes, np.ndarray]:
    values = (
        np.random.default_rng(seed).integers(0, 65536, (20, 30, channels)).astype(">u2")
    )
    raw = b"".join(b"\0" + line.tobytes() for line in values)
    wanted = (values[..., :3] if channels > 2 else values[..., :1].repeat(3, 2)).astype(
        float
    ) / 257
    return png((30, 20), 16, colour, zlib.compress(raw)), wanted


def _difference(data: bytes, wanted: np.ndarray) -> float:
    """The largest difference to what a reader sees that knows nothing of EXIF or 16 bits."""
    found = np.asarray(
        Image.open(io.BytesIO(data)).convert("RGBA").convert("RGB")
    ).astype(float)
    return 999.0 if found.shape != wanted.shape else float(np.abs(found - wanted).max())


def encoded(image: Image.Image, format: str, options: dict[str, object]) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


# ------------------------------------------------------------------ 21: no image


@row(
    21,
    "HTML, SVG, truncated, half + EOI as 200",
    "0 in the tars",
    quick=1,
    default=20,
    long=1000,
)
def no_images(count: int, folder: Path) -> Measured:
    bodies: dict[str, bytes | Answer] = {}
    for turn in range(count):
        bodies |= {f"{kind}-{turn}": body for kind, body in _impostors(turn).items()}
        bodies |= {f"good-{turn}": photo(turn)}
    run, left = served(folder, bodies)
    inside = [name for name in left.members if not name.startswith("good")]
    figures = f"{len(inside)} of {len(bodies) - count} in the tars {inside[:4] or ''}"
    return measured(not inside and len(left.members) == count, run, left, figures)


def _impostors(seed: int) -> dict[str, bytes]:
    whole = photo(seed)
    progressive = encoded(
        Image.open(io.BytesIO(whole)), "JPEG", {"progressive": True, "quality": 95}
    )
    made = {
        "html": b"<!DOCTYPE html><html><body>This media is not available</body></html>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
        "xml": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
        "json": b'{"error": "gone"}', "empty": b"", "jpeg-in-html": b"<html>" + whole, "gzip": zlib.compress(whole),
        "zeros": whole[: len(whole) // 2] + bytes(len(whole) // 2 - 2) + b"\xff\xd9",
    }  # fmt: skip
    for format, data in (("jpg", whole), ("progressive", progressive)):
        made |= {
            f"cut-{format}": data[: len(data) // 2],
            f"half-{format}": data[: len(data) // 2] + b"\xff\xd9",
        }
    for format in ("PNG", "WEBP", "GIF"):
        data = encoded(Image.open(io.BytesIO(whole)), format, {})
        made[f"cut-{format}"] = data[: len(data) * 2 // 3]
    return made
