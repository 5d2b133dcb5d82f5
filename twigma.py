"""The TWIGMA dataset, by name: `import twigma`, then `datasets.load_dataset("twigma")` works in any folder.

This module owns where the data is found (`find_release`), whether it is whole (`check_files`), and the
registration of the name with `datasets`; the rows are read by the builder in `dataset/loader.py`. It imports the
standard library only, so that `twigma --help` answers at once: `datasets` takes seconds.
"""

import hashlib
import importlib.abc
import importlib.util
import json
import os
import pathlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twigma.rehydrate.images.image_index import Images
    from twigma.rehydrate.images.shards import Shard

__version__ = "0.1.0"
__all__ = [
    "check_files",
    "find_release",
    "find_shards",
    "find_tables",
    "load_dataset",
    "open_images",
    "read_liked",
    "read_manifest",
    "register",
]

if (
    "__path__" not in globals()
):  # imported as ./twigma.py from a checkout: make it the package it is once installed
    __path__ = [str(pathlib.Path(__file__).resolve().parent)]
    if __spec__ is not None:
        __spec__.submodule_search_locations = __path__


def load_dataset(name: str = "metadata", **kwargs: Any) -> Any:
    """Load a configuration (metadata, embeddings, images, liked); arguments are those of `datasets.load_dataset`.

    Where the data comes from: `data_dir=`, else `$TWIGMA_DATA_DIR`, else the release in `./twigma`, else the
    authors' Zenodo record. `images` also takes `shards=`, the working folder that holds the images; `liked` takes
    `liked=`, the folder that `twigma liked` wrote, and reads nothing else.
    """
    import datasets

    return datasets.load_dataset("twigma", name, **kwargs)


def open_images(work: str | os.PathLike[str] = "work") -> "Images":
    """The stored images of a working folder by `image_name`, read from the tars in any order, nothing unpacked.

    >>> images = twigma.open_images("work")             # doctest: +SKIP
    >>> images["1480000000000000021"].size              # doctest: +SKIP
    (512, 512)
    """
    from twigma.rehydrate.images.image_index import Images

    return Images(work)


# ------------------------------------------------------------- where it is


def find_release(data_dir: str | os.PathLike[str] | None = None) -> pathlib.Path | None:
    """The release folder to load: `data_dir`, else `$TWIGMA_DATA_DIR`, else `./twigma`; None when there is none.

    A folder that is asked for must be a release (ValueError); `./twigma` is passed over when it is not one.
    """
    asked = data_dir or os.environ.get("TWIGMA_DATA_DIR")
    folder = pathlib.Path(asked or "twigma").expanduser().absolute()
    if not asked and not (folder / "MANIFEST.json").exists():
        return None
    read_manifest(folder)
    return folder


def find_tables(
    name: str, data_dir: str | os.PathLike[str] | None = None
) -> tuple[pathlib.Path, list[str]]:
    """The release to load (the authors' table when there is none), and the Parquet files of `metadata` or `embeddings`.

    Raises FileNotFoundError when the release has no such files, as the authors' table has no embeddings; ValueError
    when one of them is missing or has another size than MANIFEST.json says.
    """
    from twigma.dataset import published_table

    folder = find_release(data_dir) or published_table.fetch()
    names = [
        path
        for path in sorted(read_manifest(folder)["files"])
        if path.startswith(f"{name}/")
    ]
    if not names:
        raise FileNotFoundError(
            f"{folder} has no {name}: `twigma embed`, then `twigma release` makes them"
        )
    check_files(folder, names, contents=False)
    return folder, [str(folder / name) for name in names]


def find_shards(work: str | os.PathLike[str]) -> "dict[str, Shard]":
    """The finished shards of a working folder by the path of their manifest; FileNotFoundError when there is none."""
    from twigma.rehydrate.images.shards import list_shards

    folder = pathlib.Path(work).expanduser().absolute()
    return {str(shard.manifest): shard for shard in list_shards(folder)}


