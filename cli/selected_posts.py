"""`twigma rehydrate --select`: which posts of a list are those of chosen images; no other is looked up.

The list is that of --ids, or else the release here (`$TWIGMA_DATA_DIR`, `./twigma`), whose table has every post.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twigma.cli.id_lists import ZENODO, find_list

if TYPE_CHECKING:
    import pyarrow as pa

    from twigma.dataset.opened_release import Release

OF_POSTS = ("id", "image_name")
OWN = "local"  # `source` of images that were added from files, and are on no post


@dataclass(frozen=True)
class Lists:
    """Files with ids, and the release that they are the table of, where they are one."""

    paths: tuple[Path, ...]
    release: "Release | None" = None


def find_lists(file: Path | None) -> Lists:
    """The lists that are read: of --ids, or without it of the release here; a usage error where there is none."""
    from twigma.dataset.opened_release import Release
    from twigma.dataset.release_folder import MANIFEST, find_release, list_tables

    folder = find_release() if file is None else None
    if file is not None:
        path = find_list(file)
        is_table = (path.parent / MANIFEST).exists() and path.suffix == ".parquet"
        return Lists((path,), Release(path.parent) if is_table else None)
    if folder is None:
        raise click.UsageError(
            "--select chooses from a list, and there is no release here (./twigma): name the list with --ids, such as "
            f"--ids {ZENODO}"
        )
    names = list_tables(folder, "metadata")
    return Lists(tuple(folder / name for name in names), Release(folder))


def selected_posts(
    select: Path | None, lists: Lists, column: str | None, work: Path
) -> set[str] | None:
    """The ids of the posts of the chosen images, None without a selection; errors are those of `load_selection`."""
    from twigma.dataset.selections import load_selection

    if select is None:
        return None

    selection = load_selection(select, lists.release)
    rows = _rows(lists, column)
    if "image_name" not in rows.column_names and "id" not in selection.columns:
        raise ValueError(
            f"{lists.paths[0]}: expected a column image_name beside the ids of the posts, since {select} names images; "
            f"look up from the table of a release, or --ids {ZENODO}"
        )
    where = lists.paths[0]
    release = None
    if lists.release is not None:
        where = release = lists.release.folder
    chosen = selection.mask(rows, where, work=work, release=release)
    return set(rows["id"].filter(chosen).to_pylist())


def _rows(lists: Lists, column: str | None) -> "pa.Table":
    """A row for each row of the lists that is of a post: its id, and its image_name where the list has it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if lists.release is None:
        return _rows_of_list(lists.paths, column)
    table = lists.release.metadata
    if "source" in table.column_names:
        is_own = pc.fill_null(pc.equal(table["source"], OWN), False)
        table = table.filter(pc.invert(is_own))
    rows: pa.Table = table.select(list(OF_POSTS))
    return rows


def _rows_of_list(paths: Iterable[Path], column: str | None) -> "pa.Table":
    import pyarrow as pa

    from twigma.core.lists.reader import read_rows
    from twigma.rehydrate.ids.list_columns import Wanted
    from twigma.rehydrate.ids.post_id import parse_post_id

    posts: list[str] = []
    images: list[str] = []
    for path in paths:
        for row in read_rows(path, Wanted(column, ("image_name", "source"))):
            name, source = row.others or ("", "")
            post = parse_post_id(row.value)
            if post and source != OWN:
                posts.append(post)
                images.append(name)
    table = pa.table({"id": pa.array(posts, pa.string())})
    if any(images):
        table = table.append_column("image_name", pa.array(images, pa.string()))
    return table
