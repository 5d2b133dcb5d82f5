"""The folders that a dataset is loaded from: a release, a fine-tuning set, the shards of a working folder.

Where they are, and whether they are complete, undamaged and ours. It imports nothing heavy, so that `import twigma`
takes no time.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twigma.core.names import split_name, with_name
from twigma.core.safety import untrusted_names
from twigma.core.storage.address import in_store
from twigma.dataset.tables.table_files import select_tables, table_configs

if TYPE_CHECKING:
    from twigma.rehydrate.images.shards import Shard

AnyPath = str | os.PathLike[str]

DATA_DIR_VARIABLE = "TWIGMA_DATA_DIR"
MANIFEST = "MANIFEST.json"
ONLY_OF_A_RELEASE = ("croissant.json", "removals.txt")
RELEASE, LIKED = "twigma", "twigma-liked"  # the `dataset` of a manifest


# ------------------------------------------------------------------ where


def find_release(data_dir: AnyPath | None = None) -> Path | None:
    """The release folder to load: `data_dir`, else `$TWIGMA_DATA_DIR`, else `./twigma`; None when there is none.

    A folder that is asked for must be a release (ValueError); `./twigma` is skipped when nothing in it is of one, and
    refused when something is but MANIFEST.json is missing, as after a download that was cut off. One in an object store
    (s3://, gs://) is fetched into its mirror.
    """
    asked = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    if asked and in_store(asked):
        from twigma.core.storage.mirrors import fetched

        asked = fetched(os.fspath(asked))
    folder = Path(asked or "twigma").expanduser().absolute()
    if not asked and not (folder / MANIFEST).exists() and not _parts(folder):
        return None
    read_manifest(folder)
    return folder


def find_published(data_dir: AnyPath | None = None) -> Path:
    """The release to load as `find_release`, or else the table that the authors published, from its cache or Zenodo.

    Raises OSError when there is neither, ValueError as `find_release`, or when the authors' table is damaged.
    """
    folder = find_release(data_dir)
    if folder is not None:
        return folder
    from twigma.dataset.published import published_table

    try:
        return published_table.fetch()
    except OSError as error:
        raise OSError(
            f"no TWIGMA release here (data_dir, ${DATA_DIR_VARIABLE}, ./twigma), and {error}; or make a release with "
            "`twigma release`"
        ) from None


def find_tables(name: str, data_dir: AnyPath | None = None) -> tuple[Path, list[str]]:
    """The release to load (the authors' table when there is none), and the Parquet files of `metadata` or `embeddings`.

    Embeddings of another name than the default are `embeddings-NAME`. Raises FileNotFoundError when the release has no
    such files, as the authors' table has no embeddings; ValueError when one of them is missing or has another size than
    MANIFEST.json says.
    """
    folder = find_published(data_dir)
    names = list_tables(folder, name)
    check_files(folder, names, contents=False)
    return folder, [str(folder / path) for path in names]


def list_tables(folder: Path, config: str) -> list[str]:
    """The names of the files of a configuration of a release; FileNotFoundError where it has none."""
    files = read_manifest(folder)["files"]
    names = select_tables(config, files)
    if not names:
        missing = f"{folder} has no {config}, but {', '.join(table_configs(files))}"
        base, name = split_name(config)
        if base != "embeddings":
            raise FileNotFoundError(missing)
        command = f"twigma embed --name {name}" if name else "twigma embed"
        raise FileNotFoundError(
            f"{missing}: `{command}`, then `twigma release` makes them"
        )
    return names


def embedded_by(folder: Path, name: str = "") -> dict[str, Any]:
    """Which model made the embeddings of a name in a release or a working folder; empty where that is not known.

    ValueError where those of a working folder are of two models.
    """
    manifest = folder / MANIFEST
    if manifest.exists():
        models = json.loads(manifest.read_text("utf-8")).get("models", {})
        return dict(models.get(with_name("embed", name), {}))
    from twigma.core.workspace import Workspace

    return Workspace(folder).embedding_model(name)


def find_shards(work: AnyPath) -> "dict[str, Shard]":
    """The finished shards of a working folder by the path of their manifest; FileNotFoundError when there is none."""
    from twigma.rehydrate.images.shards import list_shards

    folder = Path(work).expanduser().absolute()
    return {str(shard.manifest): shard for shard in list_shards(folder)}


def find_shards_to_load(
    work: AnyPath, data_dir: AnyPath | None = None
) -> "dict[str, Shard]":
    """As `find_shards`, for `load_dataset("images")`: its FileNotFoundError says which option names which folder."""
    from twigma.core.workspace import Workspace
    from twigma.rehydrate.images.shards import require_shards

    folder = Path(work).expanduser().absolute()
    try:
        require_shards(folder)
    except FileNotFoundError:
        of_rows = ""
        if data_dir is not None:
            of_rows = (
                f" (data_dir={os.fspath(data_dir)!r} is the release of their rows)"
            )
        raise FileNotFoundError(
            f"no finished shards in {Workspace(folder).shards}, where the images were expected: name the working "
            f"folder that holds them with shards={of_rows}, or make them with `twigma rehydrate` or `twigma add`"
        ) from None
    return find_shards(folder)


# ------------------------------------------------------------------ manifests


def read_manifest(folder: AnyPath) -> dict[str, Any]:
    """The MANIFEST.json of a release; ValueError when the folder does not hold a release of this dataset.

    Also when it names a file outside the folder.
    """
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        parts = _parts(path.parent)
        if parts:
            raise ValueError(
                f"{path.parent} is incomplete: it has {', '.join(parts)}, but no MANIFEST.json, which lists "
                "what belongs to the release; copy or download the release again, or move this folder away"
            ) from None
        raise _not_a_release(path, "no MANIFEST.json there") from None
    except (OSError, ValueError) as error:
        raise _not_a_release(path, f"its MANIFEST.json: {error}") from None
    ours = isinstance(manifest, dict) and manifest.get("dataset") == RELEASE
    if not ours or "files" not in manifest:
        raise _not_a_release(path, "its MANIFEST.json is not ours")
    untrusted_names.refuse_paths(manifest["files"], str(path))
    return dict(manifest)


def _parts(folder: Path) -> list[str]:
    """Files in a folder that only a release has."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    tables = [
        name for config in table_configs(names) for name in select_tables(config, names)
    ]
    return [*tables, *(name for name in ONLY_OF_A_RELEASE if name in names)]


def _not_a_release(path: Path, reason: str) -> ValueError:
    return ValueError(
        f"{path.parent} is not a TWIGMA release ({reason}): `twigma release` makes one"
    )


def read_liked(folder: AnyPath) -> dict[str, Any]:
    """The MANIFEST.json of a fine-tuning set; ValueError when the folder does not hold one, or files are missing.

    Also when it names a file outside the folder, or one is a link that leads there.
    """
    path = Path(folder).expanduser().absolute()
    manifest = read_liked_manifest(path)
    missing = missing_files(path, manifest)
    if missing:
        raise ValueError(
            f"{path} is incomplete: {missing[0]} is missing; re-create it with `twigma liked`"
        )
    untrusted_names.refuse_links(path, manifest["files"])
    return manifest


def read_liked_manifest(folder: AnyPath) -> dict[str, Any]:
    """The MANIFEST.json of a fine-tuning set that may be incomplete; ValueError when the folder does not hold one.

    Also when it names a file outside the folder.
    """
    path = Path(folder).expanduser().absolute() / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise _not_liked(path, f"no {MANIFEST} there") from None
    except (OSError, ValueError) as error:
        raise _not_liked(path, f"its {MANIFEST}: {error}") from None
    ours = isinstance(manifest, dict) and manifest.get("dataset") == LIKED
    if not ours or not isinstance(manifest.get("files"), dict):
        raise _not_liked(path, f"its {MANIFEST} is not ours")
    untrusted_names.refuse_paths(manifest["files"], str(path))
    return dict(manifest)


def missing_files(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """The files of a manifest that its folder lacks."""
    return [name for name in manifest["files"] if not (folder / name).exists()]


def _not_liked(path: Path, reason: str) -> ValueError:
    return ValueError(
        f"{path.parent} is not a set of liked images ({reason}): `twigma liked` makes one, in a folder that is "
        "missing or empty"
    )


# ------------------------------------------------------------------ contents


def check_files(
    folder: AnyPath, names: Sequence[str] | str | None = None, *, contents: bool = True
) -> None:
    """Raise ValueError unless these files of a release (all by default, or one) are as its MANIFEST.json says.

    With `contents` the SHA-256 is compared, else only the size. A link that leads out of the folder is refused.
    """
    folder = Path(folder)
    files = read_manifest(folder)["files"]
    names = [names] if isinstance(names, str) else names
    checked = list(files if names is None else names)
    unknown = sorted(set(checked) - set(files))
    if unknown:
        raise ValueError(
            f"expected files that the MANIFEST.json of {folder} lists, found {', '.join(unknown)}"
        )
    missing = [name for name in checked if not (folder / name).exists()]
    if missing:
        present = sorted(name for name in files if (folder / name).exists())
        raise ValueError(
            f"{folder} is incomplete: {', '.join(missing)} is missing; of what its MANIFEST.json lists it has "
            f"{', '.join(present) or 'nothing'}; copy or download the release again"
        )
    untrusted_names.refuse_links(folder, checked)
    for name in checked:
        _check_file(folder / name, files[name], contents)


def _check_file(path: Path, facts: dict[str, Any], contents: bool) -> None:
    """ValueError where a file has another size, or SHA-256, than its manifest says."""
    size = path.stat().st_size
    difference = ""
    if size != facts["bytes"]:
        difference = f"expected {facts['bytes']:,} bytes, found {size:,}"
    elif contents and sha256(path) != facts["sha256"]:
        difference = "its SHA-256 is another"
    if difference:
        raise ValueError(
            f"{path} is damaged: it differs from MANIFEST.json ({difference}); copy or download the release again"
        )


def sha256(path: AnyPath) -> str:
    """SHA-256 of a file, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
