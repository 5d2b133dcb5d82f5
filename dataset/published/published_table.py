"""The table the authors published (Zenodo record 8031785): downloaded, checked, and converted to our schema.

`load_dataset("twigma")` falls back on it where there is no release; `twigma ids zenodo` and `twigma rehydrate --ids
zenodo` read its ids. `$TWIGMA_ZENODO_URL` names another server. What was downloaded once stays in the cache of
`datasets`, and needs no network again; an interrupted download resumes.
"""

import contextlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from twigma.core import columns
from twigma.core.files import file_sha256, write_json, write_parquet
from twigma.core.services.backoff import BackoffPolicy
from twigma.core.services.download import download
from twigma.core.services.http import ServiceClient
from twigma.dataset.published.published_columns import conform
from twigma.dataset.tables.table_files import table_name
from twigma.dataset.tables.table_formats import find_table

ZENODO = "https://zenodo.org"
URL_VARIABLE = "TWIGMA_ZENODO_URL"
RECORD = "8031785"
FOLDER = f"twigma-zenodo-{RECORD}"
# Of the conversion: raised when the same file gives another table, which is then made again from the download.
REVISION = 1
SUFFIXES = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".zip")
MOST_BYTES = 20 << 30  # of a file of the record
RETRY = BackoffPolicy(attempts=3)  # somebody waits for `load_dataset`
TABLE = table_name("metadata", 0, 1)
Source = Mapping[str, str]  # where a table is from: url, version, file, checksum


def fetch(cache: Path | None = None) -> Path:
    """The published table as a release folder that holds `metadata` only, from the cache or from Zenodo.

    The record was issued again once because its ids had been rounded: when they are, its latest version is taken. A
    line of the log says where the table is from. Raises OSError when the server does not answer, ValueError when a
    file differs from its MD5 or its ids are damaged.
    """
    folder = _folder(cache)
    if not _is_current(folder):
        _write(folder, *_first_undamaged(folder))
    manifest = json.loads((folder / "MANIFEST.json").read_text("utf-8"))
    source = manifest["source"]
    logging.getLogger(__name__).warning(
        "the table that the authors of TWIGMA published: %s, %s, %s, %s rows",
        source["url"],
        source["version"],
        source["file"],
        f"{manifest['files'][TABLE]['rows']:,}",
    )
    return folder


def fetch_list(cache: Path | None = None) -> Path:
    """The published table as a list of ids for `twigma.rehydrate.ids.post_ids.read_ids`, as `fetch`."""
    return fetch(cache) / TABLE


def stored(beside: Path, cache: Path | None = None) -> Path | None:
    """The published table where `fetch` has left it, beside this folder or in the cache; None where it is in neither.

    Nothing is downloaded. A table of an earlier revision, or one whose MANIFEST.json is damaged, is not there.
    """
    for folder in (beside.absolute().parent / FOLDER, _folder(cache)):
        with contextlib.suppress(json.JSONDecodeError):
            if _is_current(folder):
                return folder / TABLE
    return None


def _folder(cache: Path | None) -> Path:
    import datasets

    parent = cache or Path(datasets.config.HF_DATASETS_CACHE)
    return parent / FOLDER


def _is_current(folder: Path) -> bool:
    """Whether the table was converted already, by this revision."""
    path = folder / "MANIFEST.json"
    if not path.exists():
        return False
    revision = json.loads(path.read_text("utf-8")).get("revision")
    return bool(revision == REVISION and (folder / TABLE).exists())


# ------------------------------------------------------------------ download


def _first_undamaged(folder: Path) -> tuple[pa.Table, Source]:
    """The table of the cached file, of the record, or else of the latest version."""
    downloads = folder / "downloads"
    # Written when the file has proved to be undamaged.
    marker = downloads / "source.json"
    if marker.exists():
        source = json.loads(marker.read_text("utf-8"))
        path = downloads / source["file"]
        found = find_table(path, columns.PUBLISHED).table if path.exists() else None
        if found is not None:
            return conform(found, str(path)), source
    try:
        table, source = _fetch_version(RECORD, downloads)
    except ValueError as damaged:
        try:
            table, source = _fetch_version(f"{RECORD}/versions/latest", downloads)
        except (ValueError, OSError):
            raise damaged from None
    write_json(marker, source)
    return table, source


def _fetch_version(version: str, folder: Path) -> tuple[pa.Table, Source]:
    """The first table of one version of the record that has the published columns, converted; and its source."""
    server = os.environ.get(URL_VARIABLE, ZENODO)
    with ServiceClient(f"Zenodo (${URL_VARIABLE})", server, policy=RETRY) as zenodo:
        record = zenodo.get_json(f"/api/records/{version}")
        url = f"{zenodo.base_url}/api/records/{version}"
    seen: list[str] = []
    for entry in record.get("files", []):
        name = str(entry["key"])
        if not name.lower().endswith(SUFFIXES):
            seen.append(name)
            continue
        path = _download_entry(entry, folder)
        search = find_table(path, columns.PUBLISHED)
        if search.table is not None:
            source = {
                "url": url,
                "version": _version(record),
                "file": path.name,
                "checksum": str(entry["checksum"]),
            }
            return conform(search.table, str(path)), source
        seen += search.seen
    raise ValueError(
        f"{url} holds no table with the columns {list(columns.PUBLISHED)}: found {seen}"
    )


def _version(record: Mapping[str, Any]) -> str:
    """The version of a record, or its date where the authors named none."""
    metadata = record.get("metadata", {})
    if metadata.get("version"):
        return f"version {metadata['version']}"
    return f"published {metadata.get('publication_date', 'without a date')}"


def _download_entry(entry: Mapping[str, Any], folder: Path) -> Path:
    """Download one file of the record, checked against the size and MD5 that the record states."""
    return download(
        entry["links"]["self"],
        folder / Path(str(entry["key"])).name,
        size=int(entry["size"]),
        checksum=str(entry["checksum"]),
        most=MOST_BYTES,
    )


def _write(folder: Path, table: pa.Table, source: Source) -> None:
    """The release folder of a table, MANIFEST.json last."""
    path = folder / TABLE
    write_parquet(path, table)
    facts = {
        "bytes": path.stat().st_size,
        "rows": len(table),
        "sha256": file_sha256(path),
    }
    manifest = {
        "dataset": "twigma",
        "revision": REVISION,
        "source": dict(source),
        "files": {TABLE: facts},
    }
    write_json(folder / "MANIFEST.json", manifest)
