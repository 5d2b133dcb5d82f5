"""Add the CLIP embedding of every image (paper, section 2.2). Run by `twigma embed`.

A model is a name (see `builder/models.py`): any of open_clip, of the Hub, or a local folder. The default is the
paper's: ViT-L-14 with OpenAI's weights.

Identical files must get identical embedding bytes, since exact deduplication compares bytes. A matrix product may
round differently at another batch size, so every batch is padded to one size.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL.Image import Image

from twigma import columns
from twigma.builder import weights
from twigma.builder.engine import Stage, decode, map_shards
from twigma.builder.models import MODEL, PRETRAINED, SEED, Model, find_model
from twigma.builder.vectors import Half, as_column

if TYPE_CHECKING:
    import torch

BATCH = {"cpu": 8, "cuda": 256}  # fixed sizes: see above
PRECISION = {"cpu": "fp32", "cuda": "fp16"}
MAX_RATIO = 50  # of the long to the short side; models look at the central square


@dataclass(frozen=True)
class Encoder:
    """A CLIP model: `encode(list[Image]) -> float16[n, dim]`, unit rows.

    `prepare` turns one RGB image into the model's input and `forward` encodes a list of those; a stage calls them
    apart, so that decoding runs beside the model. Equal images give equal bytes at any place in any batch.
    """

    name: str
    dim: int
    prepare: Callable[[Image], "torch.Tensor"]
    forward: Callable[[Sequence["torch.Tensor"]], Half]
    encode_text: Callable[[Sequence[str]], Half]

    def encode(self, images: Sequence[Image]) -> Half:
        """float16[n, dim], unit rows, of RGB images."""
        return self.forward([self.prepare(image) for image in images])


# ------------------------------------------------------------------ loading


def load_encoder(
    model: str = MODEL,
    pretrained: str | None = PRETRAINED,
    device: str | None = None,
    precision: str | None = None,
    *,
    revision: str | None = None,
    work: Path | None = None,
) -> Encoder:
    """Load a CLIP model. `device` is the GPU where there is one; `precision` (fp32, bf16, fp16) is fp32 on a CPU.

    ValueError for an unknown model, device or precision, OSError where weights cannot be fetched.
    """
    return _load(find_model(model, pretrained, revision, work), *_placement(device, precision))


def _placement(device: str | None, precision: str | None) -> tuple[str, str]:
    """Device and precision to use; ValueError where this machine cannot."""
    import torch

    gpu = torch.cuda.is_available()
    device = device or ("cuda" if gpu else "cpu")
    kind = device.partition(":")[0]
    if kind not in BATCH or (kind == "cuda" and not gpu):
        raise ValueError(f"device {device!r} is not available: expected cpu{' or cuda' if gpu else ''}")
    precision = precision or PRECISION[kind]
    possible = {"fp32": True, "bf16": _has_bf16(kind), "fp16": kind == "cuda"}
    if not possible.get(precision, False):
        allowed = ", ".join(name for name, able in possible.items() if able)
        raise ValueError(f"precision {precision!r} is not possible on {device}: expected one of {allowed}")
    return device, precision


def _has_bf16(kind: str) -> bool:
    import torch

    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _load(model: Model, device: str, precision: str) -> Encoder:
    import open_clip
    import torch

    folder = weights.fetch(model.pin, weights.PREFERRED) if model.pin else model.folder
    identifier = str(model.architecture) if folder is None else f"local-dir:{folder}"
    with _quiet(), torch.random.fork_rng():
        torch.manual_seed(SEED)
        network, _, transform = open_clip.create_model_and_transforms(identifier, load_weights=False)
    if folder is not None:
        open_clip.load_checkpoint(network, str(weights.weights_file(folder)))
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    network = network.eval().requires_grad_(False).to(device=device, dtype=dtype)
    size = BATCH[device.partition(":")[0]]
    encode_image = _batched(network.encode_image, size, device, dtype)
    encode_tokens = _batched(network.encode_text, size, device, None)
    tokenizer = open_clip.get_tokenizer(identifier)
    dim = encode_tokens(list(tokenizer(["a"]))).shape[1]
    nothing = np.empty((0, dim), np.float16)
    return Encoder(
        model.name,
        dim,
        prepare=lambda image: transform(_centre(image.convert("RGB"))),
        forward=lambda inputs: encode_image(inputs) if inputs else nothing,
        encode_text=lambda texts: encode_tokens(list(tokenizer(list(texts)))) if texts else nothing,
    )


def _centre(image: Image) -> Image:
    """The middle of a very long image, so that bringing its short side to the model's size stays small in memory."""
    limit = MAX_RATIO * min(image.size)
    if max(image.size) <= limit:
        return image
    left, top = (max(0, (side - limit) // 2) for side in image.size)
    return image.crop((left, top, image.width - left, image.height - top))


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
    encode: "Callable[[torch.Tensor], torch.Tensor]", size: int, device: str, dtype: "torch.dtype | None"
) -> "Callable[[Sequence[torch.Tensor]], Half]":
    """Encode in batches of exactly `size` (the last is padded with its first input), one at a time on the device."""
    import torch

    turn = threading.Lock()

    def batch(inputs: "Sequence[torch.Tensor]") -> Half:
        filled = torch.stack([*inputs, *[inputs[0]] * (size - len(inputs))])
        with turn, torch.inference_mode():
            rows = encode(filled.to(device=device, dtype=dtype)).float()
            unit: npt.NDArray[np.float16] = torch.nn.functional.normalize(rows, dim=-1).half().cpu().numpy()
        return unit[: len(inputs)]

    return lambda inputs: np.concatenate([batch(inputs[at : at + size]) for at in range(0, len(inputs), size)])


# ------------------------------------------------------------------ the stage


@columns.stage(reads=("image_name", "image"), adds=("embedding", "pixel_hash"))
def embed(table: pa.Table, encoder: Encoder) -> pa.Table:
    """Add `embedding` (float16[dim], L2 norm 1) and `pixel_hash`, for deduplication; null where decoding fails."""
    read = decode(table["image"], lambda image: (encoder.prepare(image), pixel_hash(image)))
    failed = np.array([one is None for one in read], bool)
    rows = np.zeros((len(read), encoder.dim), np.float16)
    rows[~failed] = encoder.forward([one[0] for one in read if one is not None])
    hashes = [None if one is None else one[1] for one in read]
    return columns.add(table, embedding=as_column(rows, failed), pixel_hash=hashes)


def pixel_hash(image: Image) -> str:
    """SHA-256 of the size and the decoded RGB pixels: equal for files that differ in encoding or metadata only."""
    digest = hashlib.sha256(f"{image.mode} {image.size}".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def embed_shards(
    work: Path,
    model: str = MODEL,
    pretrained: str | None = PRETRAINED,
    device: str | None = None,
    precision: str | None = None,
    *,
    revision: str | None = None,
) -> int:
    """Embed every shard that has no current part in `columns/embed`; the number of images embedded now.

    The parts carry the model's name, its weights' commit or hash and the precision; changing any of them embeds
    again. Unless `precision` is given, a folder keeps the one it was begun with.
    """
    found = find_model(model, pretrained, revision, work)
    precision = precision or _begun_with(work, found) or _placement(device, None)[1]

    def start() -> Stage:
        encoder = _load(found, *_placement(device, precision))
        return lambda table: embed(table, encoder)

    return map_shards(work, "embed", found.made_from() | {"precision": precision}, start, desc="embed")


def _begun_with(work: Path, model: Model) -> str | None:
    """The precision of the first part that this model made in the folder; None if there is none."""
    for part in sorted((work / "columns" / "embed").glob("*.arrow")):
        made_from = columns.made_from(part)
        if made_from["model"] == model.name:
            return str(made_from["precision"])
    return None
