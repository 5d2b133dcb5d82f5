"""Lists of 600,000 post ids: read, checked line by line and tested for damage, against a reader that checks nothing.

Measured on 29 November 2026, CPU seconds before and after lines without quotes were read at once: plain text 4.3 and
2.1, a CSV of one column 4.1 and 1.9, a CSV with quoted texts 5.5 and 4.4. Run: `python -m benchmarks.rehydrate.id_lists
[IDS]`.
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


def read_unchecked(path: Path, has_header: bool) -> list[str]:
    """The first column as pandas reads it."""
    header = 0 if has_header else None
    frame = pd.read_csv(path, dtype=str, header=header, usecols=[0])
    ids: list[str] = frame.iloc[:, 0].tolist()
    return ids


def main(count: int) -> None:
    """Print a row for each form."""
    with tempfile.TemporaryDirectory() as folder:
        for name, path in write_lists(Path(folder), count).items():
            has_header = name != "plain text"
            versus(
                name,
                lambda path=path: read_ids(path)[0],
                lambda path=path, has=has_header: read_unchecked(path, has),
                quality=lambda ours, theirs: f"equal: {ours == theirs}",
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else IDS)
