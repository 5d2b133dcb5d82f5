"""What a file of requests names: posts and images, as people write them or as X's batch compliance job lists them.

Read by `twigma removals`. A request must not be skipped: one line that cannot be read, and nothing is taken out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core import columns
from twigma.core.lists.columns import SHOWN, Row, find_places
from twigma.core.lists.reader import read_rows
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.ids.damage import LOWEST, float_step, refuse_damaged
from twigma.rehydrate.ids.list_columns import NAMES, normalize_name
from twigma.rehydrate.ids.post_id import POST_ADDRESS, parse_id, why_bad
from twigma.rehydrate.ids.sampling import read_list
from twigma.rehydrate.ledger.reader import read_known_posts
from twigma.rehydrate.posts.post_fields import photo_id
from twigma.rehydrate.posts.removed_ids import read_removed

NAME = re.compile(r"[A-Za-z0-9_-]{1,80}(?:\.[A-Za-z0-9_.-]{1,80})?")
ADDRESS = re.compile(r"https?://\S{1,4000}", re.IGNORECASE)
MEDIA_KEY = re.compile(r"[0-9]+_([0-9]{15,19})")
LOOKALIKE = re.compile(r"(?=.*[lIO])[0-9lIO]{12,}")  # letters among the digits of an id
COLUMNS = (*NAMES, "image_name", "media_key", "name", "url", "address")
ACTION, DELETE = "action", "delete"  # of a result of X's batch compliance job
LISTED = 5  # lines in a message


class Requests(NamedTuple):
    """The ids that a file names, and how many lines ask for something else than deletion, by what they ask for."""

    names: list[str]
    other_actions: Counter[str]


class _Requested(NamedTuple):
    """The column of a list that names posts or images, and the action that X asks for."""

    exact: bool = True

    def are_named(self, names: Sequence[str]) -> bool:
        return not set(map(normalize_name, names)).isdisjoint(COLUMNS)

    def is_header(self, cells: Sequence[str]) -> bool:
        return len(cells) > 1 or self.are_named(cells)

    def is_row(self, value: str) -> bool:
        return "\n" not in value.strip()

    def places(self, names: Sequence[str], where: str) -> tuple[int | None, ...]:
        normalized = list(map(normalize_name, names))
        known = [name for name in COLUMNS if name in normalized]
        if not known and len(names) > 1:
            raise ValueError(
                f"{where}: expected one id or address a line, or a column named {', '.join(COLUMNS)}; "
                f"found {list(names)[:SHOWN]}"
            )
        place = normalized.index(known[0]) if known else 0
        return (place, *find_places(normalized, [ACTION]))


def read_requests(path: Path) -> Requests:
    """The ids in a file: posts, images, media keys, or addresses of posts or images; results of a compliance job too.

    Raises FileNotFoundError, or ValueError naming the lines that are none of these, or when ids were rounded on the
    way.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no file of requests at {path}: expected one with an id or an address a line"
        )
    lines: dict[str, int] = {}
    bad: list[tuple[int, str]] = []
    others: Counter[str] = Counter()
    for row in read_rows(path, _Requested()):
        action = "".join(row.others).strip().lower()
        if action not in ("", DELETE):
            others[action] += 1
            continue
        text = _text(row)
        if not text:
            continue
        name = _name(text)
        if name and not row.reason:
            lines.setdefault(name, row.line)
        else:
            bad.append((row.line, f"{row.reason or _why(text)}, {text[:80]!r}"))
    if bad:
        raise _bad_lines(path, bad)
    if not lines and not others:
        raise ValueError(
            f"{path} names nothing: expected ids or addresses of posts or images, one a line"
        )
    _refuse_rounded(path, lines)
    return Requests(list(lines), others)


def _text(row: Row) -> str:
    """What a line names, without a comment."""
    text = row.value.strip(" \t\r\n\0")
    if text.lower().startswith("http"):
        return text.partition(" #")[0].strip()
    return text.partition("#")[0].strip()


def _name(text: str) -> str:
    """The id of a post or an image that a line names, or the address of another image; empty where it names none."""
    match = MEDIA_KEY.fullmatch(text)
    if match:
        return match[1]
    post = parse_id(text)
    if POST_ADDRESS.fullmatch(text):
        return post.lstrip("0")  # of a post, never the name of a picture
    if post:
        return post
    photo = photo_id(text)
    if photo is not None:
        return photo
    is_name = NAME.fullmatch(text) and not LOOKALIKE.fullmatch(text)
    return text if is_name or ADDRESS.fullmatch(text) else ""


