"""Column parts: what one stage adds to the images of one shard, `WORK/columns/STAGE/SHARD.arrow`.

A part is an uncompressed Arrow file, memory-mapped when it is read. It carries its provenance (inputs, settings and
the revision of the code that made it), which decides whether it is current, and a checksum.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from twigma.core import checksum
from twigma.core.files import atomic


def fingerprint(value: Any) -> str:
    """SHA-256 of a JSON value: names the settings and inputs that a part was made from."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def part_is_current(path: Path, provenance: Any) -> bool:
    """Whether `path` is a finished part made from exactly these settings and inputs."""
    if not path.exists():
        return False
    try:
        metadata = read_part(path).schema.metadata or {}
    except (ValueError, OSError):
        return False  # damaged: make it again
    return metadata.get(b"fingerprint") == fingerprint(provenance).encode()


def write_part(path: Path, table: pa.Table, provenance: Any) -> None:
    """Write one part of `columns/NAME/` as uncompressed Arrow IPC, marked with what it was made from and a checksum."""
    marks = {
        "fingerprint": fingerprint(provenance),
        "provenance": json.dumps(provenance, sort_keys=True),
    }
    marked = table.schema.with_metadata(marks | {"crc32": checksum.UNSEALED})
    with atomic(path, private=True) as partial:
        with (
            pa.OSFile(str(partial), "wb") as sink,
            pa.ipc.new_file(sink, marked) as writer,
        ):
            writer.write_table(table)
        checksum.seal(partial)


def read_part(path: Path) -> pa.Table:
    """A part of `columns/NAME/`, memory-mapped; ValueError when it has changed since it was written."""
    if not checksum.is_sound(path):
        raise ValueError(
            f"{path} is damaged: delete it and run `twigma {path.parent.name}` again, which makes it anew"
        )
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def read_provenance(path: Path) -> Any:
    """What `write_part` was told the part was made from."""
    return json.loads((read_part(path).schema.metadata or {})[b"provenance"])


def read_parts(folder: Path) -> pa.Table:
    """All parts of one `columns/NAME/` folder, in name order; FileNotFoundError when the stage has not run."""
    parts = sorted(folder.glob("*.arrow"))
    if not parts:
        raise FileNotFoundError(
            f"no columns in {folder}: run `twigma {folder.name}` on this working folder first"
        )
    return pa.concat_tables(
        [read_part(path).replace_schema_metadata() for path in parts]
    )
