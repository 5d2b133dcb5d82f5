"""The table the authors published (Zenodo record 8031785): fetched, checked, and given our schema.

`load_dataset("twigma")` falls back on it where no release is found. The server can be changed with
`$TWIGMA_ZENODO_URL`. What was fetched once stays in the cache of `datasets`, and needs no network again.
"""

import hashlib
import json
import os
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

import twigma
from twigma import columns

RECORD = "8031785"
TABLES = (".csv", ".csv.gz", ".parquet", ".zip")
NULLS = ["", "NaN", "nan", "NaT", "None", "null", "<NA>"]
TIMEOUT = 60  # seconds of silence
FLOAT_STEP, EXCEL_STEP = 256, 1000  # what float64 and a spreadsheet round ids of 18 to 19 digits to


def fetch(cache: Path | None = None) -> Path:
    """The published table as a release folder that holds `metadata/` only, from the cache or from Zenodo.

    The record was issued again once because its ids had been rounded: when they are, its latest version is taken.
    Raises OSError when the server does not answer, ValueError when a file differs from its MD5 or its ids are damaged.
    """
    folder = (cache or _cache()) / f"twigma-zenodo-{RECORD}"
    if (folder / "MANIFEST.json").exists():
        return folder
    try:
        return _fetch_version(RECORD, folder)
    except ValueError as damaged:
        try:
            return _fetch_version(f"{RECORD}/versions/latest", folder)
        except (ValueError, OSError):
            raise damaged from None


def _cache() -> Path:
    import datasets

    return Path(datasets.config.HF_DATASETS_CACHE)


def _fetch_version(version: str, folder: Path) -> Path:
    """Download one version of the record, and write its table below `folder`, MANIFEST.json last."""
    url = f"{os.environ.get('TWIGMA_ZENODO_URL', 'https://zenodo.org').rstrip('/')}/api/records/{version}"
    with _open(url) as answer:
        record = json.load(answer)
    found = [entry for entry in record.get("files", []) if str(entry["key"]).endswith(TABLES)]
    for entry in found:
        path = _download(entry, folder / "downloads")
        table = _read(path)
        if table is not None:
            return _write(folder, conform(table, str(path)), url, entry)
    raise ValueError(
        f"{url} holds no table with the columns {list(columns.PUBLISHED)}: found {[f['key'] for f in found]}"
    )


def _write(folder: Path, table: pa.Table, url: str, entry: Mapping[str, Any]) -> Path:
    name = "metadata/metadata-train-00000-of-00001.parquet"
    path = folder / name
    columns.write_parquet(path, table)
    facts = {"bytes": path.stat().st_size, "rows": len(table), "sha256": twigma.sha256(path)}
    source = {"url": url, "file": entry["key"], "checksum": entry["checksum"]}
    columns.write_json(folder / "MANIFEST.json", {"dataset": "twigma", "source": source, "files": {name: facts}})
    return folder


# ---------------------------------------------------------------- download


def _open(url: str) -> IO[bytes]:
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"expected an http(s) address, found {url!r}: is TWIGMA_ZENODO_URL right?")
    try:
        answer: IO[bytes] = urllib.request.urlopen(url, timeout=TIMEOUT)
        return answer
    except OSError as error:
        raise OSError(
            f"no TWIGMA release here (data_dir, $TWIGMA_DATA_DIR, ./twigma), and {url} does not answer ({error}): "
            "make a release with `twigma release`, or try again later"
        ) from None


def _download(entry: Mapping[str, Any], folder: Path) -> Path:
    """One file of the record, checked against the MD5 that the record states."""
    from tqdm import tqdm

    path = folder / Path(str(entry["key"])).name
    method, _, stated = str(entry["checksum"]).partition(":")
    digest = hashlib.new(method)
    with columns.atomic(path) as partial, partial.open("wb") as file, _open(entry["links"]["self"]) as answer:
        with tqdm(total=entry["size"], desc=path.name, unit="B", unit_scale=True, mininterval=0.5) as bar:
            while block := answer.read(1 << 20):
                file.write(block)
                digest.update(block)
                bar.update(len(block))
        if digest.hexdigest() != stated:
            raise ValueError(f"{path.name}: expected {method} {stated}, found {digest.hexdigest()}: try again")
    return path


# -------------------------------------------------------------- conversion


def _read(path: Path) -> pa.Table | None:
    """The table in a file as it stands, every cell of a CSV as text; None when it lacks a published column."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            inside = [name for name in archive.namelist() if name.endswith(".csv")]
            if not inside:
                return None
            with archive.open(inside[0]) as file:
                table = _read_csv(file)
    else:
        table = _read_csv(str(path))
    return table if set(columns.PUBLISHED) <= set(table.column_names) else None


def _read_csv(source: Any) -> pa.Table:
    """Every cell as text: type inference is what damages ids."""
    options = pyarrow.csv.ConvertOptions(
        column_types={name: pa.string() for name in columns.PUBLISHED}, null_values=NULLS, strings_can_be_null=True
    )
    return pyarrow.csv.read_csv(
        source, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True), convert_options=options
    )


def conform(table: pa.Table, where: str) -> pa.Table:
    """The twelve published columns in their declared types and order; ValueError when the ids are damaged."""
    _refuse_damaged(table["id"], where)
    arrays = [_cast(table[name], columns.COLUMNS[name].type, f"{where}: {name}") for name in columns.PUBLISHED]
    return pa.table(arrays, schema=columns.schema(columns.PUBLISHED))


def _cast(values: pa.ChunkedArray, to: pa.DataType, where: str) -> pa.ChunkedArray:
    try:
        if pa.types.is_timestamp(to) and pa.types.is_string(values.type):
            times = pd.to_datetime(values.to_pandas(), utc=True, format="ISO8601").dt.tz_localize(None)
            return pa.chunked_array([pa.Array.from_pandas(times.dt.floor("ms"), type=to)])
        if pa.types.is_integer(to):  # pandas writes integers beside nulls as 3.0
            return values.cast(pa.float64()).cast(to)
        return values.cast(to)
    except (pa.ArrowInvalid, ValueError) as error:
        raise ValueError(f"{where} is not {to}: {error}") from None


def _refuse_damaged(ids: pa.ChunkedArray, where: str) -> None:
    """Ids must be text of digits; rounded ids are told by their remainders (1 in 256 by chance, never 9 in 10)."""
    if not pa.types.is_string(ids.type):
        raise ValueError(f"{where}: expected post ids as text, found {ids.type}")
    good = pc.fill_null(pc.match_substring_regex(ids, r"^[0-9]{1,19}$"), False)
    if not pc.all(good).as_py():
        example = ids.filter(pc.invert(good))[0].as_py()
        raise ValueError(f"{where}: expected post ids of digits, found {example!r}: the file is damaged")
    numbers = pc.unique(ids).cast(pa.int64()).to_numpy()
    for step in (FLOAT_STEP, EXCEL_STEP):
        if len(numbers) >= 50 and (numbers % step == 0).mean() > 0.9:
            raise ValueError(f"{where}: the post ids were rounded to multiples of {step}: the file is damaged")
