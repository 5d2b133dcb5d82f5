"""Add the CLIP embedding of every image (ViT-L/14, as in the paper). Run by `twigma embed`."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.builder.engine.engine import Prepare, Stage, devices, map_shards
from twigma.builder.engine.pixels import decode, pixel_hash
from twigma.builder.engine.slices import Slice
from twigma.builder.engine.vectors import as_column
from twigma.builder.models.clip_names import (
    MODEL,
    PRETRAINED,
    Model,
    check_model,
    fetch_model,
    find_model,
)
from twigma.builder.models.model_licences import note_license
from twigma.builder.stages.clip_encoder import (
    RESIZES,
    Encoder,
    choose_placement,
    load_on,
)
from twigma.builder.stages.deviation import measure_deviation
from twigma.core import columns
from twigma.core.names import DEFAULT, with_name
from twigma.core.parts import last_settings, refuse_other_model
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.stage import stage
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.images.shards import require_shards

if TYPE_CHECKING:
    import torch

# Raise it when the same image and model get another embedding or pixel hash.
REVISION = 1


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
    name: str = DEFAULT,
    replace: bool = False,
    only: Slice | None = None,
) -> int:
    """Embed every shard that has no current part in `columns/embed`; the number of images embedded now.

    With a `name` it is `columns/embed-NAME`: embeddings of several models lie side by side. The parts carry the model's
    name, its weights' commit or hash, the precision and the way of resizing; changing how it is run embeds again. Where
    they are not named, a folder keeps the precision and resizing of its first part. With precision int8 its deviation
    is measured first (`deviation.py`), and is in the parts too. ValueError when the name holds embeddings by another
    model, unless it is to `replace` them.
    """
    work = Workspace(work)
    stage_called = with_name("embed", name)
    require_shards(work)  # before the Hub is asked for a model
    chosen = find_model(model, pretrained, revision, work)
    if not replace:
        refuse_other_model(work.stage_folder(stage_called), chosen.provenance())
    before = _first_settings(work.part_files(stage_called), chosen)
    if precision is None:
        precision = (
            before.get("precision") or choose_placement(devices(device)[0], None)[1]
        )
    if resize is None:
        resize = before.get("resize") or RESIZES[0]
    provenance = chosen.provenance()
    note_license(work, chosen.name, chosen.folder)
    provenance["code_revision"] = REVISION
    provenance["precision"] = precision
    provenance["resize"] = resize
    if precision == "int8":
        deviation = before.get("deviation")
        if deviation is None:
            deviation = measure_deviation(work, chosen, device, precision, resize)
        provenance["deviation"] = deviation
    return map_shards(
        work.path,
        stage_called,
        dict(provenance),
        partial(_start, chosen, precision, resize),
        desc=stage_called,
        engine=engine,
        device=device,
        prepare=Prepare(partial(fetch_model, chosen), partial(check_model, chosen)),
        only=only,
    )


def _start(model: Model, precision: str, resize: str, device: str | None) -> Stage:
    device, precision = choose_placement(device, precision)
    return partial(embed, encoder=load_on(model, device, precision, resize))


def _first_settings(parts: Iterable[Path], model: Model) -> dict[str, Any]:
    """How this model was run for the first of these parts that is its own and sound; empty if there is none."""
    for path in parts:
        settings = last_settings(path, "model", "precision", "resize", "deviation")
        if settings.get("model") == model.name:
            return settings
    return {}
