"""ViT-L-14 and BLIP on a GPU: images a second from tars to columns, against the device's own limit; no peer.

Prints the measured matrix product limit, the images a second that it allows, what each half of `twigma embed` reaches
alone, and all of it from tars to parts; what decoding on the device would reach, and how many grey levels that is from
ours; the cosine of half precision with fp32; BLIP's captions a second. Goal: at least half of the limit. Weights are
random, which changes no time; BLIP then writes captions of full length.

Run: `python -m benchmarks.builder.gpu_embed`. It ends within eight minutes, and says what it had no time for.
`--device cpu --tiny` runs all of it in a minute, with figures that say nothing.
"""

import argparse
import functools
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.harness.photos import jpegs, write_tars
from benchmarks.harness.random_blip import LARGE, TINY, write_blip
from twigma.builder.engine.pixels import decode
from twigma.builder.stages.caption import load_captioner
from twigma.builder.stages.clip_encoder import Encoder, load_encoder
from twigma.builder.stages.embed import embed_shards
from twigma.rehydrate.images.decode import read_pixels
from twigma.rehydrate.images.shards import list_shards, read_images
from twigma.rehydrate.sources.own_files.add_images import add_tars

GFLOP = {"ViT-L-14": 162, "ViT-S-32-alt": 2.2}  # an image, by spec or by its size
SIDE = 512
BUDGET = 450  # seconds, after which no figure is begun
LEAST = 60  # that a figure may take


def teraflops(device: str, dtype: torch.dtype, side: int) -> float:
    """TFLOP/s of a square matrix product: the most a model can use."""
    a = torch.randn(side, side, device=device, dtype=dtype)
    a @ a
    took = seconds(lambda: [a @ a for _ in range(20)], device) / 20
    return 2 * side**3 / took / 1e12


