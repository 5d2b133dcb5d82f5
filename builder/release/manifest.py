"""What a release says of itself: its texts, and MANIFEST.json with every file, its size and its hash."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import twigma
from twigma.builder.release.card import Facts, card, datasheet
from twigma.builder.release.chosen import KEY
from twigma.builder.release.croissant_file import croissant
from twigma.builder.release.provenance import REVISION
from twigma.core.files import atomic, file_sha256, write_json
from twigma.rehydrate.posts.removed_ids import Removed, public_list


def write_texts(folder: Path, facts: Facts, removed: Removed) -> None:
    """The card, the datasheet, the Croissant file, and the list of what was removed."""
    write_json(folder / "croissant.json", croissant(facts))
    _write_text(folder / "removals.txt", public_list(removed))
    _write_text(folder / "DATASHEET.md", datasheet(facts))
    _write_text(folder / "README.md", card(facts))


def _write_text(path: Path, text: str) -> None:
    with atomic(path) as partial:
        partial.write_text(text, "utf-8")


def write_manifest(
    folder: Path,
    facts: Facts,
    inputs: str,
    settings: Mapping[str, Any],
    counts: Mapping[str, Any],
) -> None:
    """MANIFEST.json, written last; it has no time in it, so that equal input gives equal bytes."""
    manifest = {
        "dataset": "twigma",  # the format; what the data is, `identity` says
        "identity": facts.identity.to_json(),
        "version": facts.version,
        "revision": REVISION,
        "code": {"twigma": twigma.__version__, "pyarrow": pa.__version__},
        "models": facts.models,
        "inputs": inputs,
        "settings": settings,
        "counts": counts,
        "history": list(facts.history),
        "files": describe_files(folder, facts.files),
    }
    if facts.part is not None:
        manifest[KEY] = facts.part.to_json()
    write_json(folder / "MANIFEST.json", manifest)


def describe_files(
    folder: Path, tables: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Mapping[str, Any]]:
    """Every file of a new release by its name, with bytes, SHA-256, and rows where it is a table.

    What was found of its `tables` before is taken over: to read all embeddings again would take a second a gigabyte.
    """
    files = dict(tables or {})
    for path in folder.iterdir():
        if path.name not in files:
            files[path.name] = _file(path)
    return files


def _file(path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "bytes": path.stat().st_size,
        "sha256": file_sha256(path),
    }
    if path.suffix == ".parquet":
        facts["rows"] = pq.read_metadata(path).num_rows
    return facts
