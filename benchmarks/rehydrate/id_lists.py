"""Lists of 600,000 post ids: read, checked line by line and tested for damage, against the same checks around pandas.

Measured on 30 November 2026, CPU seconds of pandas and of ours: plain text 0.91 and 0.63, a CSV of one column 0.80 and
0.54, a CSV with quoted texts 0.92 and 0.81. Run: `python -m benchmarks.rehydrate.id_lists [IDS]`.
"""

import random
import sys
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.harness.interleaved import versus
from twigma.rehydrate.ids.post_ids import read_ids

IDS = 600_000


def write_lists(folder: Path, count: int) -> dict[str, Path]:
    """Lists of the same ids in three forms, by what they are."""
    rng = random.Random(0)
    ids = [str(rng.randrange(1 << 60, 1 << 61)) for _ in range(count)]
    texts = {
        "plain text": ids,
        "CSV, one column": ["id", *ids],
        "CSV, quoted texts": [
            "id,like_count,text",
            *(f'{name},7,"a fox, {at}"' for at, name in enumerate(ids)),
        ],
    }
    paths: dict[str, Path] = {}
    for name, lines in texts.items():
        paths[name] = folder / f"{len(paths)}.csv"
        paths[name].write_text("\n".join(lines) + "\n", "utf-8")
    return paths


def read_distinct(path: Path) -> tuple[list[str], int]:
    """The distinct ids, and how many lines hold none."""
    ids, skipped = read_ids(path)
    return ids, skipped.total


def read_checked(path: Path, has_header: bool) -> tuple[list[str], int]:
    """What a careful user writes around pandas: the distinct ids, and how many lines hold none.

    A list in which more ids are multiples of 1,000 than in any real one was rounded: ValueError.
    """
    header = 0 if has_header else None
    frame = pd.read_csv(
        path, dtype=str, keep_default_na=False, header=header, usecols=[0]
    )
    column = frame.iloc[:, 0].str.strip()
    is_id = column.str.fullmatch("[0-9]{1,20}")
    ids = column[is_id].drop_duplicates()
    numbers = ids.astype("uint64")
    if (numbers % 1000 == 0).mean() > 0.01:
        raise ValueError(f"{path}: ids were rounded")
    return ids.tolist(), int((~is_id).sum())


def main(count: int) -> None:
    """Print a row for each form."""
    with tempfile.TemporaryDirectory() as folder:
        for name, path in write_lists(Path(folder), count).items():
            compare(name, path, has_header=name != "plain text")


def compare(name: str, path: Path, *, has_header: bool) -> None:
    """Print the row of one form."""
    versus(
        name,
        lambda: read_distinct(path),
        lambda: read_checked(path, has_header),
        quality=lambda ours, theirs: f"equal: {ours == theirs}",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else IDS)
