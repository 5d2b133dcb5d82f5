"""The table the authors published (Zenodo record 8031785): downloaded, checked, and converted to our schema.

`load_dataset("twigma")` falls back on it where there is no release; `twigma ids zenodo` and `twigma rehydrate --ids
zenodo` read its ids. `$TWIGMA_ZENODO_URL` names another server. What was downloaded once stays in the cache of
`datasets`, and needs no network again; an interrupted download resumes.
"""

import gzip
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.files import file_sha256, write_json, write_parquet
from twigma.core.safety.bounded import open_parquet, safe_member, unpacked
from twigma.core.services.backoff import BackoffPolicy
from twigma.core.services.download import download
from twigma.core.services.http import ServiceClient
from twigma.dataset.table_files import table_name
from twigma.rehydrate.ids.id_files import column_names
from twigma.rehydrate.ids.post_ids import read_ids, refuse_damaged

ZENODO = "https://zenodo.org"
URL_VARIABLE = "TWIGMA_ZENODO_URL"
RECORD = "8031785"
TABLES = (".csv", ".csv.gz", ".parquet", ".zip")
NULLS = ["", "NaN", "nan", "NaT", "None", "null", "<NA>"]
MOST_BYTES = 20 << 30  # of a file of the record
RETRY = BackoffPolicy(attempts=3)  # somebody waits for `load_dataset`
T = TypeVar("T")
Source = Mapping[str, str]  # where a table is from: url, file, checksum


def fetch(cache: Path | None = None) -> Path:
    """The published table as a release folder that holds `metadata` only, from the cache or from Zenodo.

    The record was issued again once because its ids had been rounded: when they are, its latest version is taken.
    Raises OSError when the server does not answer, ValueError when a file differs from its MD5 or its ids are damaged.
    """
    folder = _folder(cache)
    if (folder / "MANIFEST.json").exists():
        return folder

    def convert(path: Path, source: Source) -> Path:
        return _write(folder, conform(_read(path), str(path)), source)

    try:
        return _first_undamaged(folder, convert)
    except OSError as error:
        raise OSError(
            f"no TWIGMA release here (data_dir, $TWIGMA_DATA_DIR, ./twigma), and {error}; or make a release with "
            "`twigma release`"
        ) from None


def fetch_list(cache: Path | None = None) -> Path:
    """The published file as it is, CSV or zip, its ids checked: a list for `twigma.rehydrate.ids.post_ids.read_ids`.

    From the cache or from Zenodo, as `fetch`.
    """

    def check(path: Path, _: Source) -> Path:
        read_ids(path)
        return path

    folder = _folder(cache)
    cached = _cached_file(folder)
    if cached is not None:
        return cached[0]
    return _first_undamaged(folder, check)


def _folder(cache: Path | None) -> Path:
    import datasets

    parent = cache or Path(datasets.config.HF_DATASETS_CACHE)
    return parent / f"twigma-zenodo-{RECORD}"


def _source_file(folder: Path) -> Path:
    """Names the downloaded file; written when the file has proved to be undamaged."""
    return folder / "downloads" / "source.json"


def _cached_file(folder: Path) -> tuple[Path, Source] | None:
    """The file of an earlier run, and where it is from."""
    marker = _source_file(folder)
    if not marker.exists():
        return None
    source = json.loads(marker.read_text("utf-8"))
    return marker.parent / source["file"], source


def _first_undamaged(folder: Path, use: Callable[[Path, Source], T]) -> T:
    """What `use` makes of the cached file, the record, or else the latest version; `use` refuses damaged ids."""
    cached = _cached_file(folder)
    if cached is not None:
        return use(*cached)
    try:
        return _use_version(RECORD, folder, use)
    except ValueError as damaged:
        try:
            return _use_version(f"{RECORD}/versions/latest", folder, use)
        except (ValueError, OSError):
            raise damaged from None


def _use_version(version: str, folder: Path, use: Callable[[Path, Source], T]) -> T:
    path, source = _download_table(version, folder / "downloads")
    result = use(path, source)
    write_json(_source_file(folder), source)
    return result


