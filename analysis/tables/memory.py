"""How much memory an analysis needs, by its rows and columns, and how much there is: told before anything is decoded.

Embeddings and columns are mapped and take none; what figures make of them for a while does.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from twigma.analysis.tables.rows import table_files
from twigma.core.machine import available_memory
from twigma.core.names import DEFAULT, with_name
from twigma.core.tables import nearest_folder
from twigma.core.values import size_text

GB = 1e9

# Measured by `benchmarks/growth.py`: what a figure holds of every row at its peak, and what no row adds to.
BYTES_A_ROW = 700
BYTES_AT_LEAST = 0.6e9
# On the disk, beside embeddings: of columns that are decoded, private ones twice.
DECODED_A_ROW = 800


class Need(NamedTuple):
    """Rows of a release, and the bytes of memory and of disk that an analysis of them takes."""

    rows: int
    memory: float
    disk: float


def needed(release: Path, embedding: str = DEFAULT) -> Need:
    """What a release with the embeddings of a name needs, by the footers of its files alone."""
    metadata = table_files(release, "metadata")
    rows = sum(pq.read_metadata(file).num_rows for file in metadata)
    # Embeddings hardly shrink: decoded, they are about as large as their files.
    embeddings = table_files(release, with_name("embeddings", embedding))
    vectors = sum(file.stat().st_size for file in embeddings)
    return Need(
        rows, BYTES_AT_LEAST + BYTES_A_ROW * rows, DECODED_A_ROW * rows + vectors
    )


def require(need: Need, folder: Path) -> None:
    """ValueError where there is less memory, or less room on the disk of a folder, than is needed."""
    there = available_memory()
    advice = (
        "analyse a part of it with --select FILE (`twigma explore` saves one, any list of ids will do), or one figure "
        "with `twigma.analysis.figure`"
    )
    if there is not None and need.memory > there:
        raise ValueError(
            f"{need.rows:,} rows need about {need.memory / GB:.1f} GB of memory, and {there / GB:.1f} GB are "
            f"available: use a machine with more, or {advice}"
        )
    room = shutil.disk_usage(nearest_folder(folder)).free
    if need.disk > room:
        raise ValueError(
            f"{need.rows:,} rows are decoded to {size_text(need.disk)} on the disk of {folder}, which has "
            f"{size_text(room)}: write the report to a larger disk (--out), or {advice}"
        )
