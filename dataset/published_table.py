"""The table the authors published (Zenodo record 8031785): fetched, checked, and given our schema.

`load_dataset("twigma")` falls back on it where no release is found; `twigma ids zenodo` and `twigma rehydrate --ids
zenodo` read its ids. The server can be changed with `$TWIGMA_ZENODO_URL`. What was fetched once stays in the cache of
`datasets`, and needs no network again; a download that was cut off goes on where it was.
"""

import fcntl
import gzip
import hashlib
import http
import http.client
import json
import os
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

import twigma
from twigma.core import columns
from twigma.core.files import fsync, write_json, write_parquet
from twigma.core.safety.bounded import load_json, open_parquet, safe_member, unpacked
from twigma.core.services.deadline import ANSWER_SECONDS, Pace, read_answer, within
from twigma.rehydrate.ids.id_files import column_names
from twigma.rehydrate.ids.post_ids import read_ids, refuse_damaged

RECORD = "8031785"
TABLES = (".csv", ".csv.gz", ".parquet", ".zip")
NULLS = ["", "NaN", "nan", "NaT", "None", "null", "<NA>"]
TIMEOUT = 60  # seconds of silence
MOST_BYTES = 20 << 30  # of a file of the record
BLOCK = 1 << 16
T = TypeVar("T")


def fetch(cache: Path | None = None) -> Path:
    """The published table as a release folder that holds `metadata/` only, from the cache or from Zenodo.

    The record was issued again once because its ids had been rounded: when they are, its latest version is taken.
    Raises OSError when the server does not answer, ValueError when a file differs from its MD5 or its ids are damaged.
    """
    folder = _folder(cache)
    if (folder / "MANIFEST.json").exists():
        return folder
    try:
        return _first_sound(
            folder,
            lambda path, source: _write(
                folder, conform(_read(path), str(path)), source
            ),
        )
    except OSError as error:
        raise OSError(
            f"no TWIGMA release here (data_dir, $TWIGMA_DATA_DIR, ./twigma), and {error}; or make a release with "
            "`twigma release`"
        ) from None


def fetch_list(cache: Path | None = None) -> Path:
    """The published file as it is, CSV or zip, its ids checked: a list for `twigma.rehydrate.ids.post_ids.read_ids`.

    From the cache or from Zenodo, as `fetch`.
    """

    def check(path: Path, _: object) -> Path:
        read_ids(path)
        return path

    folder = _folder(cache)
    kept = _kept(folder)
    return kept[0] if kept else _first_sound(folder, check)


def _kept(folder: Path) -> tuple[Path, dict[str, str]] | None:
    """The file that was found sound before, and where it is from."""
    marker = folder / "downloads" / "source.json"
    if not marker.exists():
        return None
    source = json.loads(marker.read_text("utf-8"))
    return marker.parent / source["file"], source


def _folder(cache: Path | None) -> Path:
    import datasets

    return (
        cache or Path(datasets.config.HF_DATASETS_CACHE)
    ) / f"twigma-zenodo-{RECORD}"


def _first_sound(folder: Path, use: Callable[[Path, Mapping[str, str]], T]) -> T:
    """What `use` makes of the table in the cache, the record, or else its latest version; it refuses a damaged one."""
    if kept := _kept(folder):
        return use(*kept)

    def take(version: str) -> T:
        path, source = _table(version, folder / "downloads")
        made = use(path, source)
        write_json(folder / "downloads" / "source.json", source)
        return made

    try:
        return take(RECORD)
    except ValueError as damaged:
        try:
            return take(f"{RECORD}/versions/latest")
        except (ValueError, OSError):
            raise damaged from None


def _table(version: str, folder: Path) -> tuple[Path, dict[str, str]]:
    """Download the file of one version of the record that has the published columns; says where it is from."""
    url = f"{os.environ.get('TWIGMA_ZENODO_URL', 'https://zenodo.org').rstrip('/')}/api/records/{version}"
    with _open(url) as answer:
        record = load_json(
            read_answer(
                iter(lambda: _some(answer), b""), "", url, seconds=ANSWER_SECONDS
            )
        )
    for entry in record.get("files", []):
        if str(entry["key"]).endswith(TABLES):
            path = _download(entry, folder)
            if _is_table(path):
                return path, {
                    "url": url,
                    "file": path.name,
                    "checksum": entry["checksum"],
                }
    found = [entry["key"] for entry in record.get("files", [])]
    raise ValueError(
        f"{url} holds no table with the columns {list(columns.PUBLISHED)}: found {found}"
    )


def _is_table(path: Path) -> bool:
    try:
        return set(columns.PUBLISHED) <= set(column_names(path))
    except ValueError:  # a zip of something else
        return False


