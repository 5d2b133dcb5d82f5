"""A release with a map: clusters in places of their own, a month without images, missing values, odd names."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from twigma.builder.release.embedding_files import ROWS
from twigma.builder.release.tables import METADATA_ROWS, file_count, write_files

N = 3000
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


def write_release(folder: Path, table: pa.Table, **more: object) -> Path:
    """A release folder with this metadata; tables of `embeddings`, and what else its manifest states.

    Files are as `twigma release` writes them.
    """
    folder.mkdir(parents=True)
    tables = {"metadata": table}
    for config in [name for name in more if name.startswith("embeddings")]:
        tables[config] = more.pop(config)
    for config, rows in tables.items():
        _write_tables(folder, config, rows)
    listed = {}
    for path in sorted(folder.glob("*.parquet")):
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        listed[path.name] = {"sha256": digest, "bytes": len(content)}
    stated = {"dataset": "twigma", "version": "1.0.0", "files": listed}
    (folder / "MANIFEST.json").write_text(json.dumps(stated | more))
    return folder


def _write_tables(folder: Path, config: str, rows: pa.Table) -> None:
    is_metadata = config == "metadata"
    in_file = METADATA_ROWS if is_metadata else ROWS
    count = max(1, file_count(len(rows), in_file))

    def table_of(number: int) -> pa.Table:
        return rows.slice(number * in_file, in_file)

    write_files(folder, config, count, table_of, dictionary=is_metadata)


def planted_table(n: int = N, seed: int = 0, odd: int = 500) -> pa.Table:
    """Images in five clusters; the ids of the first `odd` are a stranger's."""
    rng = np.random.default_rng(seed)
    cluster = rng.choice(5, n, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    centres = rng.normal(0, 8, (5, 2))
    place = centres[cluster] + rng.normal(0, 1, (n, 2))
    place[:7] = np.nan  # not embedded
    begin = np.datetime64("2022-01-01", "ms").astype(np.int64)
    days = rng.integers(0, 400, n)
    days = np.where((days >= 59) & (days < 90), days + 31, days)  # no March
    likes = np.floor(np.exp(rng.normal(2, 1.6, n))).astype(int)
    likes[0] = 3_000_000
    names = [f"{EVIL}{i}" for i in range(odd)]
    names += [f"{1480000000000000000 + i}" for i in range(n)]
    names = names[:n]
    missing = rng.random(n) < 0.05
    return pa.table(
        {
            "id": names,
            "image_name": names,
            "created_at": pa.array(
                begin + days * 86_400_000, pa.timestamp("ms"), mask=missing
            ),
            "like_count": pa.array(likes, mask=missing),
            "label_10_cluster": pa.array(cluster + 1, pa.int32(), mask=missing),
            "nsfw_score": pa.array(rng.beta(0.5, 3, n).astype(np.float32)),
            "UMAP_dim_1": pa.array(place[:, 0].astype(np.float32), from_pandas=True),
            "UMAP_dim_2": pa.array(place[:, 1].astype(np.float32), from_pandas=True),
            "source": rng.choice(["x", "local"], n),
        }
    )
