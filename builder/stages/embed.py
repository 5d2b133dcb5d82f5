"""Add the CLIP embedding of every image (paper, section 2.2). Run by `twigma embed`.

A model is a name (see `builder/models/clip_names.py`): any of open_clip, of the Hub, or a local folder. The default is
the paper's: ViT-L-14 with OpenAI's weights.

Identical files must get identical embedding bytes, since exact deduplication compares bytes. A matrix product may
round differently at another batch size, so every batch is padded to one size.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL.Image import Image

from twigma.builder.engine.engine import Prepare, Stage, devices, map_shards
from twigma.builder.engine.pixels import Resize, decode, pixel_hash, resizer
from twigma.builder.engine.vectors import Half, as_column
from twigma.builder.models import pinned_weights
from twigma.builder.models.clip_names import (
    MODEL,
    PRETRAINED,
    SEED,
    Model,
    checked,
    fetched,
    find_model,
    load_tokenizer,
)
from twigma.core import columns
from twigma.core.parts import read_provenance
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.stage import stage

if TYPE_CHECKING:
    import torch

BATCH = {"cpu": 8, "cuda": 256}  # fixed sizes: see above
RESIZES = ("fast", "exact")


@dataclass(frozen=True)
class Encoder:
    """A CLIP model: `encode(list[Image]) -> float16[n, dim]`, unit rows.

    `prepare` turns RGB pixels uint8[height, width, 3] into the model's input, uint8[3, h, w], and `forward` encodes a
    list of those; a stage calls them apart, so that decoding runs beside the model. Equal images give equal bytes at
    any place in any batch.
    """

    name: str
    dim: int
    prepare: Resize
    forward: Callable[[Sequence["torch.Tensor"]], Half]
    encode_text: Callable[[Sequence[str]], Half]

    def encode(self, images: Sequence[Image]) -> Half:
        """float16[n, dim], unit rows, of RGB images."""
        return self.forward(
            [self.prepare(np.asarray(image.convert("RGB"))) for image in images]
        )


# ------------------------------------------------------------------ loading


def load_encoder(
    model: str = MODEL,
    pretrained: str | None = PRETRAINED,
    device: str | None = None,
    precision: str | None = None,
    *,
    resize: str = RESIZES[0],
    revision: str | None = None,
    work: Path | None = None,
) -> Encoder:
    """Load a CLIP model. `device` is the GPU where there is one.

    `precision` is fp32, bf16 or fp16: by default fp16 on a GPU, bf16 on a CPU with instructions for it, else fp32.
    `resize` is "fast", or "exact" for open_clip's own transform, from which it differs by at most one grey level.
    ValueError for an unknown model, device or precision, OSError where weights cannot be fetched.
    """
    return _load(
        find_model(model, pretrained, revision, work),
        *_placement(devices(device)[0], precision),
        resize,
    )


def _placement(device: str | None, precision: str | None) -> tuple[str, str]:
    """Device and precision to use; ValueError where this machine cannot."""
    import torch

    gpu = torch.cuda.is_available()
    device = device or ("cuda" if gpu else "cpu")
    kind = device.partition(":")[0]
    if kind not in BATCH or (kind == "cuda" and not gpu):
        raise ValueError(
            f"device {device!r} is not available: expected cpu{' or cuda' if gpu else ''}"
        )
    precision = precision or best_precision(kind)
    possible = {"fp32": True, "bf16": _has_bf16(kind), "fp16": kind == "cuda"}
    if not possible.get(precision, False):
        allowed = ", ".join(name for name, able in possible.items() if able)
        raise ValueError(
            f"precision {precision!r} is not possible on {device}: expected one of {allowed}"
        )
    return device, precision


def best_precision(kind: str) -> str:
    """The default on this machine's "cpu" or "cuda": bf16 on a CPU without instructions for it is slower than fp32."""
    import torch

    if kind == "cuda":
        return "fp16"
    return (
        "bf16" if torch.cpu._is_avx512_bf16_supported() and _has_bf16(kind) else "fp32"
    )


