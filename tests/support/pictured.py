"""A release with a map, embeddings and captions, and its working folder with pictures of most of its images."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from support import staging
from support.mapped import EVIL, planted_table, write_release
from twigma.builder.engine.vectors import as_column
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.rehydrate.posts.removed_ids import add_removed

N, ODD = 600, 500  # images, and how many have a name and texts of a stranger
REMOVED, FAILED, NOT_ASKED = 510, 511, 512
SENSITIVE = 513
PLAIN = 514  # an image about which nothing is special


def write_pictured(root: Path, model: Path | None = None) -> SimpleNamespace:
    """The folders `twigma` and `work` in `root`.

    Images that have a picture are embedded by `model`; without one, and else, embeddings are random.
    """
    table = planted_table(N, odd=ODD)
    score = np.full(N, 0.01, np.float32)
    score[SENSITIVE] = 0.99
    captions = [f"{EVIL} caption {i}" for i in range(N)]
    table = table.set_column(
        table.column_names.index("nsfw_score"), "nsfw_score", pa.array(score)
    ).append_column("all_captions", pa.array(captions))
    names = table["image_name"].to_pylist()
    rows = staging.units(np.random.default_rng(0), N)
    models = {}
    if model is not None:
        models, rows[ODD:] = _embedded(model)
    vectors = pa.table({"image_name": names, "embedding": as_column(rows)})
    release = write_release(
        root / "twigma", table, embeddings=vectors, models={"embed": models}
    )
    work = root / "work"
    pictures = {
        names[i]: staging.encode(staging.pixels(i))
        for i in range(ODD, N)
        if i != NOT_ASKED
    }
    pictures[names[FAILED]] = b"not a picture"
    staging.make_shard(work, "00000", pictures)
    texts = columns.add(
        table.select(["id", "image_name"]),
        text=[f"{EVIL} post {i}" for i in range(N)],
    )
    write_parquet(work / "images.parquet", texts)
    add_removed(work, [names[REMOVED]])
    return SimpleNamespace(
        release=release, work=work, names=names, rows=rows, table=table
    )


def _embedded(model: Path) -> tuple[dict[str, object], np.ndarray]:
    from PIL import Image

    from twigma.builder.models.clip_names import find_model
    from twigma.builder.stages.clip_encoder import load_on

    found = find_model(str(model), None)
    pictures = [Image.fromarray(staging.pixels(i)) for i in range(ODD, N)]
    return dict(found.provenance()), load_on(found, "cpu", "fp32").encode(pictures)
