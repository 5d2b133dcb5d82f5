"""Images that a reader chose in the explorer or listed, for `--select` of analyze, release, liked and rehydrate.

One reading for all of them: `selection_files.py` reads the file, `Selection.mask` finds its images in a table. What was
removed on request is dropped and counted, what the table lacks is counted, and ids that were rounded are refused.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core.parts import fingerprint
from twigma.core.progress import notice
from twigma.core.values import plural
from twigma.core.workspace import AnyWorkspace
from twigma.dataset.opened_release import Release, open_release
from twigma.dataset.release_folder import DATA_DIR_VARIABLE, find_release
from twigma.dataset.selection_files import FORMAT, SelectionFile, read_file
from twigma.dataset.tables.table_files import select_tables
from twigma.rehydrate.ids.damage import refuse_damaged
from twigma.rehydrate.ids.post_id import parse_id, why_bad
from twigma.rehydrate.posts.post_fields import photo_id
from twigma.rehydrate.posts.removed_ids import parse_public_list, read_removed

__all__ = [
    "FORMAT",
    "Selection",
    "load_selection",
    "read_selection",
    "release_hash",
    "removed_among",
]

PUBLIC_LIST = "removals.txt"  # of a release
MOST_TRIED = 64  # ids whose slow hash is computed: a few seconds


def release_hash(release: Release) -> str:
    """What tells this release from another: the hash of the hashes of its metadata files."""
    files = release.manifest["files"]
    return fingerprint({name: files[name] for name in select_tables("metadata", files)})


@dataclass(frozen=True)
class Selection:
    """What a file selects: names of images or posts with the line that names them, and the columns that hold such.

    `release` is the hash of the release that the explorer showed, "" where the file does not say it.
    """

    path: Path
    names: Mapping[str, int]
    columns: tuple[str, ...]
    release: str = ""

    def mask(
        self,
        table: pa.Table,
        where: object,
        *,
        work: AnyWorkspace | None = None,
        release: Path | None = None,
    ) -> pa.ChunkedArray:
        """Which rows of a table are chosen.

        Parameters
        ----------
        table : n rows with image_name, id or both.
        where : what the table is of, for messages.
        work, release : working folder and release that know what was removed on request.

        Returns
        -------
        bool[n]. A notice counts the images, and the names that were dropped.

        Raises
        ------
        ValueError when no row is chosen, or the file names ids that were rounded on the way.
        """
        chosen, unmatched = self._match(table)
        removed = removed_among(unmatched, work, release)
        missing = [name for name in unmatched if name not in removed]
        self._refuse_rounded(missing)
        count = _count(table, chosen)
        if not count:
            raise self._nothing(where, removed, missing)
        notice(self._sentence(count, where, removed, missing))
        return chosen

    def _match(self, table: pa.Table) -> tuple[pa.ChunkedArray, list[str]]:
        """Which rows are chosen, bool[n], and the names that no row has, however they are spelt."""
        searched = [name for name in self.columns if name in table.column_names]
        names = pa.array(list(self.names), pa.string())
        chosen, known = _found(table, searched, names)
        unmatched = names.filter(pc.invert(known)).to_pylist()
        # Names as they are come first: an image added by hand may be called anything.
        spelt = {name: _plain(name) for name in unmatched}
        plain = pa.array(sorted(set(spelt.values()) - {""}), pa.string())
        also, found = _found(table, searched, plain)
        matched = set(plain.filter(found).to_pylist())
        chosen = pc.or_(chosen, also)
        return chosen, [name for name in unmatched if spelt[name] not in matched]

    def _refuse_rounded(self, missing: Collection[str]) -> None:
        """ValueError where ids that no row has were rounded by a spreadsheet or a float."""
        lost = [name for name in missing if "digits are lost" in why_bad(name)]
        if lost:
            more = f", and {len(lost) - 1:,} more" if len(lost) > 1 else ""
            raise ValueError(
                f"{self.path}, line {self.names[lost[0]]:,}: expected an id, found {why_bad(lost[0])}: {lost[0]!r}"
                f"{more}; save the list again with its ids as text"
            )
        refuse_damaged(self.path, [name for name in missing if _is_number(name)])

    def _sentence(
        self,
        count: str,
        where: object,
        removed: Collection[str],
        missing: Collection[str],
    ) -> str:
        text = f"{self.path}: {count} of {where} chosen"
        if removed:
            text += f"; {len(removed):,} removed on request, left out"
        if missing:
            text += f"; {len(missing):,} not there, {self._first(missing)}"
        return text

    def _nothing(
        self, where: object, removed: Collection[str], missing: Collection[str]
    ) -> ValueError:
        begin = f"{self.path} selects no image of {where}"
        if not missing:
            return ValueError(
                f"{begin}: all {len(removed):,} that it names were removed on request; choose others"
            )
        also = f", and {len(removed):,} were removed on request" if removed else ""
        return ValueError(
            f"{begin}: none of its {len(missing):,} names is an image or a post there, {self._first(missing)}{also}; "
            "choose from an explorer of it, or name what the selection is of"
        )

    def _first(self, missing: Collection[str]) -> str:
        name = next(iter(missing))
        return f"such as {name[:80]!r} on line {self.names[name]:,}"


def load_selection(path: Path | str, release: Release | None = None) -> Selection:
    """The selection in a file; rows become names by `release`, or else by `$TWIGMA_DATA_DIR` or `./twigma`.

    Raises
    ------
    FileNotFoundError without a file; ValueError when it is none, is empty, or holds rows of another release.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"no selection at {path}: `twigma explore` saves one, `twigma search --out` writes one"
        )
    found = read_file(path)
    if found.rows is None:
        return Selection(path, found.names, found.columns, found.release)
    if release is None:
        release = _release_of_rows(path)
    names = _names_of_rows(path, found, release)
    return Selection(path, names, found.columns, found.release)


