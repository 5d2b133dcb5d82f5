"""Which release is of a working folder, made from it or called as its dataset, and what says more of its images.

`WORK/.releases.json` has the folders that releases were written to, the last one last.
"""

import contextlib
import json
import os
import re
import tomllib
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core.files import write_json
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.dataset.release_folder import (
    DATA_DIR_VARIABLE,
    MANIFEST,
    AnyPath,
    find_release,
    find_shards,
    find_tables,
    read_manifest,
)

PART = "-selection"  # behind the name of a dataset: chosen images of it


def neutral_name(work: AnyWorkspace) -> str:
    """The name by that of the folder, for one without a dataset.toml."""
    folder = Workspace(work).path.absolute().name
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder).strip("-._")[:64]
    return name or "images"


def remember_release(work: AnyWorkspace, folder: Path) -> None:
    """Write down that a release of `work` is, or is about to be, in `folder`."""
    work = Workspace(work)
    others = [path for path in made_releases(work) if path != folder]
    # A folder that is not ours to write in can be released all the same.
    with contextlib.suppress(PermissionError):
        write_json(work.releases_file, [str(path) for path in [*others, folder]])


def made_releases(work: AnyWorkspace) -> list[Path]:
    """The folders that releases of `work` were written to, the last one last; ValueError where the list is damaged."""
    path = Workspace(work).releases_file
    if not path.exists():
        return []
    try:
        return [Path(folder) for folder in json.loads(path.read_bytes())]
    except (ValueError, TypeError):
        raise ValueError(
            f"{path} is damaged: expected a list of folders; delete it, and `twigma release` writes another"
        ) from None


def find_own_release(work: AnyWorkspace) -> Path | None:
    """The last release of `work` that is there, else the one in `twigma/` beside it, if that is of its dataset."""
    work = Workspace(work)
    beside = work.path.absolute().parent / "twigma"
    for folder in [*reversed(made_releases(work)), beside]:
        if (folder / MANIFEST).exists() and is_release_of(folder, work):
            return folder
    return None


def is_release_of(folder: Path, work: AnyWorkspace) -> bool:
    """Whether the release in `folder` was made from `work`, or bears the name of its dataset, whole or in part."""
    identity = read_manifest(folder).get("identity")
    if folder.resolve() in made_releases(work):
        return True
    if not isinstance(identity, dict):
        return False
    return str(identity.get("name")).removesuffix(PART) == _dataset_name(work)


def _dataset_name(work: AnyWorkspace) -> str:
    path = Workspace(work).identity_file
    if not path.exists():
        return neutral_name(work)
    try:
        stated = tomllib.loads(path.read_text("utf-8"))
    except ValueError:
        return ""  # `twigma release` says what is wrong with it
    return str(stated.get("name", ""))


def has_own_pictures(work: AnyWorkspace) -> bool:
    """Whether images of a working folder are on no post: their names are not unique in the world, as those of posts."""
    path = Workspace(work).images_file
    if not path.exists() or "source" not in pq.read_schema(path).names:
        return False
    sources = pq.read_table(path, columns=["source"])["source"]
    return bool(pc.any(pc.equal(sources, "local")).as_py())


def find_rows_of_images(
    work: AnyPath, data_dir: AnyPath | None = None
) -> tuple[Path | None, list[str]]:
    """The rows for the images of a working folder: the release and its metadata; without one, None and own tables.

    These are `images.parquet`, or the sidecars of the shards: nothing is fetched to show people their own pictures.
    A release in `./twigma` that nobody asked for is not joined to pictures of another dataset: names of files repeat.
    """
    work = Workspace(Path(work).expanduser().absolute())
    release = find_release(data_dir)
    is_asked_for = bool(data_dir or os.environ.get(DATA_DIR_VARIABLE))
    if release is not None and (
        is_asked_for or not has_own_pictures(work) or is_release_of(release, work)
    ):
        return find_tables("metadata", release)
    table = work.images_file
    if table.exists():
        return None, [str(table)]
    return None, [str(shard.sidecar) for shard in find_shards(work).values()]
