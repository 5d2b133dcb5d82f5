"""`load_dataset("twigma")` of a release the size of the paper's, cold, against `load_dataset("parquet")` on its files.

Goal: at most 1.5 times the plain loader (ours also compares the files with MANIFEST.json), that is a ratio of at least
0.67. Run: `python benchmarks/load.py`.
"""

import itertools
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from versus import versus

import twigma
from twigma import columns

ROWS, FILE_ROWS, ROW_GROUP = 805_650, 500_000, 50_000
FIRST_ID = 1_350_000_000_000_000_000
WORDS = ("a", "the", "of", "with", "in", "painting", "woman", "man", "hair", "robot", "castle", "cat", "forest")


def synthetic(rows: int) -> pa.Table:
    """Metadata of so many images: ids and counts like the published ones, captions of eight words, a tenth null."""
    rng = np.random.default_rng(0)
    ids = FIRST_ID + np.cumsum(rng.integers(1, 2**38, rows))
    captions = [" ".join(words) for words in np.array(WORDS)[rng.integers(len(WORDS), size=(rows, 8))]]
    values: dict[str, Any] = {
        "id": ids.astype(str),
        "image_name": (ids - rng.integers(1, 2**30, rows)).astype(str),
        "created_at": (ids >> 22) + 1_288_834_974_657,
        "all_captions": captions,
        "label_10_cluster": rng.integers(1, 11, rows),
        "possibly_sensitive": rng.random(rows) < 0.1,
        "source": np.full(rows, "x"),
    }
    made = {name: values.get(name, rng.lognormal(1, 1.5, rows)) for name in columns.METADATA}
    unknown = rng.random(rows) < 0.1
    arrays = [_column(name, column, unknown) for name, column in made.items()]
    return pa.table(arrays, schema=columns.schema(columns.METADATA))


def _column(name: str, values: Any, unknown: Any) -> pa.Array:
    mask = None if name in ("id", "image_name", "created_at", "source") else unknown
    return pa.array(values, mask=mask).cast(columns.COLUMNS[name].type, safe=False)


def write_release(folder: Path, table: pa.Table) -> list[str]:
    """The files of a release that the loader reads: metadata and MANIFEST.json."""
    paths = []
    for number, at in enumerate(range(0, len(table), FILE_ROWS)):
        paths.append(folder / "metadata" / f"metadata-train-{number:05d}-of-00002.parquet")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.slice(at, FILE_ROWS), paths[-1], compression="zstd", row_group_size=ROW_GROUP)
    files = {f"metadata/{p.name}": {"bytes": p.stat().st_size, "sha256": twigma.sha256(p)} for p in paths}
    columns.write_json(folder / "MANIFEST.json", {"dataset": "twigma", "version": "1.0.0", "files": files})
    return [str(path) for path in paths]


def main() -> None:
    """Write the release to a temporary folder, then print the row."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HF_HOME": f"{folder}/hf", "HF_HUB_OFFLINE": "1"}  # before `datasets` is imported
        import datasets

        datasets.disable_progress_bars()
        paths = write_release(Path(folder, "twigma"), synthetic(ROWS))
        number = itertools.count()

        def load(name: str, **where: Any) -> pa.Table:
            cache = f"{folder}/cache{next(number)}"  # new, so that the load is cold
            return datasets.load_dataset(name, split="train", cache_dir=cache, **where).data.table

        def quality(ours: pa.Table, theirs: pa.Table) -> str:
            size = sum(Path(path).stat().st_size for path in paths) / 1e6
            return f"rows equal: {ours.equals(theirs)} ({len(ours):,}, {size:.0f} MB of Parquet)"

        versus(
            f'load_dataset, {ROWS:,} rows, cold | "parquet"',
            lambda: load("twigma", data_dir=f"{folder}/twigma"),
            lambda: load("parquet", data_files=paths),
            quality=quality,
        )


if __name__ == "__main__":
    main()