def read_selection(
    path: Path, release: Release, work: AnyWorkspace | None = None
) -> set[str]:
    """The `image_name` of the images that were selected in a release; `work` knows what was removed.

    Raises
    ------
    ValueError when the file is no selection, is one of another release by row, or chooses no image of this one.
    """
    selection = load_selection(path, release)
    table = release.metadata
    chosen = selection.mask(table, release.folder, work=work, release=release.folder)
    return set(table["image_name"].filter(chosen).to_pylist())


def removed_among(
    names: Collection[str], work: AnyWorkspace | None, release: Path | None
) -> set[str]:
    """Which of these names were removed on request, as a working folder and a release know it.

    Of a release at most `MOST_TRIED` names are tried: each takes a tenth of a second.
    """
    removed: set[str] = set()
    if work is not None:
        private = read_removed(work)
        removed.update(name for name in names if private.holds(_plain(name)))
    others = [name for name in names if name not in removed][:MOST_TRIED]
    listed = None if release is None else release / PUBLIC_LIST
    if listed is None or not listed.exists():
        return removed
    plain = {name: _plain(name) for name in others}
    public = parse_public_list(listed.read_text("utf-8")).among(plain.values())
    return removed | {name for name in others if plain[name] in public}


# ------------------------------------------------------------------ rows


def _release_of_rows(path: Path) -> Release:
    """The release in which rows are looked up where a command reads none."""
    folder = find_release()
    if folder is None:
        raise ValueError(
            f"{path} holds rows of a release, not ids, and there is no release here: expected ./twigma, or its folder "
            f"in ${DATA_DIR_VARIABLE}; or make the page with `twigma explore --ids`"
        )
    return open_release(folder)


def _names_of_rows(
    path: Path, found: SelectionFile, release: Release
) -> dict[str, int]:
    if found.release != release_hash(release):
        raise ValueError(
            f"{path} was saved from another release than {release.folder}, and holds rows, not ids: name that release "
            f"(${DATA_DIR_VARIABLE}), save it again from a page of this release, or make the page with "
            "`twigma explore --ids`"
        )
    rows = found.rows or []
    names = release.metadata["image_name"]
    if max(rows) >= len(names):
        raise ValueError(
            f"{path}: expected rows below {len(names):,}, those of {release.folder}, found {max(rows):,}: it was "
            "changed by hand; save it again in `twigma explore`"
        )
    chosen: dict[str, int] = {}
    for place, name in enumerate(names.take(pa.array(rows)).to_pylist(), 1):
        chosen.setdefault(name, place)
    return chosen


# ------------------------------------------------------------------ names


def _found(
    table: pa.Table, searched: Collection[str], names: pa.Array
) -> tuple[pa.ChunkedArray, pa.Array]:
    """Which rows have one of these names, bool[n], and which names a row has, bool[k]."""
    chosen = pa.chunked_array([pa.repeat(pa.scalar(False), len(table))])
    known = pa.repeat(pa.scalar(False), len(names))
    for column in searched:
        values = table[column]
        chosen = pc.or_(chosen, pc.is_in(values, value_set=names))
        known = pc.or_(known, pc.is_in(names, value_set=values.combine_chunks()))
    return chosen, known


def _plain(name: str) -> str:
    """The id that a text holds as an address, a media key or marked as text; the text itself where it holds none.

    >>> _plain("3_1480000000000000007"), _plain("https://x.com/i/status/17"), _plain("cat.7")
    ('1480000000000000007', '17', 'cat.7')
    """
    kind, separator, media = name.partition("_")
    if separator and kind.isdecimal() and len(kind) < 3 and media.isdecimal():
        return media
    return parse_id(name) or photo_id(name) or name


def _is_number(name: str) -> bool:
    return name.isdecimal() and name.isascii()


def _count(table: pa.Table, chosen: pa.ChunkedArray) -> str:
    """How many images, or posts where a table has no images, are chosen; empty for none."""
    column, what = "id", "post"
    if "image_name" in table.column_names:
        column, what = "image_name", "image"
    count = len(pc.unique(table[column].filter(chosen)))
    return plural(count, what) if count else ""
