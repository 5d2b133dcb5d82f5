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
    check_model,
    fetch_model,
    find_model,
    load_tokenizer,
)
from twigma.builder.models.model_licences import note_license
from twigma.core import columns
from twigma.core.parts import read_provenance
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.stage import stage
from twigma.core.workspace import AnyWorkspace, Workspace

if TYPE_CHECKING:
    import torch

REVISION = (
    1  # raise it when the same image and model get another embedding or pixel hash
)
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
    encode_text: Callable[[Sequence[str]], Half]  # float16[n, dim], unit rows

    def encode(self, images: Sequence[Image]) -> Half:
        """float16[n, dim], unit rows, of images of any mode."""
        pixels = [np.asarray(image.convert("RGB")) for image in images]
        return self.forward([self.prepare(rgb) for rgb in pixels])


# ------------------------------------------------------------------ loading


def load_encoder(
    model: str = MODEL,
    pretrained: str | None = PRETRAINED,
    device: str | None = None,
    precision: str | None = None,
    *,
    resize: str = RESIZES[0],
    revision: str | None = None,
    work: AnyWorkspace | None = None,
) -> Encoder:
    """Load a CLIP model. `device` is the GPU where there is one.

    `precision` is fp32, bf16 or fp16: by default fp16 on a GPU, bf16 on a CPU with instructions for it, else fp32.
    `resize` is "fast", or "exact" for open_clip's own transform, from which it differs by at most one grey level.
    ValueError for an unknown model, device or precision, OSError where weights cannot be fetched.
    """
    chosen = find_model(model, pretrained, revision, work)
    device, precision = _placement(devices(device)[0], precision)
    return _load(chosen, device, precision, resize)


def _placement(device: str | None, precision: str | None) -> tuple[str, str]:
    """Device and precision to use; ValueError where this machine cannot."""
    import torch

    available = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    device = device or available[-1]
    kind = device.partition(":")[0]
    if kind not in available:
        raise ValueError(
            f"device {device!r} is not available: expected {' or '.join(available)}"
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
    if torch.cpu._is_avx512_bf16_supported() and _has_bf16(kind):
        return "bf16"
    return "fp32"


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

    network, transform = _network(model)
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    dtype = dtypes[precision]
    network = network.eval().requires_grad_(False).to(device=device, dtype=dtype)
    config = PreprocessCfg(**open_clip.get_model_preprocess_cfg(network))
    mean = torch.tensor(config.mean, device=device).view(3, 1, 1)
    std = torch.tensor(config.std, device=device).view(3, 1, 1)

    def encode_pixels(x: "torch.Tensor") -> "torch.Tensor":
        # Normalised on the device: bytes travel there four times as fast as floats.
        normalized = (x / 255 - mean) / std
        encoded: torch.Tensor = network.encode_image(normalized.to(dtype))
        return encoded

    size = BATCH[device.partition(":")[0]]
    encode_images = _batched(encode_pixels, size, device)
    encode_tokens = _batched(network.encode_text, size, device)
    tokenizer = load_tokenizer(model)
    dim = encode_tokens(list(tokenizer(["a"]))).shape[1]
    nothing = np.empty((0, dim), np.float16)

    def forward(inputs: "Sequence[torch.Tensor]") -> Half:
        return encode_images(inputs) if inputs else nothing

    def encode_text(texts: Sequence[str]) -> Half:
        if not texts:
            return nothing
        return encode_tokens(list(tokenizer(list(texts))))

    prepare = resizer(transform, config, exact=resize == "exact")
    return Encoder(model.name, dim, prepare, forward, encode_text)


def _network(model: Model) -> tuple[Any, Any]:
    """The network of open_clip with the model's weights, and its transform of images."""
    import open_clip
    import torch

    folder = fetch_model(model)
    identifier = str(model.architecture)
    if folder is not None:
        identifier = f"local-dir:{folder}"
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
        weights = pinned_weights.weights_files(folder)[0]
        open_clip.load_checkpoint(network, str(weights))
    return network, transform


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
        padding = [inputs[0]] * (size - len(inputs))
        padded = torch.stack([*inputs, *padding])
        with turn, torch.inference_mode():
            rows = encode(padded.to(device)).float()
            rows = torch.nn.functional.normalize(rows, dim=-1)
            unit: Half = rows.half().cpu().numpy()
        return unit[: len(inputs)]

    def encode_all(inputs: "Sequence[torch.Tensor]") -> Half:
        starts = range(0, len(inputs), size)
        return np.concatenate([batch(inputs[at : at + size]) for at in starts])

    return encode_all


# ------------------------------------------------------------------ the stage


@stage(reads=("image_name", "image"), adds=("embedding", "pixel_hash"))
def embed(table: pa.Table, encoder: Encoder) -> pa.Table:
    """Add `embedding` (float16[dim], L2 norm 1) and `pixel_hash`, for deduplication; null where decoding fails."""

    def prepare(pixels: npt.NDArray[np.uint8]) -> tuple["torch.Tensor", str]:
        return encoder.prepare(pixels), pixel_hash(pixels)

    decoded = decode(table["image"], prepare)
    failed = np.array([image is None for image in decoded], bool)
    inputs = [image[0] for image in decoded if image is not None]
    rows = np.zeros((len(decoded), encoder.dim), np.float16)
    rows[~failed] = encoder.forward(inputs)
    hashes = [None if image is None else image[1] for image in decoded]
    return columns.add(table, embedding=as_column(rows, failed), pixel_hash=hashes)


def embed_shards(
    work: AnyWorkspace,
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
    of them embeds again. Where they are not named, a folder keeps the precision and resizing of its first part.
    """
    work = Workspace(work)
    chosen = find_model(model, pretrained, revision, work)
    before = _first_provenance(work, chosen)
    if precision is None:
        precision = before.get("precision") or _placement(devices(device)[0], None)[1]
    if resize is None:
        resize = before.get("resize") or RESIZES[0]
    provenance = chosen.provenance()
    note_license(work, chosen.name, chosen.folder)
    provenance["code_revision"] = REVISION
    provenance["precision"] = precision
    provenance["resize"] = resize
    return map_shards(
        work.path,
        "embed",
        dict(provenance),
        partial(_start, chosen, precision, resize),
        desc="embed",
        engine=engine,
        device=device,
        prepare=Prepare(partial(fetch_model, chosen), partial(check_model, chosen)),
    )


def _start(model: Model, precision: str, resize: str, device: str | None) -> Stage:
    device, precision = _placement(device, precision)
    return partial(embed, encoder=_load(model, device, precision, resize))


def _first_provenance(work: Workspace, model: Model) -> dict[str, Any]:
    """The provenance of the first part that this model made in the folder; empty if there is none."""
    for path in work.part_files("embed"):
        provenance = read_provenance(path)
        if provenance["model"] == model.name:
            return provenance
    return {}
