"""Lists of ids: exact strings through every format, broken rows set aside by line (rows 26 and 27)."""

import contextlib
import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.rehydrate.ids.post_ids import read_ids
from twigma.rehydrate.sources.x.lookup import write_outcomes

from .fetching import twigma
from .table import Measured, row

EDGES = [
    "1",
    "20",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551615",
    "99999999999999999999",
]

# ------------------------------------------------------------------ 26: exact strings


@row(
    26,
    "ids through every format",
    "100% exact strings",
    quick=20_000,
    default=200_000,
    long=1_000_000,
)
def every_format(count: int, folder: Path) -> Measured:
    ids = snowflakes(count)
    checks, wrong = 0, []
    for name, found, wanted in (*_lists(folder, ids), *_what_we_write(folder, ids)):
        checks += 1
        if found != wanted:
            wrong.append(name)
    figures = (
        f"{checks - len(wrong)} of {checks} formats and readers exact for {count:,} ids"
    )
    return Measured(not wrong, f"{figures} {wrong or ''}")


def snowflakes(count: int) -> list[str]:
    """Distinct ids of 10 to 19 digits, as many odd as even."""
    rng = np.random.default_rng(26)
    made = np.concatenate(
        [
            rng.integers(10**9, 10**10, count // 10),
            rng.integers(10**18, 2 * 10**18, count),
        ]
    )
    return [str(post) for post in dict.fromkeys(made.tolist())][:count]


Check = tuple[str, list[str], list[str]]  # its name, the ids found, the ids wanted


def _lists(folder: Path, ids: list[str]) -> Iterator[Check]:
    """Lists written by the libraries people use, read by us."""
    edged = [*EDGES, *ids]
    frame, numbers = (
        pd.DataFrame({"likes": range(len(edged)), "id": edged}),
        pd.DataFrame({"id": map(int, ids)}),
    )
    writers: dict[str, tuple[Callable[[Path], object], list[str]]] = {
        "pandas.csv": (lambda path: frame.to_csv(path, index=False), edged),
        "pandas.tsv": (lambda path: frame.to_csv(path, index=False, sep="\t"), edged),
        "excel.csv": (
            lambda path: frame.to_csv(
                path, index=False, sep=";", encoding="utf-8-sig", quoting=1
            ),
            edged,
        ),
        "utf16.txt": (
            lambda path: path.write_text("\r\n".join(edged), "utf-16"),
            edged,
        ),
        "plain.txt": (lambda path: path.write_text("\n".join(edged)), edged),
        "zipped.zip": (lambda path: _zipped(path, edged), edged),
        "strings.jsonl": (
            lambda path: frame.to_json(path, orient="records", lines=True),
            edged,
        ),
        "numbers.jsonl": (
            lambda path: numbers.to_json(path, orient="records", lines=True),
            ids,
        ),
        "twarc.json": (
            lambda path: path.write_text(
                json.dumps([{"id": int(post)} for post in ids])
            ),
            ids,
        ),
        "pandas.parquet": (frame.to_parquet, edged),
        "int64.parquet": (numbers.to_parquet, ids),
        "polars.parquet": (
            lambda path: pl.DataFrame({"id": edged}).write_parquet(path),
            edged,
        ),
        "dictionary.parquet": (
            lambda path: pq.write_table(
                pa.table({"id": pa.array(edged).dictionary_encode()}), path
            ),
            edged,
        ),
        "duckdb.parquet": (
            lambda path: duckdb.from_df(frame).write_parquet(str(path)),
            edged,
        ),
    }
    for name, (write, wanted) in writers.items():
        write(folder / name)
        yield name, _read(folder / name), wanted


def _zipped(path: Path, ids: list[str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ids.csv", "id\n" + "\n".join(ids))


def _read(path: Path) -> list[str]:
    with contextlib.redirect_stderr(io.StringIO()):  # its bar
        found, bad = read_ids(path)
    return found if not bad else [str(bad[0])]


def _what_we_write(folder: Path, ids: list[str]) -> Iterator[Check]:
    """Our table and our outcomes, read by other libraries."""
    edged = [*EDGES, *ids]
    path, schema = str(folder / "images.parquet"), columns.schema(("id", "image_name"))
    write_parquet(
        folder / "images.parquet", pa.table([edged, edged[::-1]], schema=schema)
    )
    yield "images.parquet by pandas", pd.read_parquet(path)["id"].tolist(), edged
    yield "images.parquet by polars", pl.read_parquet(path)["id"].to_list(), edged
    yield (
        "images.parquet by duckdb",
        [post for (post,) in duckdb.sql(f"SELECT id FROM '{path}'").fetchall()],
        edged,
    )
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(
        "parquet", data_files=path, split="train", cache_dir=str(folder / "cache")
    )
    datasets.enable_progress_bars()
    yield "images.parquet by datasets", list(loaded["id"]), edged
    outcomes = write_outcomes(folder, dict.fromkeys(edged, "found"))
    yield (
        "outcomes.csv by pandas",
        pd.read_csv(outcomes, dtype=str)["id"].tolist(),
        edged,
    )
    yield (
        "outcomes.csv by polars",
        pl.read_csv(outcomes, infer_schema=False)["id"].to_list(),
        edged,
    )
    with outcomes.open() as file:
        yield (
            "outcomes.csv by csv",
            [line["id"] for line in csv.DictReader(file)],
            edged,
        )
    yield "outcomes.csv by us", _read(outcomes), edged


# ------------------------------------------------------------------ 27: broken rows

BROKEN = (
    b"1.62E+18,5", b"123.0,5", b",5", b"abc,5", "١٢٣٤٥٦,5".encode(), b"111111111111111111111,5", b"-5,1", b"12,3,4",
    b"12", b'"12,5', b'1"2"3,x"', b"\xff\xfe1,5", b"12\x003,5", b"0x12,5", b"1 2,3", b"=1+1,2", b"null,3", b"nan,3",
    b"1e5,4", b"\xef\xbb\xbf12,4", b"+12,4", b"1_000,5", "１２,3".encode(), b"12;13,4",
)  # fmt: skip


@row(
    27,
    "broken CSV rows",
    "each set aside with its line number",
    quick=2000,
    default=10_000,
    long=1_000_000,
)
def broken_rows(count: int, folder: Path) -> Measured:
    rng = np.random.default_rng(27)
    good, lines, broken = snowflakes(count), [b"id,likes"], []
    for at, post in enumerate(good):
        lines.append(f"{post},{at}".encode())
        broken.append(len(lines) + 1)
        lines.append(
            BROKEN[rng.integers(len(BROKEN))] if at >= len(BROKEN) else BROKEN[at]
        )
    path = folder / "list.csv"
    path.write_bytes(b"\n".join(lines) + b"\n")
    run = twigma("ids", path)
    with (folder / "quarantine.csv").open(encoding="ascii", newline="") as file:
        aside = [int(line["line"]) for line in csv.DictReader(file) if line["reason"]]
    kept = re.search(r"([\d,]+) distinct ids", run.text)
    intact = bool(kept) and int(kept[1].replace(",", "")) == count
    missed = set(broken) ^ set(aside)
    ok = run.code == 0 and intact and aside == broken and read_ids(path)[0] == good
    figures = f"{len(aside):,} of {count:,} broken rows set aside by line, {len(missed)} of them wrongly"
    return Measured(ok, f"{figures}; {kept[1] if kept else 'no'} good ids kept")