def _write(folder: Path, table: pa.Table, source: Mapping[str, str]) -> Path:
    """The release folder of a table, MANIFEST.json last."""
    name = "metadata/metadata-train-00000-of-00001.parquet"
    path = folder / name
    write_parquet(path, table)
    facts = {
        "bytes": path.stat().st_size,
        "rows": len(table),
        "sha256": twigma.sha256(path),
    }
    manifest = {"dataset": "twigma", "source": dict(source), "files": {name: facts}}
    write_json(folder / "MANIFEST.json", manifest)
    return folder


# ---------------------------------------------------------------- download


def _open(url: str, first: int = 0) -> IO[bytes]:
    """What a server answers, from byte `first` on if it can."""
    if not url.startswith(("https://", "http://")):
        raise ValueError(
            f"expected an http(s) address, found {url!r}: is TWIGMA_ZENODO_URL right?"
        )
    request = urllib.request.Request(
        url, headers={"Range": f"bytes={first}-"} if first else {}
    )
    try:
        answer: IO[bytes] = within(
            ANSWER_SECONDS,
            lambda: urllib.request.urlopen(request, timeout=TIMEOUT),
            url,
        )
        return answer
    except OSError as error:
        raise OSError(f"{url} does not answer ({error}): try again later") from None


def _some(answer: IO[bytes]) -> bytes:
    """What has arrived, without waiting for more."""
    read: bytes = (
        answer.read1(BLOCK) if hasattr(answer, "read1") else answer.read(BLOCK)
    )
    return read


def _download(entry: Mapping[str, Any], folder: Path) -> Path:
    """One file of the record, checked against the MD5 that the record states; one that was cut off is gone on with."""
    path = folder / Path(str(entry["key"])).name
    method, _, stated = str(entry["checksum"]).partition(":")
    if path.exists() and _digest(path, method) == stated:
        return path
    part = path.with_name(f".{path.name}.{stated}.part")
    folder.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not part.exists():  # another run has finished it meanwhile
            return path
        _fill(file, entry)
        if (found := _digest(part, method)) != stated:
            part.unlink()
            raise ValueError(
                f"{path.name}: expected {method} {stated}, found {found}: try again"
            )
        fsync(part)
        part.replace(path)
    return path


def _digest(path: Path, method: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, method).hexdigest()


def _fill(file: IO[bytes], entry: Mapping[str, Any]) -> None:
    """Append what is missing of a file; OSError when the server stops before its end."""
    from twigma.core.progress import progress_bar

    name, size, there = entry["key"], entry["size"], file.tell()
    if there >= size:
        return
    if size > MOST_BYTES:
        raise ValueError(
            f"{name}: the record says {size:,} bytes, at most {MOST_BYTES:,} are fetched"
        )
    pace = Pace(name)
    with (
        _open(entry["links"]["self"], there) as answer,
        progress_bar(total=size, desc=name, unit="B", unit_scale=True) as bar,
    ):
        if there and getattr(answer, "status", 0) != http.HTTPStatus.PARTIAL_CONTENT:
            there = file.truncate(0)  # it sends the whole again
        bar.update(there)
        try:
            while block := _some(answer):
                pace.at(len(block))
                file.write(block)
                bar.update(len(block))
                if file.tell() > size:
                    file.truncate(0)
                    raise OSError(f"more than the {size:,} bytes that the record says")
        except (http.client.HTTPException, OSError) as error:
            raise OSError(
                f"{name}: the download broke off ({error}): run again to go on"
            ) from None
        finally:
            file.flush()
    if (found := os.fstat(file.fileno()).st_size) < size:
        raise OSError(
            f"{name}: the download broke off at {found:,} of {size:,} bytes: run again to go on"
        )


# -------------------------------------------------------------- conversion


def _read(path: Path) -> pa.Table:
    """The table in a file as it stands, every cell of a CSV as text."""
    packed, where = path.stat().st_size, str(path)
    if path.suffix == ".parquet":
        open_parquet(
            path, packed, where
        ).close()  # refuses one that unpacks to far more
        return pq.read_table(path)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            inside = [name for name in archive.namelist() if name.endswith(".csv")]
            with archive.open(safe_member(archive, inside[0], where)) as file:
                return _read_csv(unpacked(file, packed, where))
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            return _read_csv(unpacked(file, packed, where))
    return _read_csv(where)


def _read_csv(source: Any) -> pa.Table:
    """Every cell as text: type inference is what damages ids."""
    options = pyarrow.csv.ConvertOptions(
        column_types={name: pa.string() for name in columns.PUBLISHED},
        null_values=NULLS,
        strings_can_be_null=True,
    )
    return pyarrow.csv.read_csv(
        source,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=options,
    )


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
            times = pd.to_datetime(
                values.to_pandas(), utc=True, format="ISO8601"
            ).dt.tz_localize(None)
            return pa.chunked_array(
                [pa.Array.from_pandas(times.dt.floor("ms"), type=to)]
            )
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
        raise ValueError(
            f"{where}: expected post ids of digits, found {example!r}: the file is damaged"
        )
    refuse_damaged(where, pc.unique(ids).to_pylist())
