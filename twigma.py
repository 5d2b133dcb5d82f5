"""twigma: build, rehydrate, release, load and analyse datasets of AI-generated images.

    import twigma

    twigma.load_dataset("metadata")      # a release, else the authors' table; also datasets.load_dataset("twigma")
    twigma.open_release("twigma")        # its tables in memory: .metadata, .embeddings, .to_pandas()
    twigma.Workspace("work")             # a working folder: .status(), .images(), .table("embed"), .embed()
    twigma.open_images("work")           # its images, by name
    twigma.stream_images("work")         # its images with their metadata, for training
    twigma.analysis.figure("fig2c", …)   # and every estimator, on arrays and tables of your own

This module is the face: what people call, re-exported from the rooms that own it. It imports the standard library only,
so that `twigma --help` answers at once: `datasets` takes seconds.
"""

import importlib
import os
import pathlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Release",
    "Workspace",
    "check_files",
    "find_release",
    "find_shards",
    "find_tables",
    "load_dataset",
    "open_images",
    "open_release",
    "read_liked",
    "read_manifest",
    "register",
    "stream_images",
]

if "__path__" not in globals():
    # Imported as ./twigma.py from a checkout: become the package that it is once installed.
    __path__ = [str(pathlib.Path(__file__).resolve().parent)]
    if __spec__ is not None:
        __spec__.submodule_search_locations = __path__

# Only now is `twigma` a package whose rooms can be imported.
from twigma.builder.workspace import Workspace
from twigma.dataset import registration
from twigma.dataset.opened_release import Release, open_release
from twigma.dataset.registration import register
from twigma.dataset.release_folder import (
    check_files,
    find_release,
    find_shards,
    find_tables,
    read_liked,
    read_manifest,
)

if TYPE_CHECKING:
    from twigma.dataset.streams.image_stream import ImageStream
    from twigma.rehydrate.images.image_index import Images


def load_dataset(name: str = "metadata", **kwargs: Any) -> Any:
    """Load a configuration (metadata, embeddings, images, liked); arguments are those of `datasets.load_dataset`.

    Embeddings that `twigma embed --name NAME` made are `embeddings-NAME`.

    Where the data comes from: `data_dir=`, else `$TWIGMA_DATA_DIR`, else the release in `./twigma`, else the
    authors' Zenodo record, which a line of the log then says. `images` also takes `shards=`, the working folder that
    holds the images; without a release their rows are those of that folder. `liked` takes `liked=` (or `data_dir=`),
    the folder that `twigma liked` wrote, and reads nothing else.

    Every configuration takes `columns=`, names of columns (images and liked ones keep `image` and `image_name` beside
    them), and `filters=`, as `[("like_count", ">", 10)]` or an expression of pyarrow. Where no row passes the filters,
    the dataset is empty and has its features.

    Raises ValueError where a folder is not what was expected, an option is not one of this configuration, or columns
    or filters do not fit its columns; FileNotFoundError where `images` finds no shards.

    A stream that is shuffled and then resumed by its `state_dict()` skips images: `datasets` fills its shuffle buffer
    again and does not return what was in it. `stream_images` resumes exactly.
    """
    return registration.load_dataset(name, **kwargs)


def open_images(work: str | os.PathLike[str] = "work") -> "Images":
    """The stored images of a working folder by `image_name`, read from the tars in any order, nothing unpacked.

    >>> images = twigma.open_images("work")             # doctest: +SKIP
    >>> images["1480000000000000021"].size              # doctest: +SKIP
    (512, 512)
    """
    from twigma.rehydrate.images.image_index import Images

    return Images(work)


def stream_images(
    work: str | os.PathLike[str] = "work", **options: Any
) -> "ImageStream":
    """The stored images of a working folder with their metadata, for training: shuffled, split, resumed exactly.

    The options are those of `ImageStream`: `columns`, `filters`, `shuffle`, `transform` and others.

    >>> stream = twigma.stream_images("work", columns=["like_count"], shuffle=True)    # doctest: +SKIP
    >>> loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=4)   # doctest: +SKIP
    """
    from twigma.dataset.streams.image_stream import ImageStream

    return ImageStream(work, **options)


def __getattr__(name: str) -> Any:
    """The packages, when they are first used: `twigma.analysis` without importing it, and without its cost before."""
    if name in ("analysis", "builder", "rehydrate"):
        return importlib.import_module(f"twigma.{name}")
    raise AttributeError(f"module 'twigma' has no attribute {name!r}")


registration.register_when_imported()

if __name__ == "__main__":
    # `python -m twigma` in a checkout; once installed, `__main__.py` is what runs.
    from twigma.cli import main

    main(prog_name="twigma")
