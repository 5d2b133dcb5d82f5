"""SHA-256 of all that the analyses read: results are current as long as it is the same. `twigma analyze` stores it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from twigma.analysis.inputs.collection import collected
from twigma.analysis.inputs.load import (
    manifest_of,
    reference_stages,
    stated_identity,
    stored_published_table,
)
from twigma.analysis.tables.rows import table_files
from twigma.builder.references.record import NAME as ABOUT
from twigma.core.files import file_sha256
from twigma.core.lists.sheets import SAVED
from twigma.core.names import DEFAULT, with_name
from twigma.core.parts import fingerprint
from twigma.core.workspace import AnyWorkspace, Workspace


def file_hashes(
    release: Path,
    work: AnyWorkspace | None,
    references: Mapping[str, Path],
    sheets: Path | None = None,
    embedding: str = DEFAULT,
) -> dict[str, str]:
    """SHA-256 of every file the analyses read and of the dataset's identity.

    By names that do not depend on where the folders lie.
    """
    files: dict[str, Path] = {}
    for config in ("metadata", with_name("embeddings", embedding)):
        for path in table_files(release, config):
            files[f"release/{path.name}"] = path
    if work is not None:
        work = Workspace(work)
        # The record stands for the parsed pages, which say when likes were counted.
        private = (work.images_file, work.images_record, work.ids_file)
        for path in (*private, work.ledger_file):
            files[f"work/{path.name}"] = path
    for name, folder in references.items():
        for path in _reference_files(Workspace(folder), embedding):
            files[f"references/{name}/{path.relative_to(folder)}"] = path
    if sheets is not None:
        for path in (*sheets.glob("*"), *sheets.glob("*/*")):
            if path.suffix in (*SAVED, ".json", ".parquet"):
                files[f"sheets/{path.relative_to(sheets)}"] = path
    present = [(name, path) for name, path in sorted(files.items()) if path.exists()]
    hashes = {name: file_sha256(path) for name, path in present}
    hashes |= _origin_hashes(release)
    found = None if work is None else collected(work)
    if found is not None:
        hashes["work/collection"] = fingerprint(asdict(found))
    return hashes


def _origin_hashes(release: Path) -> dict[str, str]:
    """What says where the data is from: its identity and its source, and the authors' table where it is compared."""
    hashes = {}
    identity = stated_identity(release)
    if identity is not None:
        hashes["release/identity"] = fingerprint(identity.to_json())
    published = stored_published_table(release)
    if published is not None:
        hashes["published table"] = file_sha256(published)
    manifest = manifest_of(release)
    if manifest is not None:
        stated = [manifest.get("source"), manifest.get("counts")]
        hashes["release/source"] = fingerprint(stated)
    return hashes


def _reference_files(work: Workspace, embedding: str) -> list[Path]:
    files = [work.images_file, work.path / ABOUT]
    for stage in reference_stages(embedding):
        files += work.part_files(stage)
    return files
