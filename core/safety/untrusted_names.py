"""Names in files by strangers: what may name a file of a folder, a post or an image; anything else is refused."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

IDS = r"^[0-9]{1,20}(_[0-9]+)?$"
NAMES = r"^[A-Za-z0-9_.-]{1,180}$"  # of images added by hand, which are on no post
LONG_NAMES = NAMES.replace("1,180", "1,")  # in a working folder
_PATH = re.compile(r"[^/\\\x00-\x1f\x7f]+(/[^/\\\x00-\x1f\x7f]+)*")
LONGEST_ID = 20  # digits


def refuse_paths(names: Iterable[Any], where: str) -> None:
    """ValueError unless each name is that of a file below a folder, spelt as a plain relative path."""
    for name in names:
        plain = isinstance(name, str) and _PATH.fullmatch(name) is not None
        if not plain or {".", ".."} & set(name.split("/")):
            raise ValueError(
                f"{where} names the file {name!r}: expected a relative path that stays in its folder"
            )


def refuse_links(folder: Path, names: Iterable[str]) -> None:
    """ValueError where a file of a folder is a link that leads out of it; into the Hub's own cache it may."""
    names = list(names)
    refuse_paths(names, f"the list of files of {folder}")
    inside = [os.path.realpath(folder)]
    if (
        folder.parent.name == "snapshots"
    ):  # a download by huggingface_hub, whose files are links to its store
        inside.append(os.path.realpath(folder.parent.parent / "blobs"))
    for name in names:
        place = os.path.realpath(folder / name)
        if not any(place.startswith(root + os.sep) for root in inside):
            raise ValueError(
                f"{folder / name} is a link that leads to {place}, out of its folder: copy the file itself"
            )


def refuse_names(table: "pa.Table", where: str, names: str = NAMES) -> None:
    """ValueError where a row of a table has a post or image name that is neither an id nor a plain name added by hand.

    Every row has an `id` (post), an `image_name`, or both; null is allowed.

    Embeddings do not say which images were added by hand: there both are names. `names` is their pattern.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for key in ("id", "image_name"):
        if key not in table.column_names:
            continue
        values, by_hand = table[key], pa.scalar(True)
        if not pa.types.is_string(values.type):
            values = values.cast(pa.string())
        if _are_digits(values):
            continue
        if "source" in table.column_names:
            by_hand = pc.fill_null(pc.equal(table["source"], "local"), False)
        good = pc.or_(
            pc.match_substring_regex(values, IDS),
            pc.and_(by_hand, pc.match_substring_regex(values, names)),
        )
        bad = values.filter(pc.fill_null(pc.invert(good), False))
        if len(bad):
            more = f", and {len(bad) - 1:,} more" if len(bad) > 1 else ""
            raise ValueError(
                f"{where}: {key} {bad[0].as_py()!r} is not an id{more}: take none of it, or ask whom you have it from"
            )


def _are_digits(values: "pa.ChunkedArray") -> bool:
    """Whether all are plain ids, as nearly always: seven times as quick as the patterns."""
    import pyarrow.compute as pc

    longest = pc.max(pc.binary_length(values)).as_py() or 0
    return longest <= LONGEST_ID and bool(pc.all(pc.ascii_is_decimal(values)).as_py())
