"""Add a caption written from the pixels (by BLIP, as in the paper). Run by `twigma caption`.

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

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from twigma.builder.engine.engine import Prepare, Stage, map_shards
from twigma.builder.engine.pixels import decode
from twigma.builder.engine.slices import Slice
from twigma.builder.models import pinned_weights
from twigma.builder.models.model_licences import note_license
from twigma.core import columns
from twigma.core.names import DEFAULT, with_name
from twigma.core.parts import Provenance, refuse_other_model
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.stage import stage
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.images.shards import require_shards

if TYPE_CHECKING:
    import torch

REVISION = 1  # raise it when the same image and model get another caption
MODEL = "Salesforce/blip-image-captioning-large"
NUM_BEAMS = 3
MAX_NEW_TOKENS = 20
QUESTION = "Describe the image in one short sentence."
ADAPTER = "adapter_config.json"
BATCH = {"cpu": 32, "cuda": 128}

Inputs = Mapping[str, "torch.Tensor"]  # of one image, by argument of the network
Source = Path | pinned_weights.Pin  # a model's folder, or the commit to download


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
    work: AnyWorkspace | None = None,
) -> Captioner:
    """Load an image-to-text model by Hub name or local folder; bf16 on a GPU, fp32 on a CPU.

    OSError where weights cannot be downloaded, ValueError where the folder holds no safetensors or no such model.
    """
    name, source = _resolve(model, revision, work)
    return _load(name, source, device)


def _resolve(
    model: str, revision: str | None, work: AnyWorkspace | None
) -> tuple[str, Source]:
    """Name of the model, and its folder or the commit to download."""
    folder = Path(model)
    if folder.is_dir():
        return folder.resolve().name, folder.resolve()
    if model.count("/") != 1 or model.startswith((".", "~")):
        raise FileNotFoundError(
            f"no model folder at {model}: expected a folder, or a Hub name like {MODEL}"
        )
    pin = pinned_weights.pin(work, model, model, revision, pinned_weights.TRANSFORMERS)
    return model, pin


def _fetch(source: Source) -> Path:
    """The folder with the model's files, downloaded if they are not here; ValueError without weights of its own."""
    folder = source
    if isinstance(folder, pinned_weights.Pin):
        folder = pinned_weights.fetch_weights(folder, pinned_weights.TRANSFORMERS)
    pinned_weights.weights_files(folder, pinned_weights.TRANSFORMERS)
    if (folder / ADAPTER).exists():
        raise ValueError(
            f"{folder / ADAPTER} takes the weights of another model: use a model with the adapter merged into it"
        )
    return folder


# ------------------------------------------------------------------ inference


def _load(name: str, source: Source, device: str | None) -> Captioner:
    import torch

    folder = _fetch(source)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    kind = device.partition(":")[0]
    dtype = torch.bfloat16 if kind == "cuda" else torch.float32
    processor, network = _read_model(name, folder, dtype)
    network = network.eval().to(device)
    prompt = _prompt(processor)
    arguments = {} if prompt is None else {"text": prompt}

    def prepare(image: Image.Image) -> Inputs:
        return dict(processor(images=image, return_tensors="pt", **arguments))

    def generate(inputs: Sequence[Inputs]) -> list[str]:
        batch = _joined(inputs, device, dtype)
        tokens = network.generate(
            **batch,
            num_beams=NUM_BEAMS,
            max_new_tokens=MAX_NEW_TOKENS,
            do_sample=False,
        )
        if prompt is not None:  # a model for chat repeats the question first
            tokens = tokens[:, batch["input_ids"].shape[1] :]
        texts = processor.batch_decode(tokens, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]

    return Captioner(name, prepare, _batched(generate, BATCH.get(kind, BATCH["cpu"])))


