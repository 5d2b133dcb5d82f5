"""A small working folder for the tests of the release and of the loader, written with the project's own formats."""

import datetime
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import twigma
from twigma.builder.release.identity import Creator, Identity, init
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import write_part
from twigma.rehydrate.images import shards
from twigma.rehydrate.posts.removed_ids import hash_of

# What the datasets of the tests are; with a day, so that equal input gives equal bytes on any day.
IDENTITY = Identity(
    title="Pictures of one colour",
    name="one-colour",
    description="Pictures that hold one colour each.",
    creators=(Creator("The Analytical Society", is_organization=True),),
    contact="colours@example.org",
    license="CC-BY-4.0",
    source="Drawn by a program.",
    date=datetime.date(2026, 11, 28),
)
DIM = 16
FIRST = 1490000000000000001  # post ids of 19 digits, beyond what a float keeps
MEDIA = 1480000000000000000


def make_work(work: Path, posts: int = 30, local: bool = False) -> Path:
    """A working folder with `posts` posts of one photo (two on the first), in two shards, and every stage run.

    Row i has 10 i likes, or null for every fifth. Image 7 was not found, 8 has no embedding, 9 repeats image 1 exactly,
    10 nearly repeats 2; image 3 stands on the posts 3 and 11. With `local` the images were added by
    hand: they stand on no post, and their id is their name.
    """
    last = (
        _row(posts, local)
        if local
        else _row(0, local) | {"image_name": media_id(posts)}
    )
    rows = [*(_row(i, local) for i in range(posts)), last]
    if not local:
        rows[11]["image_name"] = media_id(3)
    names = [
        "id",
        "image_name",
        "created_at",
        "like_count",
        "quote_count",
        "reply_count",
        "retweet_count",
    ]
    names += [
        "possibly_sensitive",
        "source",
        "author_id",
        "follower_count",
        "text",
        "hashtags",
        "url",
    ]
    table = pa.table(
        {n: pa.array([r[n] for r in rows], columns.COLUMNS[n].type) for n in names}
    )
    write_parquet(work / "images.parquet", table)
    init(work, IDENTITY)
    media = list(dict.fromkeys(r["image_name"] for r in rows))
    for number, part in enumerate((media[::2], media[1::2])):
        write_shard(work, f"{number:05d}", part)
    write_stages(work, rows, media)
    return work


def media_id(i: int) -> str:
    """The media id of photo i."""
    return str(MEDIA + 7 * i)


def _row(i: int, local: bool) -> dict[str, Any]:
    if local:
        names = (
            "created_at",
            "like_count",
            "quote_count",
            "reply_count",
            "retweet_count",
            "possibly_sensitive",
        )
        names += ("author_id", "follower_count", "text", "hashtags", "url")
        return dict.fromkeys(names) | {
            "id": str(i + 1),
            "image_name": str(i + 1),
            "source": "local",
        }
    return {
        "id": str(FIRST + i),
        "image_name": media_id(i),
        "created_at": datetime.datetime(2021, 1, 31) + datetime.timedelta(days=3 * i),
        "like_count": None if i % 5 == 0 else 10 * i,
        "quote_count": 0,
        "reply_count": 1,
        "retweet_count": 2,
        "possibly_sensitive": i % 7 == 0,
        "source": "x",
        "author_id": str(900 + i % 4),
        "follower_count": 10 * i,
        "text": f"secret words of post {i} #aiart",
        "hashtags": ["aiart"],
        "url": f"https://pbs.twimg.com/media/{i}.jpg",
    }