def _why(text: str) -> str:
    """What is wrong with a line that names nothing."""
    expected = "expected the id or address of a post or an image, found"
    if LOOKALIKE.fullmatch(text):
        return f"{expected} the letter l, I or O among digits"
    reason = why_bad(text)
    if "digits are lost" in reason:
        return f"{expected} {reason}"
    return f"{expected} another text"


def _bad_lines(path: Path, bad: Sequence[tuple[int, str]]) -> ValueError:
    first, *others = bad
    more = ""
    if others:
        numbers = [str(line) for line, _ in others[:LISTED]]
        etc = ", …" if len(others) > LISTED else ""
        lines = "line" if len(others) == 1 else "lines"
        more = f"; likewise {len(others):,} more, on {lines} {', '.join(numbers)}{etc}"
    return ValueError(
        f"{path}, line {first[0]}: {first[1]}{more}; correct them: nothing was taken out"
    )


def _refuse_rounded(path: Path, lines: dict[str, int]) -> None:
    """ValueError with the lines where the ids carry the mark of a float or a spreadsheet."""
    posts = [name for name in lines if name.isdecimal()]
    try:
        refuse_damaged(path, posts)
    except ValueError as error:
        rounded = [lines[post] for post in posts if _is_rounded(int(post))]
        shown = ", ".join(map(str, rounded[:LISTED]))
        etc = ", …" if len(rounded) > LISTED else ""
        raise ValueError(
            f"{error} (lines {shown}{etc}); nothing was taken out"
        ) from None


def _is_rounded(post: int) -> bool:
    """Whether an id may have been rounded by a float or a spreadsheet."""
    if post < LOWEST:
        return False
    return post % float_step(post) == 0 or post % 1000 == 0


# ------------------------------------------------------------------ matched


class Matched(NamedTuple):
    """What to take out, and those of the listed ids that name nothing in the working folder."""

    names: set[str]
    unmatched: list[str]


def match_requests(work: AnyWorkspace, names: Iterable[str]) -> Matched:
    """Which posts and images of a working folder the listed ids name; what was taken out before counts as named.

    An id with zeros in front is the image of that name, where there is one, otherwise the post, or the photo of a post,
    without them: among pictures of one's own, 003 is another than 3. One that names nothing is kept from coming back,
    with the zeros and without. ValueError for an address that is of no image there, as it could not be kept so.
    """
    work = Workspace(work)
    names = _without_addresses(work, names)
    plain = {name: name.lstrip("0") for name in names if name.isdecimal()}
    known, own = _known_among(work, {*names, *plain.values()})
    removed = read_removed(work)
    matched: set[str] = set()
    unmatched = []
    for name in names:
        number = plain.get(name) or name
        if name in known | own or removed.holds(name):
            matched.add(name)
        elif number in known or removed.holds(number):
            matched.add(number)
        else:
            unmatched.append(name)
            matched |= {name, number} - own
    return Matched(matched, unmatched)


def _without_addresses(work: Workspace, names: Iterable[str]) -> list[str]:
    """The names, with the names of the images that were fetched from an address in its place."""
    listed = list(dict.fromkeys(names))
    addresses = [name for name in listed if ADDRESS.fullmatch(name)]
    if not addresses:
        return listed
    images = work.image_rows("image_name", "url")
    fetched = images.filter(pc.is_in(images["url"], value_set=pa.array(addresses)))
    unknown = set(addresses) - set(fetched["url"].to_pylist())
    if unknown:
        raise ValueError(
            f"{work}: no image was fetched from {', '.join(sorted(unknown)[:LISTED])}: correct the address, or name "
            "the image; nothing was taken out"
        )
    others = [name for name in listed if name not in addresses]
    return list(dict.fromkeys([*others, *fetched["image_name"].to_pylist()]))


def _known_among(work: Workspace, wanted: set[str]) -> tuple[set[str], set[str]]:
    """Those of the names that are posts or their photos in a working folder, and those of images on no post."""
    known = wanted & read_known_posts(work).ids
    listed = read_list(work)
    if listed is not None:
        known |= _among(listed["id"], wanted)
    if not work.images_file.exists():
        return known, set()
    images = work.image_rows(*columns.KEY)
    is_own = pc.equal(images["id"], images["image_name"])
    of_posts = images.filter(pc.invert(is_own))
    for name in columns.KEY:
        known |= _among(of_posts[name], wanted)
    return known, _among(images.filter(is_own)["image_name"], wanted) - known


def _among(column: pa.ChunkedArray, wanted: set[str]) -> set[str]:
    """Those of the names that a column holds."""
    values = pa.array(sorted(wanted), column.type)
    return set(column.filter(pc.is_in(column, value_set=values)).to_pylist())