def _read_model(name: str, folder: Path, dtype: "torch.dtype") -> tuple[Any, Any]:
    """Processor and network of transformers, from this folder and without code of its own."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    # Their loaders are untyped.
    load_processor: Any = AutoProcessor.from_pretrained
    load_network: Any = AutoModelForImageTextToText.from_pretrained
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with pinned_weights.loading(f"the model {name} in {folder}"):
        processor = load_processor(folder, **local)
        network = load_network(folder, **local, use_safetensors=True, dtype=dtype)
    return processor, network


def _joined(
    inputs: Sequence[Inputs], device: str, dtype: "torch.dtype"
) -> dict[str, "torch.Tensor"]:
    """The inputs of equal shapes as one batch on the device, numbers in the precision of the network."""
    import torch

    batch = {}
    for name in inputs[0]:
        value = torch.cat([one[name] for one in inputs]).to(device)
        batch[name] = value.to(dtype) if value.is_floating_point() else value
    return batch


def _batched(
    generate: Callable[[Sequence[Inputs]], list[str]], size: int
) -> Callable[[Sequence[Inputs]], list[str]]:
    """Texts of any inputs, in their order: those of equal shapes in batches of exactly `size`, one batch at a time.

    The last batch is filled with its first input, so that a text does not depend on what shares its batch.
    """
    import torch

    turn = threading.Lock()

    def forward(inputs: Sequence[Inputs]) -> list[str]:
        texts: dict[int, str] = {}
        for group in _equal_shapes(inputs):
            for at in range(0, len(group), size):
                places = group[at : at + size]
                batch = [inputs[place] for place in places]
                padding = [batch[0]] * (size - len(batch))
                with turn, torch.inference_mode():
                    made = generate([*batch, *padding])
                texts.update(zip(places, made, strict=False))
        return [texts[place] for place in range(len(inputs))]

    return forward


def _prompt(processor: Any) -> str | None:
    """The question in the words of a model for chat; None where the model needs none."""
    if not getattr(processor, "chat_template", None):
        return None
    content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
    message = {"role": "user", "content": content}
    return str(processor.apply_chat_template([message], add_generation_prompt=True))


def _equal_shapes(inputs: Sequence[Inputs]) -> list[list[int]]:
    """The places of inputs of equal shapes, so that each group makes batches without padding."""
    groups: dict[Any, list[int]] = {}
    for place, one in enumerate(inputs):
        shapes = tuple((name, tuple(one[name].shape)) for name in sorted(one))
        groups.setdefault(shapes, []).append(place)
    return list(groups.values())


# ------------------------------------------------------------------ the stage


@stage(reads=("image_name", "image"), adds=("all_captions",))
def caption(table: pa.Table, captioner: Captioner) -> pa.Table:
    """Add `all_captions` (string), a short English text, to a table of one row per image; null where decoding fails."""

    def prepare(pixels: npt.NDArray[np.uint8]) -> Inputs:
        return captioner.prepare(Image.fromarray(pixels))

    decoded = decode(table["image"], prepare)
    inputs = [image for image in decoded if image is not None]
    texts = iter(captioner.forward(inputs))
    captions = [None if image is None else next(texts) for image in decoded]
    return columns.add(table, all_captions=captions)


def caption_shards(
    work: AnyWorkspace,
    model: str = MODEL,
    device: str | None = None,
    *,
    revision: str | None = None,
    engine: Engine = LOCAL,
    name: str = DEFAULT,
    replace: bool = False,
    only: Slice | None = None,
) -> int:
    """Caption every shard that has no current part in `columns/caption`; the number of images captioned now.

    With a `name` it is `columns/caption-NAME`: captions of several models lie side by side. ValueError when the name
    holds captions by another model, unless it is to `replace` them.
    """
    work = Workspace(work)
    stage_called = with_name("caption", name)
    require_shards(work)  # before the Hub is asked for a model
    called, source = _resolve(model, revision, work)
    if isinstance(source, pinned_weights.Pin):
        provenance = source.provenance(called)
    else:
        note_license(work, called, source)
        provenance = _provenance_of_folder(called, source)
    if not replace:
        refuse_other_model(work.stage_folder(stage_called), provenance)
    provenance["code_revision"] = REVISION
    provenance["num_beams"] = NUM_BEAMS
    provenance["max_new_tokens"] = MAX_NEW_TOKENS
    return map_shards(
        work.path,
        stage_called,
        dict(provenance),
        partial(_start, called, source),
        desc=stage_called,
        engine=engine,
        device=device,
        prepare=Prepare(partial(_fetch, source), lambda: None),
        only=only,
    )


def _provenance_of_folder(name: str, folder: Path) -> Provenance:
    """The hashes of a local model's weights and configuration."""
    files = pinned_weights.weights_files(folder, pinned_weights.TRANSFORMERS)
    provenance = Provenance(model=name, sha256=pinned_weights.hash_of(files))
    # Size of the images, tokenizer, words to begin with: they decide what the weights make of an image.
    configs = sorted(folder.glob("*.json"))
    provenance["config"] = pinned_weights.hash_of(configs)
    return provenance


def _start(name: str, source: Source, device: str | None) -> Stage:
    return partial(caption, captioner=_load(name, source, device))