def jpeg(name: str) -> bytes:
    """A picture of one colour, made from its name."""
    colour = tuple(int(name[-3:]) * k % 256 for k in (1, 3, 7))
    buffer = io.BytesIO()
    Image.new("RGB", (24, 16), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def write_shard(work: Path, name: str, media: list[str]) -> None:
    """One finished shard; image 7 answers with a failure."""
    shard = shards.shard_at(work, name)
    attempt = work / f"attempt-{name}"
    attempt.mkdir(parents=True, exist_ok=True)
    shard.tar.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with tarfile.open(attempt / shard.tar.name, "w") as tar:
        for at, key in enumerate(media):
            good, data = key != media_id(7), jpeg(key)
            rows.append(
                {
                    "key": str(at),
                    "image_name": key,
                    "status": "success" if good else "gone",
                }
            )
            if good:
                info = tarfile.TarInfo(f"{key}.jpg")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
                sha = shards.hashlib.sha256(data).hexdigest()
                rows[-1] |= {
                    "width": 24,
                    "height": 16,
                    "sha256": sha,
                    "member": info.name,
                }
    pq.write_table(
        pa.Table.from_pylist(rows, shards.SIDECAR), attempt / shard.sidecar.name
    )
    shards.publish(attempt, shard, {"list": name})
    attempt.rmdir()


def write_stages(work: Path, rows: list[dict[str, Any]], media: list[str]) -> None:
    """The parts of the five stages, as they would stand after their commands."""
    stored = [name for name in media if name != media_id(7)]
    vectors: list[Any] = list(
        np.random.default_rng(0).normal(size=(len(stored), DIM)).astype(np.float16)
    )
    if media_id(8) in stored:
        vectors[stored.index(media_id(8))] = None
    half = len(stored) // 2
    for number, at in enumerate((slice(0, half), slice(half, None))):
        names = pa.array(stored[at])
        made = {"model": "tiny", "revision": "abc", "shard": str(number)}
        table = pa.table(
            {
                "image_name": names,
                "embedding": pa.array(vectors[at], pa.list_(pa.float16(), DIM)),
            }
        )
        write_part(work / f"columns/embed/{number:05d}.arrow", table, made)
        captions = pa.table(
            {
                "image_name": names,
                "all_captions": [f"a picture of {name}" for name in stored[at]],
            }
        )
        write_part(
            work / f"columns/caption/{number:05d}.arrow", captions, {"model": "blip"}
        )
        score = pa.array([int(n[-2:]) / 100 for n in stored[at]], pa.float32())
        scores = pa.table({"image_name": names, "nsfw_score": score})
        write_part(
            work / f"columns/nsfw/{number:05d}.arrow",
            scores,
            {"model": "detector", "part": "x"},
        )
    _write_dedupe(work, rows)
    n = len(stored)
    cluster = {
        "image_name": stored,
        "label_10_cluster": pa.array([i % 3 + 1 for i in range(n)], pa.int32()),
    }
    cluster |= {
        f"UMAP_dim_{d}": pa.array(np.arange(n) / 10 * d, pa.float32()) for d in (1, 2)
    }
    write_part(
        work / "columns/cluster/part.arrow", pa.table(cluster), {"k": 3, "seed": 0}
    )


def _write_dedupe(work: Path, rows: list[dict[str, Any]]) -> None:
    of = {
        (9, media_id(9)): (1, "pixels"),
        (10, media_id(10)): (2, "near"),
        (11, media_id(3)): (3, "media_id"),
    }
    local = rows[0]["source"] == "local"
    found = [
        None if local else of.get((i, row["image_name"])) for i, row in enumerate(rows)
    ]
    table = pa.table(
        {
            "id": pa.array([row["id"] for row in rows], pa.string()),
            "image_name": [row["image_name"] for row in rows],
            "duplicate_of": pa.array(
                [each and media_id(each[0]) for each in found], pa.string()
            ),
            "duplicate_reason": pa.array(
                [each and each[1] for each in found], pa.string()
            ),
        }
    )
    write_part(work / "columns/dedupe/part.arrow", table, {"near": 0.05})


def remove(work: Path, *names: str) -> None:
    """Note removals as `twigma removals` does, and leave everything else as it is."""
    (work / "removed.json").write_text(
        json.dumps({"salt": "s", "hashes": [hash_of("s", name) for name in names]})
    )


def read(folder: Path, config: str = "metadata") -> pa.Table:
    """The tables of a release, by pyarrow alone."""
    files = sorted(folder.glob(f"{config}-*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder and its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def edit_json(path: Path, **values: Any) -> None:
    """Change some values of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def restate(release: Path, identity: Identity) -> None:
    """Let the manifest of a release say that it is another dataset."""
    edit_json(release / "MANIFEST.json", identity=identity.to_json())


def run(folder: Path, code: str, *options: str, **environment: str) -> str:
    """Run Python in a folder, offline and with a cache of its own, on the code under test; what it printed.

    Let the code read streams of `datasets` to their end: a scan of pyarrow that is left in the middle can abort Python
    while it exits (apache/arrow#45214).
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "TWIGMA_"))
    }
    kept["PYTHONPATH"] = str(Path(twigma.__path__[0]).parent)
    kept |= {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(
        command,
        cwd=folder,
        env=kept | environment,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