def _download_table(version: str, folder: Path) -> tuple[Path, Source]:
    """Download the file of one version of the record that has the published columns; its path and source."""
    server = os.environ.get(URL_VARIABLE, ZENODO)
    with ServiceClient(f"Zenodo (${URL_VARIABLE})", server, policy=RETRY) as zenodo:
        record = zenodo.get_json(f"/api/records/{version}")
        url = f"{zenodo.base_url}/api/records/{version}"
    entries = record.get("files", [])
    for entry in entries:
        if not str(entry["key"]).endswith(TABLES):
            continue
        path = _download_entry(entry, folder)
        if _is_table(path):
            checksum = str(entry["checksum"])
            return path, {"url": url, "file": path.name, "checksum": checksum}
    names = [entry["key"] for entry in entries]
    raise ValueError(
        f"{url} holds no table with the columns {list(columns.PUBLISHED)}: found {names}"
    )


def _download_entry(entry: Mapping[str, Any], folder: Path) -> Path:
    """Download one file of the record, checked against the size and MD5 that the record states."""
    return download(
        entry["links"]["self"],
        folder / Path(str(entry["key"])).name,
        size=int(entry["size"]),
        checksum=str(entry["checksum"]),
        most=MOST_BYTES,
    )


def _is_table(path: Path) -> bool:
    try:
        return set(columns.PUBLISHED) <= set(column_names(path))
    except ValueError:  # a zip of something else
        return False


def _write(folder: Path, table: pa.Table, source: Source) -> Path:
    """The release folder of a table, MANIFEST.json last."""
    name = table_name("metadata", 0, 1)
    path = folder / name
    write_parquet(path, table)
    facts = {
        "bytes": path.stat().st_size,
        "rows": len(table),
        "sha256": file_sha256(path),
    }
    manifest = {"dataset": "twigma", "source": dict(source), "files": {name: facts}}
    write_json(folder / "MANIFEST.json", manifest)
    return folder


# -------------------------------------------------------------- conversion


def _read(path: Path) -> pa.Table:
    """The table in a file, unconverted: every cell of a CSV is text."""
    packed, where = path.stat().st_size, str(path)
    if path.suffix == ".parquet":
        # Refuses a file that unpacks to far more than its size.
        open_parquet(path, packed, where).close()
        return pq.read_table(path)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            tables = [name for name in archive.namelist() if name.endswith(".csv")]
            member = safe_member(archive, tables[0], where)
            with archive.open(member) as file:
                return _read_csv(unpacked(file, packed, where))
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            return _read_csv(unpacked(file, packed, where))
    return _read_csv(where)


def _read_csv(source: Any) -> pa.Table:
    """Every cell as text: type inference is what damages ids."""
    convert = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(columns.PUBLISHED, pa.string()),
        null_values=NULLS,
        strings_can_be_null=True,
    )
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    return pyarrow.csv.read_csv(source, parse_options=parse, convert_options=convert)


def conform(table: pa.Table, where: str) -> pa.Table:
    """The twelve published columns in their declared types and order; ValueError when the ids are damaged."""
    _refuse_damaged(table["id"], where)
    arrays = [
        _cast(table[name], columns.COLUMNS[name].type, f"{where}: {name}")
        for name in columns.PUBLISHED
    ]
    return pa.table(arrays, schema=columns.schema(columns.PUBLISHED))


def _cast(values: pa.ChunkedArray, to: pa.DataType, where: str) -> pa.ChunkedArray:
    try:
        if pa.types.is_timestamp(to) and pa.types.is_string(values.type):
            times = pd.to_datetime(values.to_pandas(), utc=True, format="ISO8601")
            naive = times.dt.tz_localize(None).dt.floor("ms")
            return pa.chunked_array([pa.Array.from_pandas(naive, type=to)])
        if pa.types.is_integer(to):  # pandas writes integers beside nulls as 3.0
            return values.cast(pa.float64()).cast(to)
        return values.cast(to)
    except (pa.ArrowInvalid, ValueError) as error:
        raise ValueError(f"{where} is not {to}: {error}") from None


def _refuse_damaged(ids: pa.ChunkedArray, where: str) -> None:
    """Ids must be text of digits; rounded ids are recognised by their remainders (1 in 256 by chance)."""
    if not pa.types.is_string(ids.type):
        raise ValueError(f"{where}: expected post ids as text, found {ids.type}")
    good = pc.fill_null(pc.match_substring_regex(ids, r"^[0-9]{1,19}$"), False)
    if not pc.all(good).as_py():
        example = ids.filter(pc.invert(good))[0].as_py()
        raise ValueError(
            f"{where}: expected post ids of digits, found {example!r}: the file is damaged"
        )
    refuse_damaged(where, pc.unique(ids).to_pylist())