def read_manifest(folder: pathlib.Path) -> dict[str, Any]:
    """The MANIFEST.json of a release; ValueError when the folder does not hold a release of this dataset.

    Also when it names a file outside the folder.
    """
    from twigma.core.safety import untrusted_names

    path = folder / "MANIFEST.json"
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = (
            "no MANIFEST.json there"
            if isinstance(error, FileNotFoundError)
            else f"its MANIFEST.json: {error}"
        )
        raise ValueError(
            f"{folder} is not a TWIGMA release ({reason}): `twigma release` makes one"
        ) from None
    if (
        not isinstance(manifest, dict)
        or manifest.get("dataset") != "twigma"
        or "files" not in manifest
    ):
        raise ValueError(
            f"{folder} is not a TWIGMA release (its MANIFEST.json is not ours): `twigma release` makes one"
        )
    untrusted_names.refuse_paths(manifest["files"], str(path))
    return manifest


def read_liked(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The MANIFEST.json of a fine-tuning set; ValueError when the folder does not hold one, or lacks files of it.

    Also when it names a file outside the folder, or one is a link that leads there.
    """
    from twigma.core.safety import untrusted_names

    path = pathlib.Path(folder).expanduser().absolute() / "MANIFEST.json"
    manifest = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if manifest.get("dataset") != "twigma-liked":
        raise ValueError(
            f"{path.parent} is not a set of liked images: `twigma liked` makes one"
        )
    untrusted_names.refuse_paths(manifest["files"], str(path))
    if lost := [
        name for name in manifest["files"] if not (path.parent / name).exists()
    ]:
        raise ValueError(
            f"{path.parent} is not whole: {lost[0]} is missing; make it again with `twigma liked`"
        )
    untrusted_names.refuse_links(path.parent, manifest["files"])
    return dict(manifest)


def check_files(
    folder: pathlib.Path, names: Sequence[str] | None = None, *, contents: bool = True
) -> None:
    """Raise ValueError unless these files of a release (all by default) are as its MANIFEST.json says.

    With `contents` the SHA-256 is compared, else only the size. A link that leads out of the folder is refused.
    """
    from twigma.core.safety import untrusted_names

    files = read_manifest(folder)["files"]
    for name in files if names is None else names:
        path = folder / name
        if not path.exists():
            raise ValueError(
                f"{folder} is not whole: {name} is missing; copy or download the release again"
            )
        untrusted_names.refuse_links(folder, [name])
        if path.stat().st_size != files[name]["bytes"] or (
            contents and sha256(path) != files[name]["sha256"]
        ):
            raise ValueError(
                f"{path} is damaged: it differs from MANIFEST.json; copy or download the release again"
            )


def sha256(path: pathlib.Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ------------------------------------------------------------ registration


def register() -> None:
    """Teach `datasets` the name "twigma"; done by `import twigma`, at once or when `datasets` is imported.

    A packaged dataset is looked up by name before any folder or the Hub. Its stock factory scans the working
    folder for data files; ours leaves that to the builder, and every other name to the stock factory.
    """
    import datasets.load
    from datasets.data_files import DataFilesDict
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

    if "twigma" in _PACKAGED_DATASETS_MODULES:
        return
    builder = pathlib.Path(__path__[0], "dataset", "loader.py")
    _PACKAGED_DATASETS_MODULES["twigma"] = ("twigma.dataset.loader", sha256(builder))
    stock: Any = datasets.load.PackagedDatasetModuleFactory

    class Factory(stock):  # type: ignore[misc]
        def get_module(self) -> Any:
            if self.name != "twigma" or self.data_files is not None:
                return super().get_module()
            module, code = _PACKAGED_DATASETS_MODULES["twigma"]
            return datasets.load.DatasetModule(
                module,
                code,
                {
                    "dataset_name": "twigma",
                    "data_files": DataFilesDict(),
                    "data_dir": self.data_dir,
                },
            )

    datasets.load.PackagedDatasetModuleFactory = Factory


class _WhenImported(importlib.abc.MetaPathFinder):
    """Calls `register` right after `datasets` has been imported, once."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find `datasets` as the other finders do, and wrap its execution."""
        if fullname != "datasets":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            register()

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


if "datasets" in sys.modules:
    register()
else:
    sys.meta_path.insert(0, _WhenImported())
