"""Tars to embeddings on disk: `twigma embed` against open_clip on webdataset with worker processes, as one writes it.

The model is tiny, so that reading, decoding and resizing dominate, as they do beside a GPU. Ours also hashes every
tar and every picture; the peer does neither. Run: `python -m benchmarks.builder.embed`.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import open_clip
import torch
import webdataset
from safetensors.torch import save_file

from benchmarks.harness.interleaved import versus
from benchmarks.harness.photos import write_tars
from twigma.builder.engine.vectors import as_matrix
from twigma.builder.stages.embed import embed_shards
from twigma.core.parts import read_parts
from twigma.rehydrate.sources.own_files.add_images import add_tars

IMAGES, PER_TAR, BATCH, SIDE = 2_000, 500, 64, 512

Half = npt.NDArray[np.float16]


def write_model(folder: Path) -> str:
    """A CLIP of one narrow layer with an input of 224 pixels."""
    vision = {
        "image_size": 224,
        "layers": 1,
        "width": 64,
        "patch_size": 32,
        "head_width": 32,
    }
    text = {
        "context_length": 8,
        "vocab_size": 49408,
        "width": 32,
        "heads": 2,
        "layers": 1,
    }
    config = {"embed_dim": 64, "vision_cfg": vision, "text_cfg": text}
    folder.mkdir()
    torch.manual_seed(0)
    save_file(
        open_clip.CLIP(**config).state_dict(), folder / "open_clip_model.safetensors"
    )
    described = {"model_cfg": config, "preprocess_cfg": {}, "name": "narrow"}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    return str(folder)


def ours(tars: list[Path], model: str, work: Path) -> Half:
    """`twigma embed` of the folder, from nothing."""
    shutil.rmtree(work / "columns", ignore_errors=True)
    embed_shards(work, model, device="cpu")
    return as_matrix(read_parts(work / "columns" / "embed")["embedding"])


def peer(tars: list[Path], model: str, out: Path) -> Half:
    """open_clip's model and transform, webdataset, a DataLoader with a worker per CPU, and one .npy at the end."""
    network, _, transform = open_clip.create_model_and_transforms(f"local-dir:{model}")
    paths = [str(path) for path in tars]
    dataset = (
        webdataset.WebDataset(paths, shardshuffle=False)
        .decode("pil")
        .to_tuple("jpg")
        .map_tuple(transform)
    )
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=BATCH, num_workers=os.cpu_count() or 1
    )
    with torch.inference_mode():
        rows = [
            network.eval().encode_image(images, normalize=True).half().numpy()
            for (images,) in loader
        ]
    found = np.concatenate(rows)
    np.save(out / "peer.npy", found)
    return found


def quality(mine: Half, theirs: Half) -> str:
    """How alike the embeddings are; workers give theirs in another order."""
    some = mine[:PER_TAR].astype(np.float32)
    cosine = some @ theirs.T.astype(np.float32)
    best = cosine.max(axis=1)
    return f"{len(mine):,} and {len(theirs):,} embeddings, cosine to the peer's at least {best.min():.5f}"


def main() -> None:
    """Print the row."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        tars, model = (
            write_tars(home, IMAGES, PER_TAR, SIDE),
            write_model(home / "model"),
        )
        add_tars(home / "work", tars)
        name = f"embed {IMAGES:,} images, {SIDE} px | webdataset"
        versus(
            name,
            lambda: ours(tars, model, home / "work"),
            lambda: peer(tars, model, home),
            quality=quality,
        )


if __name__ == "__main__":
    main()
