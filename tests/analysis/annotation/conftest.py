"""A release of 600 images by 60 authors with a detector that errs in a known way, and the pictures of some of them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support import staging

from twigma.analysis.annotation.draw_sheets import draw_sheets
from twigma.core import columns
from twigma.core.files import write_parquet

EVIL = "<img src=http://evil.invalid/x onerror=alert(1)>'\"</script><script>alert(2)</script>"
N, AUTHORS = 600, 60


def plant(folder, seed=2):
    rng = np.random.default_rng(seed)
    sensitive = rng.random(N) < 0.3
    flagged = rng.random(N) < np.where(sensitive, 0.8, 0.15)
    score = ((flagged + rng.random(N)) / 2).astype(np.float32)
    names = [str(10_000 + i) for i in range(N)]
    month = np.datetime64("2022-01", "M") + rng.integers(0, 6, N)
    rows = columns.add(
        pa.table({"image_name": names}),
        id=[str(500_000 + i) for i in range(N)],
        created_at=pa.array(month.astype("M8[ms]")),
        all_captions=[EVIL if i % 2 else None for i in range(N)],
        label_10_cluster=rng.integers(1, 4, N).tolist(),
        possibly_sensitive=[False] * N,
        nsfw_score=pa.array(score),
    )
    write_parquet(folder / "release" / "metadata-00000.parquet", rows)
    private = columns.add(
        rows.select(["id", "image_name"]),
        author_id=rng.integers(0, AUTHORS, N).astype(str).tolist(),
    )
    write_parquet(folder / "work" / "images.parquet", private)
    return SimpleNamespace(
        folder=folder,
        release=folder / "release",
        work=folder / "work",
        truth=dict(zip(names, sensitive, strict=True)),
        score=dict(zip(names, score, strict=True)),
        share=sensitive.mean(),
        rows=rows,
    )


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("labels"))


@pytest.fixture
def sheets(planted, tmp_path):
    """Two annotators' blank sheets of 120 images."""
    draw_sheets(
        planted.release,
        tmp_path / "sheets",
        column="nsfw_score",
        n=120,
        work=planted.work,
        annotators=2,
    )
    return tmp_path / "sheets"


@pytest.fixture
def small(planted, tmp_path):
    """A blank sheet of 14 images whose pictures are stored: red where sensitive, blue where not."""
    folder = tmp_path / "small"
    draw_sheets(
        planted.release,
        folder,
        column="nsfw_score",
        n=14,
        annotators=1,
        question=f"Sensitive? {EVIL}",
    )
    names = pd.read_csv(folder / "key.csv", dtype=str)["image_name"]
    pictures = {}
    for name in names[1:]:  # the first one is not stored
        colour = (200, 30, 30) if planted.truth[name] else (30, 30, 200)
        pixels = np.full((40, 60, 3), colour, np.uint8)
        pictures[name] = staging.encode(pixels, "JPEG")
    staging.make_shard(tmp_path / "pictures", "00000", pictures)
    return SimpleNamespace(folder=folder, work=tmp_path / "pictures")


def fill(folder, number, answer, truth):
    """Fill a sheet as a spreadsheet would: ids rounded, labels as numbers, rows in another order."""
    path = folder / f"annotator-{number}.csv"
    rows = pd.read_csv(path, dtype=str).sort_values("item", ascending=False)
    names = pd.read_csv(folder / "key.csv", dtype=str).set_index("item")["image_name"]
    rows["label"] = [answer(truth[names[item]], item) for item in rows["item"]]
    rounded = [f"{float(name):.2E}" for name in rows["image_name"]]
    rows.assign(image_name=rounded, id="5.00E+05").to_csv(path, index=False)
