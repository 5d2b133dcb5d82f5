"""Add a caption written from the pixels (paper, section 2.2: BLIP). Run by `twigma caption`.

Any image-to-text model of transformers works by its Hub name or as a local folder, safetensors only: BLIP, BLIP-2, GIT
without a prompt, and models for chat (LLaVA, SmolVLM and newer ones), which are asked `QUESTION`.

Beam search with three beams and no sampling, so the same image gets the same words. Only inputs of one length share a
batch, so none is padded; for BLIP all are.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from PIL import Image

from twigma.builder.engine.engine import Prepare, Stage, map_shards
from twigma.builder.engine.pixels import decode
from twigma.builder.models import pinned_weights
from twigma.core import columns
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.stage import stage

if TYPE_CHECKING:
    import torch

MODEL = "Salesforce/blip-image-captioning-large"
NUM_BEAMS = 3
MAX_NEW_TOKENS = 20
QUESTION = "Describe the image in one short sentence."
ADAPTER = "adapter_config.json"
BATCH = {"cpu": 32, "cuda": 128}

Inputs = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True)
class Captioner:
    """An image-to-text model: `caption(list[Image]) -> list[str]`; `prepare` and `forward` are its two halves."""

    name: str
    prepare: Callable[[Image.Image], Inputs]
    forward: Callable[[Sequence[Inputs]], list[str]]

    def caption(self, images: Sequence[Image.Image]) -> list[str]:
        """One caption per RGB image, in order."""
        return self.forward([self.prepare(image) for image in images])


def load_captioner(
    model: str = MODEL,
    device: str | None = None,
    *,
    revision: str | None = None,
    work: Path | None = None,
) -> Captioner:
    """Load an image-to-text model by Hub name or local folder; bf16 on a GPU, fp32 on a CPU.

    OSError where weights cannot be fetched, ValueError where the folder holds no safetensors or no such model.
    """
    return _load(*_find(model, revision, work), device)


def _find(
    model: str, revision: str | None, work: Path | None
) -> tuple[str, Path | pinned_weights.Pin]:
    """Name of the model, and its folder or the commit to fetch."""
    folder = Path(model)
    if folder.is_dir():
        return folder.resolve().name, folder.resolve()
    if model.count("/") != 1 or model.startswith((".", "~")):
        raise FileNotFoundError(
            f"no model folder at {model}: expected a folder, or a Hub name like {MODEL}"
        )
    return model, pinned_weights.pin(
        work, model, model, revision, pinned_weights.TRANSFORMERS
    )


def _fetched(where: Path | pinned_weights.Pin) -> Path:
    """The folder with the model's files, fetched if they are not here."""
    folder = (
        pinned_weights.fetch_weights(where, pinned_weights.TRANSFORMERS)
        if isinstance(where, pinned_weights.Pin)
        else where
    )
    pinned_weights.weights_files(folder, pinned_weights.TRANSFORMERS)
    _is_whole(folder)
    return folder


def _is_whole(folder: Path) -> None:
    if (folder / ADAPTER).exists():
        raise ValueError(
            f"{folder / ADAPTER} takes the weights of another model: give one they are merged into"
        )


def _load(name: str, where: Path | pinned_weights.Pin, device: str | None) -> Captioner:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = _fetched(where)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    kind = device.partition(":")[0]
    dtype = torch.bfloat16 if kind == "cuda" else torch.float32
    own: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with pinned_weights.loading(f"the model {name} in {folder}"):
        loader: Any = AutoProcessor
        processor = loader.from_pretrained(folder, **own)
        loader = AutoModelForImageTextToText
        network = loader.from_pretrained(
            folder, **own, use_safetensors=True, dtype=dtype
        )
    network = network.eval().to(device)
    turn, size = threading.Lock(), BATCH.get(kind, BATCH["cpu"])
    prompt = _prompt(processor)

    def batch(inputs: Sequence[Inputs]) -> list[str]:
        filled = [*inputs, *[inputs[0]] * (size - len(inputs))]
        joined = {
            key: torch.cat([one[key] for one in filled]).to(device) for key in inputs[0]
        }
        joined = {
            key: value.to(dtype) if value.is_floating_point() else value
            for key, value in joined.items()
        }
        with turn, torch.inference_mode():
            tokens = network.generate(
                **joined,
                num_beams=NUM_BEAMS,
                max_new_tokens=MAX_NEW_TOKENS,
                do_sample=False,
            )
        new = tokens[
            : len(inputs), 0 if prompt is None else joined["input_ids"].shape[1] :
        ]
        texts = processor.batch_decode(new, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]

    def forward(inputs: Sequence[Inputs]) -> list[str]:
        words: dict[int, str] = {}
        for places in _alike(inputs):
            for at in range(0, len(places), size):
                some = places[at : at + size]
                words.update(
                    zip(some, batch([inputs[place] for place in some]), strict=True)
                )
        return [words[place] for place in range(len(inputs))]

    return Captioner(
        name,
        lambda image: dict(
            processor(images=image, return_tensors="pt", **_text(prompt))
        ),
        forward,
    )


def _prompt(processor: Any) -> str | None:
    """The question in the words of a model for chat; None where the model needs none."""
    if not getattr(processor, "chat_template", None):
        return None
    said = {
        "role": "user",
        "content": [{"type": "image"}, {"type": "text", "text": QUESTION}],
    }
    return str(processor.apply_chat_template([said], add_generation_prompt=True))


def _text(prompt: str | None) -> dict[str, str]:
    return {} if prompt is None else {"text": prompt}


def _alike(inputs: Sequence[Inputs]) -> list[list[int]]:
    """The places of inputs of equal shapes, so that each group makes batches without padding."""
    groups: dict[Any, list[int]] = {}
    for place, one in enumerate(inputs):
        groups.setdefault(
            tuple((key, tuple(value.shape)) for key, value in sorted(one.items())), []
        ).append(place)
    return list(groups.values())


# ------------------------------------------------------------------ the stage


@stage(reads=("image_name", "image"), adds=("all_captions",))
def caption(table: pa.Table, captioner: Captioner) -> pa.Table:
    """Add `all_captions`, a short English text; null where decoding fails."""
    read = decode(
        table["image"], lambda pixels: captioner.prepare(Image.fromarray(pixels))
    )
    words = iter(captioner.forward([one for one in read if one is not None]))
    return columns.add(
        table, all_captions=[None if one is None else next(words) for one in read]
    )


def caption_shards(
    work: Path,
    model: str = MODEL,
    device: str | None = None,
    *,
    revision: str | None = None,
    engine: Engine = LOCAL,
) -> int:
    """Caption every shard that has no current part in `columns/caption`; the number of images captioned now."""
    name, where = _find(model, revision, work)
    settings: dict[str, Any] = {
        "model": name,
        "num_beams": NUM_BEAMS,
        "max_new_tokens": MAX_NEW_TOKENS,
    }
    if isinstance(where, pinned_weights.Pin):
        settings |= {"revision": where.revision}
    else:
        settings |= {
            "sha256": pinned_weights.hash_of(
                pinned_weights.weights_files(where, pinned_weights.TRANSFORMERS)
            )
        }
    start = partial(_start, name, where)
    prepare = Prepare(partial(_fetched, where), lambda: None)
    return map_shards(
        work,
        "caption",
        settings,
        start,
        desc="caption",
        engine=engine,
        device=device,
        prepare=prepare,
    )


def _start(name: str, where: Path | pinned_weights.Pin, device: str | None) -> Stage:
    return partial(caption, captioner=_load(name, where, device))
