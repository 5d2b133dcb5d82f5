"""ViT-L-14 and BLIP on a GPU: images a second from tars to columns, against the device's own limit; no peer.

Prints the measured matrix product limit, the images a second that it allows, what `twigma embed` reaches from tars to
parts, and what each half of it would reach alone; the cosine of half precision with fp32; BLIP's captions a second.
Goal: at least half of the limit. Weights are random, which changes no time; BLIP then writes captions of full length.

Run: `python -m benchmarks.builder.gpu_embed`; `--device cpu --tiny` runs all of it in a minute, with figures that say
nothing.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.harness.photos import jpegs, write_tars
from twigma.builder.engine.pixels import decode
from twigma.builder.stages.caption import load_captioner
from twigma.builder.stages.clip_encoder import Encoder, load_encoder
from twigma.builder.stages.embed import embed_shards
from twigma.rehydrate.images.shards import list_shards, read_images
from twigma.rehydrate.sources.own_files.add_images import add_tars

GFLOP = {"ViT-L-14": 162, "ViT-S-32-alt": 2.2}  # an image, by spec or by its size
SIDE = 512
LARGE = {
    "vision": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    }
    | {"image_size": 384, "patch_size": 16},
    "text": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
    },
}
TINY = {
    "vision": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    | {"image_size": 32, "patch_size": 8},
    "text": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    },
}


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


def write_blip(folder: Path, shape: dict[str, dict[str, int]]) -> str:
    """A BLIP of random weights, and a vocabulary that stands for any."""
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "[DEC]",
        "[ENC]",
        *(f"word{n}" for n in range(1000)),
    ]
    special = {
        "bos_token_id": 5,
        "eos_token_id": 3,
        "sep_token_id": 3,
        "pad_token_id": 0,
        "vocab_size": len(words),
    }
    vision = shape["vision"]
    text = shape["text"] | special | {"encoder_hidden_size": vision["hidden_size"]}
    network = BlipForConditionalGeneration(
        BlipConfig(text_config=text, vision_config=vision)
    )
    network.generation_config.suppress_tokens = [3]
    network.save_pretrained(folder)
    side = vision["image_size"]
    tokenizer = BertTokenizer({word: number for number, word in enumerate(words)})
    BlipProcessor(
        BlipImageProcessor(size={"height": side, "width": side}), tokenizer
    ).save_pretrained(folder)
    return str(folder)


def deviation(model: str, device: str, images: Sequence[Image.Image]) -> None:
    """Print the least cosine of each half precision with fp32."""
    exact = load_encoder(model, None, device, "fp32").encode(images).astype(np.float64)
    for precision in ("bf16", "fp16"):
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
        same = "the same" if (same == half).all() else "NOT the same"
        print(
            f"{precision:<28} cosine with fp32 at least {cosine.min():.6f}; {same} bytes in another order"
        )


def halves(encoder: Encoder, work: Path, device: str, batch: int) -> None:
    """Print what reading, decoding and the model would each do alone."""
    blocks = [
        block for shard in list_shards(work)[:2] for block in read_images(shard, batch)
    ]
    count = sum(map(len, blocks))
    reading = seconds(
        lambda: [list(read_images(shard, batch)) for shard in list_shards(work)[:2]],
        device,
    )
    decoding = seconds(
        lambda: [decode(block["image"], encoder.prepare) for block in blocks], device
    )
    ready = decode(blocks[0]["image"], encoder.prepare)
    inputs = [one for one in ready if one is not None]
    encoder.forward(inputs)
    running = seconds(lambda: [encoder.forward(inputs) for _ in range(3)], device) / 3
    for name, rate in (
        ("reading", count / reading),
        ("decoding", count / decoding),
        ("model", len(inputs) / running),
    ):
        print(f"{name + ' alone':<28} {rate:10,.0f} images/s")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        return print("no GPU here: not measured")
    device, model = options.device, "ViT-S-32-alt" if options.tiny else "ViT-L-14"
    images, per_tar = (16, 8) if options.tiny else (options.images, 1000)
    on_gpu = device.startswith("cuda")
    print(
        torch.cuda.get_device_name(device)
        if on_gpu
        else "no GPU: these figures say nothing about one"
    )
    limit = teraflops(
        device, torch.float16 if on_gpu else torch.float32, 8192 if on_gpu else 512
    )
    allowed = limit * 1000 / GFLOP[model]
    print(
        f"{'matrix product':<28} {limit:10.2f} TFLOP/s, which allow {allowed:,.0f} images/s of {model}"
    )
    pictures = [
        Image.open(io.BytesIO(data)).convert("RGB")
        for data in jpegs(8 if options.tiny else 64, SIDE, SIDE)
    ]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        add_tars(home / "work", write_tars(home, images, per_tar, SIDE))
        encoder = load_encoder(model, None, device)
        halves(encoder, home / "work", device, 256 if on_gpu else 8)
        embed_shards(
            home / "work", model, None, device
        )  # the first run compiles and warms up
        for part in (home / "work" / "columns" / "embed").iterdir():
            part.unlink()
        rate = images / seconds(
            lambda: embed_shards(home / "work", model, None, device), device
        )
        print(
            f"{'twigma embed':<28} {rate:10,.0f} images/s with start-up, {rate / allowed:.0%} of the limit"
        )
        deviation(model, device, pictures)
        captioner = load_captioner(
            write_blip(home / "blip", TINY if options.tiny else LARGE), device
        )
        captioner.caption(pictures)
        rate = (
            len(pictures) * 4 / seconds(lambda: captioner.caption(pictures * 4), device)
        )
        print(f"{'BLIP large, 20 tokens':<28} {rate:10,.1f} captions/s")


if __name__ == "__main__":
    main()