def _has_bf16(kind: str) -> bool:
    import torch

    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _load(
    model: Model, device: str, precision: str, resize: str = RESIZES[0]
) -> Encoder:
    import open_clip
    import torch
    from open_clip.transform import PreprocessCfg

    folder = fetched(model)
    identifier = str(model.architecture) if folder is None else f"local-dir:{folder}"
    with (
        pinned_weights.loading(f"the model {model.name}"),
        _quiet(),
        torch.random.fork_rng(),
    ):
        torch.manual_seed(SEED)
        network, _, transform = open_clip.create_model_and_transforms(
            identifier, load_weights=False
        )
    if folder is not None:
        open_clip.load_checkpoint(network, str(pinned_weights.weights_files(folder)[0]))
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[
        precision
    ]
    network = network.eval().requires_grad_(False).to(device=device, dtype=dtype)
    size = BATCH[device.partition(":")[0]]
    config = PreprocessCfg(**open_clip.get_model_preprocess_cfg(network))
    mean, std = (
        torch.tensor(values, device=device).view(3, 1, 1)
        for values in (config.mean, config.std)
    )
    encode_image = _batched(
        lambda x: network.encode_image(((x / 255 - mean) / std).to(dtype)), size, device
    )
    encode_tokens = _batched(network.encode_text, size, device)
    tokenizer = load_tokenizer(model)
    dim = encode_tokens(list(tokenizer(["a"]))).shape[1]
    nothing = np.empty((0, dim), np.float16)
    return Encoder(
        model.name,
        dim,
        prepare=resizer(transform, config, exact=resize == "exact"),
        forward=lambda inputs: encode_image(inputs) if inputs else nothing,
        encode_text=lambda texts: (
            encode_tokens(list(tokenizer(list(texts)))) if texts else nothing
        ),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide open_clip's warning that a network is built before its weights are loaded."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _batched(
    encode: "Callable[[torch.Tensor], torch.Tensor]", size: int, device: str
) -> "Callable[[Sequence[torch.Tensor]], Half]":
    """Encode in batches of exactly `size` (the last is padded with its first input), one at a time on the device."""
    import torch

    turn = threading.Lock()

    def batch(inputs: "Sequence[torch.Tensor]") -> Half:
        filled = torch.stack([*inputs, *[inputs[0]] * (size - len(inputs))])
        with turn, torch.inference_mode():
            rows = encode(filled.to(device)).float()
            unit: npt.NDArray[np.float16] = (
                torch.nn.functional.normalize(rows, dim=-1).half().cpu().numpy()
            )
        return unit[: len(inputs)]

    return lambda inputs: np.concatenate(
        [batch(inputs[at : at + size]) for at in range(0, len(inputs), size)]
    )


# ------------------------------------------------------------------ the stage


@stage(reads=("image_name", "image"), adds=("embedding", "pixel_hash"))
def embed(table: pa.Table, encoder: Encoder) -> pa.Table:
    """Add `embedding` (float16[dim], L2 norm 1) and `pixel_hash`, for deduplication; null where decoding fails."""
    read = decode(
        table["image"], lambda pixels: (encoder.prepare(pixels), pixel_hash(pixels))
    )
    failed = np.array([one is None for one in read], bool)
    rows = np.zeros((len(read), encoder.dim), np.float16)
    rows[~failed] = encoder.forward([one[0] for one in read if one is not None])
    hashes = [None if one is None else one[1] for one in read]
    return columns.add(table, embedding=as_column(rows, failed), pixel_hash=hashes)


def embed_shards(
    work: Path,
    model: str = MODEL,
    pretrained: str | None = PRETRAINED,
    device: str | None = None,
    precision: str | None = None,
    *,
    resize: str | None = None,
    revision: str | None = None,
    engine: Engine = LOCAL,
) -> int:
    """Embed every shard that has no current part in `columns/embed`; the number of images embedded now.

    The parts carry the model's name, its weights' commit or hash, the precision and the way of resizing; changing any
    of them embeds again. Unless they are given, a folder keeps the precision and resizing it was begun with.
    """
    found = find_model(model, pretrained, revision, work)
    before = _first_provenance(work, found)
    precision = (
        precision or before.get("precision") or _placement(devices(device)[0], None)[1]
    )
    resize = resize or before.get("resize") or RESIZES[0]
    settings = found.made_from() | {"precision": precision, "resize": resize}
    start = partial(_start, found, precision, resize)
    prepare = Prepare(partial(fetched, found), partial(checked, found))
    return map_shards(
        work,
        "embed",
        settings,
        start,
        desc="embed",
        engine=engine,
        device=device,
        prepare=prepare,
    )


def _start(model: Model, precision: str, resize: str, device: str | None) -> Stage:
    return partial(embed, encoder=_load(model, *_placement(device, precision), resize))


def _first_provenance(work: Path, model: Model) -> dict[str, Any]:
    """What the first part that this model made in the folder was made from; nothing if there is none."""
    for part in sorted((work / "columns" / "embed").glob("*.arrow")):
        made_from: dict[str, Any] = read_provenance(part)
        if made_from["model"] == model.name:
            return made_from
    return {}
