"""A CLIP model as a callable: images or texts to unit vectors. `twigma embed` and `twigma texts` encode with it.

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
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Image

from twigma.builder.engine.engine import devices
from twigma.builder.engine.pixels import Resize, resizer
from twigma.builder.engine.vectors import Half
from twigma.builder.models import pinned_weights
from twigma.builder.models.clip_names import (
    MODEL,
    PRETRAINED,
    SEED,
    Model,
    fetch_model,
    find_model,
    load_tokenizer,
)
from twigma.core.workspace import AnyWorkspace

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
    encode_text: Callable[[Sequence[str]], Half]  # float16[n, dim], unit rows

    def encode(self, images: Sequence[Image]) -> Half:
        """float16[n, dim], unit rows, of images of any mode."""
        pixels = [np.asarray(image.convert("RGB")) for image in images]
        return self.forward([self.prepare(rgb) for rgb in pixels])


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

    `precision` is fp32, bf16, fp16 or int8: by default fp16 on a GPU, bf16 on a CPU with instructions for it, else
    fp32; int8 is for CPUs, and for the images of vision transformers alone (see `int8_layers.py`).
    `resize` is "fast", or "exact" for open_clip's own transform, from which it differs by at most one grey level.
    ValueError for an unknown model, device or precision, OSError where weights cannot be fetched.
    """
    chosen = find_model(model, pretrained, revision, work)
    device, precision = choose_placement(devices(device)[0], precision)
    return load_on(chosen, device, precision, resize)


def choose_placement(device: str | None, precision: str | None) -> tuple[str, str]:
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
    possible = {
        "fp32": True,
        "bf16": _has_bf16(kind),
        "fp16": kind == "cuda",
        "int8": can_int8(kind),
    }
    if not possible.get(precision, False):
        allowed = ", ".join(name for name, able in possible.items() if able)
        raise ValueError(
            f"precision {precision!r} is not possible on {device}: expected one of {allowed}"
        )
    return device, precision


def can_int8(kind: str) -> bool:
    """Whether this machine's "cpu" multiplies 8-bit integers; a GPU is faster in half precision."""
    import torch

    return kind == "cpu" and bool(torch.cpu._is_vnni_supported())


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


def load_on(
    model: Model, device: str, precision: str, resize: str = RESIZES[0]
) -> Encoder:
    """Load a model in a place and precision of `choose_placement`; OSError where weights cannot be fetched."""
    import open_clip
    import torch
    from open_clip.transform import PreprocessCfg

    from twigma.builder.stages.int8_layers import quantize_blocks

    network, transform = _network(model)
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    # What is not in 8 bits is in the best precision that the CPU has.
    dtype = dtypes[best_precision("cpu") if precision == "int8" else precision]
    network = network.eval().requires_grad_(False).to(device=device, dtype=dtype)
    if precision == "int8":
        quantize_blocks(network.visual, model.name)
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
        with pinned_weights.loading(f"the weights in {weights}"):
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
