"""A small release, its working folder and three reference sets, with structure planted in random unit vectors."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support.mapped import planted_table, write_release

from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import write_part

EVIL = '=1+1<script>alert("x")</script><img src=http://evil.invalid/x onerror=alert(1)>\u202egnp.\x07'
DIM, CENTRES = 32, 4
GROWTH, MONTHS = 0.12, 14


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def embedding_column(x):
    return pa.FixedSizeListArray.from_arrays(
        pa.array(x.astype(np.float16).ravel()), x.shape[1]
    )


def table(**values):
    built = pa.table({"image_name": values.pop("image_name")})
    return columns.add(built, **values)


def write_reference(folder: Path, vectors, groups, first):
    names = pa.array([str(first + i) for i in range(len(vectors))])
    rows = (
        table(image_name=names, id=names, group=groups)
        if groups is not None
        else table(image_name=names, id=names)
    )
    write_parquet(folder / "images.parquet", rows)
    part = pa.table({"image_name": names, "embedding": embedding_column(vectors)})
    write_part(folder / "columns" / "embed" / "00000.arrow", part, {"model": "planted"})
    scores = pa.table(
        {
            "image_name": names,
            "nsfw_score": pa.array(np.full(len(names), 0.1, np.float32)),
        }
    )
    write_part(
        folder / "columns" / "nsfw" / "00000.arrow", scores, {"model": "planted"}
    )


def plant(root: Path, seed: int = 5) -> SimpleNamespace:
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(CENTRES, DIM)))
    per_month = np.round(30 * (1 + GROWTH) ** np.arange(MONTHS)).astype(int)
    month = np.repeat(np.arange(MONTHS), per_month)
    n = len(month)
    weights = np.array(
        [[0.4 - 0.02 * m, 0.2, 0.2, 0.2 + 0.02 * m] for m in range(MONTHS)]
    )
    cluster = np.array([rng.choice(CENTRES, p=weights[m]) for m in month])
    vectors = unit(centres[cluster] + 0.12 * rng.normal(size=(n, DIM)))
    photographs = unit(
        centres[0]
        + 0.4 * unit(rng.normal(size=(1, DIM)))
        + 0.25 * rng.normal(size=(150, DIM))
    )
    artists = np.repeat(np.arange(10), 15)
    paintings = unit(
        centres[1]
        + (0.2 * rng.normal(size=(10, DIM)))[artists]
        + 0.08 * rng.normal(size=(150, DIM))
    )
    prompts = unit(
        centres[rng.integers(0, CENTRES, 15)].repeat(10, 0)
        + 0.1 * rng.normal(size=(150, DIM))
    )
    top5 = np.sort(vectors.astype(np.float16).astype(np.float32) @ paintings.T, axis=1)[
        :, -5:
    ].mean(1)
    quintile = pd.qcut(top5, 5, labels=False) + 1
    author = rng.integers(0, 120, n)
    followers = np.array([100, 1000, 20_000])[author % 3]
    mean = (
        20
        * np.array([1.5, 1.25, 1.0, 1.0, 1.0])[quintile - 1]
        * np.where(followers > 5000, 3.0, 1.0)
    )
    start = np.datetime64("2022-01-01", "ms")
    created = (start.astype("M8[M]") + month).astype("M8[ms]") + rng.integers(
        0, 27 * 86_400_000, n
    ).astype("m8[ms]")
    second = np.arange(n) % 10 == 1  # a second photo on the post before it
    created[second] = created[np.flatnonzero(second) - 1]
    order = np.argsort(created, kind="stable")
    names = np.array([str(10_000 + i) for i in range(n)])
    words = np.array(["castle", "robot", "portrait", "forest"])
    captions = [
        f"araffe there is a painting of a {words[c]} {words[c]} and a woman"
        for c in cluster
    ]
    captions[order[0]] = EVIL
    text = [f"New AI art by @someone https://t.co/{i} prompt #aiart" for i in range(n)]
    text[order[0]] = EVIL
    likes = [None if i % 50 == 0 else int(x) for i, x in enumerate(rng.poisson(mean))]
    rows = table(
        image_name=pa.array(names),
        id=pa.array([str(500_000 + i - second[i]) for i in range(n)]),
        created_at=pa.array(created),
        like_count=pa.array(likes, pa.int64()),
        quote_count=pa.array(np.zeros(n, np.int64)),
        reply_count=pa.array(np.zeros(n, np.int64)),
        all_captions=captions,
        label_10_cluster=(cluster + 1).tolist(),
        possibly_sensitive=[False] * n,
        nsfw_score=np.where(cluster == 3, 0.9, 0.05).tolist(),
        UMAP_dim_1=(cluster + month / 20).tolist(),
        UMAP_dim_2=rng.normal(size=n).tolist(),
    ).take(pa.array(order))
    release, work, refs = root / "release", root / "work", root / "refs"
    write_parquet(release / "metadata-00000.parquet", rows)
    vector_rows = pa.table(
        {"image_name": names, "embedding": embedding_column(vectors)}
    )
    write_parquet(release / "embeddings-00000.parquet", vector_rows)
    private = {
        "author_id": author.astype(str).tolist(),
        "follower_count": followers.tolist(),
        "text": text,
    }
    hydrated = columns.add(pa.table({"image_name": names}), **private)
    keyed = rows.select(["id", "image_name"])
    write_parquet(work / "images.parquet", columns.join(keyed, hydrated))
    write_reference(refs / "photographs", photographs, None, 1)
    artist_names = [f"Artist {a}" if a % 2 else EVIL for a in artists]
    write_reference(refs / "paintings", paintings, artist_names, 1001)
    write_reference(
        refs / "prompts",
        prompts,
        [" ".join(["word"] * (1 + i // 10)) for i in range(150)],
        2001,
    )
    references = {name: refs / name for name in ("photographs", "paintings", "prompts")}
    return SimpleNamespace(
        release=release, work=work, references=references, rows=rows, per_month=per_month, vectors=vectors,
        sets={"photographs": photographs, "paintings": paintings, "prompts": prompts}, names=names, evil=EVIL,
    )  # fmt: skip


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("planted"))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def analysed(planted, tmp_path_factory):
    from twigma.analysis.analyze import analyze

    out = tmp_path_factory.mktemp("report")
    # The linear map: a UMAP takes seconds, and has tests of its own.
    results = analyze(
        planted.release,
        out,
        work=planted.work,
        references=planted.references,
    )
    return SimpleNamespace(out=out, results=results)


@pytest.fixture(scope="session")
def mapped(tmp_path_factory):
    """A release with a map and odd names, without a working folder."""
    folder = tmp_path_factory.mktemp("mapped") / "twigma"
    return write_release(folder, planted_table())
