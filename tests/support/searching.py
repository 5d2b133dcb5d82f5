"""Looks for ids in everything a folder holds: names, text, tables, tars and databases."""

import gzip
import json
import re
import sqlite3
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def everything(folder: Path) -> str:
    """All text in a folder, tables, tars and databases unpacked."""
    found = []
    for path in sorted(folder.rglob("*")):
        found.append(path.name)
        if path.suffix == ".parquet":
            found.append(json.dumps(pq.read_table(path).to_pylist(), default=str))
        elif path.suffix == ".arrow":
            found.append(json.dumps(_read_arrow(path).to_pylist(), default=_name))
        elif path.suffix == ".tar":
            with tarfile.open(path) as tar:
                found += [member.name for member in tar]
        elif path.suffix == ".sqlite":
            with sqlite3.connect(path) as db:
                found += list(db.iterdump())
            db.close()
        elif path.suffix == ".gz":
            found.append(gzip.decompress(path.read_bytes()).decode("latin-1"))
        if path.is_file():
            found.append(path.read_bytes().decode("latin-1"))
    return "\n".join(found)


def mentioned(folder: Path, names: set[str]) -> set[str]:
    return names & set(re.findall(r"[0-9]{6,20}", everything(folder)))


def _name(value: object) -> str:
    """Anything JSON does not know: bytes by their length, so that pictures are not searched for ids twice."""
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)


def _read_arrow(path: Path) -> pa.Table:
    """An Arrow file of ours, or a stream as `datasets` caches it."""
    with pa.memory_map(str(path)) as source:
        try:
            return pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            return pa.ipc.open_stream(source).read_all()
