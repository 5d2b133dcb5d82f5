"""The lists of a set of liked images, as `twigma liked` writes it, with each picture as its path."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core.files import read_parquet
from twigma.core.safety import untrusted_names
from twigma.dataset.release_folder import AnyPath, read_liked

LIKED = pa.schema(
    [("text", pa.string()), ("image_name", pa.string()), ("like_count", pa.int64())]
)
LISTED = pa.schema([("file_name", pa.string()), *LIKED])  # as `twigma liked` writes it
LIST = "metadata.parquet"  # in the folder of a split
SPLITS = ("train", "validation", "test")


def liked_folder(liked: AnyPath | None, data_dir: AnyPath | None, default: str) -> Path:
    """The set to load: `liked` or `data_dir`, which are two names of one option; ValueError where they differ."""
    given = [path for path in (liked, data_dir) if path is not None]
    asked = [Path(path).expanduser().absolute() for path in given]
    if len(set(asked)) > 1:
        raise ValueError(
            f"twigma liked: expected one folder, found liked={os.fspath(given[0])!r} and data_dir="
            f"{os.fspath(given[1])!r}: a set of liked images is read without a release; leave data_dir out"
        )
    return asked[0] if asked else Path(default).absolute()


def find_liked(folder: AnyPath) -> dict[str, str]:
    """The path of the list of every split that has images; ValueError as `read_liked`."""
    manifest = read_liked(folder)
    present = [split for split in SPLITS if manifest["splits"][split]]
    for split in present:
        if f"{split}/{LIST}" not in manifest["files"]:
            raise ValueError(
                f"{os.fspath(folder)} has no {split}/{LIST}, so another version of twigma made it: re-create it with "
                "`twigma liked`"
            )
    return {split: f"{os.fspath(folder)}/{split}/{LIST}" for split in present}


def liked_rows(file: str, filters: pc.Expression | None = None) -> pa.Table:
    """The rows of a list that pass the filters: `image` (struct of bytes and path), then the columns of LIKED.

    Raises ValueError for names that are no file names, and paths or links that lead out of the folder.
    """
    table = read_parquet(Path(file), schema=LISTED)
    untrusted_names.refuse_names(table, file, untrusted_names.NAMES)
    folder = os.path.dirname(file)  # noqa: PTH120 - `file` may be an address
    names = table["file_name"].to_pylist()
    untrusted_names.refuse_paths(names, file)
    untrusted_names.refuse_links(Path(folder), names)
    if filters is not None:
        table = table.filter(filters)
    paths = pc.binary_join_element_wise(folder, table["file_name"], "/")
    no_bytes = pa.nulls(len(table), pa.binary())
    image = pa.StructArray.from_arrays(
        [no_bytes, paths.combine_chunks()], ["bytes", "path"]
    )
    return table.drop_columns("file_name").add_column(0, "image", image)