def seconds(work: Callable[[], object], device: str) -> float:
    """Wall time of a call, until the device is done."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def deviation(model: str, device: str, images: Sequence[Image.Image]) -> None:
    """Print the least cosine of each half precision with fp32."""
    exact = load_encoder(model, None, device, "fp32").encode(images).astype(np.float64)
    for precision in ("bf16", "fp16", "int8"):
        try:
            half = (
                load_encoder(model, None, device, precision)
                .encode(images)
                .astype(np.float64)
            )
        except ValueError:
            continue  # not on this device
        cosine = (
            (half * exact).sum(axis=1)
            / np.linalg.norm(half, axis=1)
            / np.linalg.norm(exact, axis=1)
        )
        same = (
            load_encoder(model, None, device, precision)
            .encode(images[::-1])[::-1]
            .astype(np.float64)
        )
        bytes_are = "the same" if (same == half).all() else "NOT the same"
        print(
            f"{precision:<28} cosine with fp32 at least {cosine.min():.6f}; {bytes_are} bytes in another order"
        )


@dataclass(frozen=True)
class World:
    """What the figures are measured on: a device, a model, a working folder, pictures, and the time that is left."""

    device: str
    model: str
    folder: Path
    images: int
    files: Sequence[bytes]
    ends: float
    tiny: bool

    @property
    def work(self) -> Path:
        """The working folder."""
        return self.folder / "work"

    @property
    def on_gpu(self) -> bool:
        """Whether the figures say anything."""
        return self.device.startswith("cuda")

    @functools.cached_property
    def encoder(self) -> Encoder:
        """The model in its default precision."""
        return load_encoder(self.model, None, self.device)

    @functools.cached_property
    def allowed(self) -> float:
        """Images a second that the matrix product allows."""
        dtype, side = (torch.float16, 8192) if self.on_gpu else (torch.float32, 512)
        limit = teraflops(self.device, dtype, side)
        allowed = limit * 1000 / GFLOP[self.model]
        print(
            f"{'matrix product':<28} {limit:10.2f} TFLOP/s, which allow {allowed:,.0f} images/s of {self.model}"
        )
        return allowed

    def left(self) -> float:
        """Seconds."""
        return self.ends - time.monotonic()


def rate(name: str, images_a_second: float, more: str = "") -> None:
    """Print a figure."""
    print(f"{name:<28} {images_a_second:10,.1f} images/s{more}", flush=True)


def halves(world: World) -> None:
    """What reading, decoding and the model would each do alone."""
    encoder, some = world.encoder, list_shards(world.work)[:2]
    batch = 256 if world.on_gpu else 8
    blocks = [block for shard in some for block in read_images(shard, batch)]
    count = sum(map(len, blocks))

    def read() -> None:
        for shard in some:
            list(read_images(shard, batch))

    def prepare() -> None:
        for block in blocks:
            decode(block["image"], encoder.prepare)

    rate("reading alone", count / seconds(read, world.device))
    rate("decoding alone", count / seconds(prepare, world.device))
    ready = decode(blocks[0]["image"], encoder.prepare)
    inputs = [one for one in ready if one is not None]
    encoder.forward(inputs)
    running = seconds(lambda: [encoder.forward(inputs) for _ in range(3)], world.device)
    rate("model alone", 3 * len(inputs) / running)


def whole(world: World) -> None:
    """`twigma embed`, from tars to parts; the first run compiles and warms up."""
    parts = world.work / "columns" / "embed"

    def embed() -> None:
        shutil.rmtree(parts, ignore_errors=True)
        embed_shards(world.work, world.model, None, world.device)

    first = seconds(embed, world.device)
    if first > world.left() / 2:
        return rate("twigma embed", world.images / first, " in its first run")
    found = world.images / seconds(embed, world.device)
    rate(
        "twigma embed",
        found,
        f" with start-up, {found / world.allowed:.0%} of the limit",
    )


def decoding_on_device(world: World) -> None:
    """JPEGs decoded and resized on the device (nvJPEG), and how far their levels are from ours."""
    from torchvision.io import ImageReadMode, decode_jpeg

    ours = [world.encoder.prepare(read_pixels(data)[1]) for data in world.files]
    side = ours[0].shape[-1]

    def decoded() -> torch.Tensor:
        encoded = [
            torch.frombuffer(bytearray(d), dtype=torch.uint8) for d in world.files
        ]
        pixels = decode_jpeg(encoded, mode=ImageReadMode.RGB, device=world.device)
        small = torch.nn.functional.interpolate(
            torch.stack(pixels).float(),
            size=(side, side),
            mode="bicubic",
            antialias=True,
        )
        return small.clamp(0, 255).round()

    apart = (decoded().cpu() - torch.stack(ours).float()).abs()
    found = len(ours) / (
        seconds(lambda: [decoded() for _ in range(5)], world.device) / 5
    )
    more = f", at most {apart.max():.0f} grey levels from ours, {apart.mean():.4f} on average"
    rate("decoding on the device", found, more)


def precisions(world: World) -> None:
    """The least cosine of each half precision with fp32."""
    deviation(world.model, world.device, pictures(world))


def captions(world: World) -> None:
    """BLIP's captions a second."""
    shape = TINY if world.tiny else LARGE
    captioner = load_captioner(write_blip(world.folder / "blip", shape), world.device)
    some = pictures(world)
    captioner.caption(some)
    took = seconds(lambda: captioner.caption(some * 4), world.device)
    print(f"{'BLIP large, 20 tokens':<28} {len(some) * 4 / took:10,.1f} captions/s")


def pictures(world: World) -> list[Image.Image]:
    """The files as Pillow images."""
    return [Image.open(io.BytesIO(data)).convert("RGB") for data in world.files]


STEPS = (halves, whole, decoding_on_device, precisions, captions)


def main() -> None:
    """Print the figures, the most important first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        return print("no GPU here: not measured")
    on_gpu = options.device.startswith("cuda")
    name = "no GPU: these figures say nothing about one"
    print(torch.cuda.get_device_name(options.device) if on_gpu else name)
    with tempfile.TemporaryDirectory() as folder:
        images, per_tar = (16, 8) if options.tiny else (options.images, 1000)
        world = World(
            options.device,
            "ViT-S-32-alt" if options.tiny else "ViT-L-14",
            Path(folder),
            images,
            jpegs(8 if options.tiny else 64, SIDE, SIDE),
            time.monotonic() + BUDGET,
            options.tiny,
        )
        add_tars(world.work, write_tars(world.folder, images, per_tar, SIDE))
        _ = world.allowed
        for step in STEPS:
            if world.left() < LEAST:
                print(f"{step.__name__}: not measured, {world.left():.0f} s were left")
                continue
            step(world)


if __name__ == "__main__":
    main()
