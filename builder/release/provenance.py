"""What a release is made from: data, settings and the revision of the code, in one fingerprint in MANIFEST.json.

A release of the same fingerprint is up to date and is not written again.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

import twigma
from twigma.core.files import file_sha256
from twigma.core.parts import fingerprint, read_model, read_provenance
from twigma.core.workspace import Workspace

# Kinds of pages that bring posts; the others are of authors, and of counts before a search.
WITH_POSTS = ("lookup", "search", "import")
# Of the code that makes releases: raise it whenever the same working folder gives other rows, columns, files or texts,
# or when a check refuses what it let pass. Releases of an earlier revision are then written again.
REVISION = 4
# Entries of a part's provenance that name its inputs rather than how it was made.
INPUTS = (
    "code_revision",
    "for_few",
    "near_revision",
    "shard",
    "part",
    "of",
    "embed",
    "embedding",
    "dedupe",
    "images",
    "stored",
)


def inputs_fingerprint(
    work: Workspace, stages: Collection[str], settings: Mapping[str, Any]
) -> str:
    """A fingerprint of everything a release is made from."""
    files = [
        work.images_file,
        work.removed_file,
        work.model_licenses,
        *work.shards.glob("*.parquet"),
    ]
    for stage in stages:
        files += work.part_files(stage)
    data = {
        path.relative_to(work.path).as_posix(): file_sha256(path)
        for path in sorted(files)
        if path.exists()
    }
    data["pages"] = ", ".join(kinds_of_pages(work))
    versions = [REVISION, twigma.__version__, pa.__version__]
    return fingerprint([versions, data, settings, sorted(stages)])


def kinds_of_pages(work: Workspace) -> list[str]:
    """How posts were collected: the kinds of pages there are, of WITH_POSTS."""
    return [kind for kind in WITH_POSTS if work.page_file(kind).exists()]


def stage_settings(work: Workspace, stage: str) -> dict[str, Any]:
    """The settings with which every part of a stage was made; ValueError when not all were made by one model."""
    read_model(work.stage_folder(stage))
    parts = [dict(read_provenance(path)) for path in work.part_files(stage)]
    common = {
        key: value
        for key, value in parts[0].items()
        if all(part.get(key) == value for part in parts)
    }
    return {key: base_name(value) for key, value in common.items() if key not in INPUTS}


def base_name(value: Any) -> Any:
    """The name of a folder in place of its path, so that paths of this machine are not published."""
    if isinstance(value, str) and Path(value).is_absolute():
        return Path(value).name
    return value
