"""A stratified sample of a list of ids, and the record of which ids a working folder is for, with their weights.

`twigma rehydrate --ids FILE --sample N --stratify month,label_10_cluster` draws it. `WORK/ids.parquet` is written
before anything is bought; its weights let estimates on the sample speak for the whole list.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core import locks
from twigma.core.files import write_parquet
from twigma.core.lists.reader import column_names
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.ids.list_columns import Wanted
from twigma.rehydrate.ids.post_id import month
from twigma.rehydrate.ids.post_ids import IdList, read_id_list

STRATIFY = ("month",)
UNKNOWN = "unknown"  # the stratum of rows with an empty cell
WHOLE_LIST = "all"  # the only stratum of a sample smaller than the number of strata
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("stratum", pa.string()),
        ("weight", pa.float64()),
    ]
)


def read_strata(
    path: Path, column: str | None = None, stratify: Sequence[str] = STRATIFY
) -> tuple[IdList, list[str]]:
    """A list of ids, and the stratum of each: its cells in the `stratify` columns, such as `2022-07/3`.

    `month`, where the file has no such column, is that of `created_at` (UTC), or else the month the id was made in.
    A post on several rows, one an image, is in the stratum of its first row. Raises ValueError for a column that is
    not in the file.
    """
    needed = tuple(dict.fromkeys([*stratify, "month", "created_at"]))
    listed = read_id_list(path, column, needed)
    if not listed.ids:
        return listed, []
    by_column = zip(*listed.ids.values(), strict=True)
    cells = dict(zip(needed, by_column, strict=True))
    for name in stratify:
        if name != "month" and not any(cells[name]):
            raise ValueError(
                f"{path}: expected a column {name!r} to stratify by, "
                f"found {column_names(path, Wanted(column))}"
            )
    if not any(cells["month"]):
        times = zip(listed.ids, cells["created_at"], strict=True)
        cells["month"] = tuple(_utc_month(time) or month(post) for post, time in times)
    rows = zip(*(cells[name] for name in stratify), strict=True)
    return listed, [_stratum(row) for row in rows]


def _stratum(cells: Sequence[str]) -> str:
    """The name of a stratum, as Arrow can hold it; an empty cell is `unknown`."""
    clean = [cell.encode("utf-8", "replace").decode() for cell in cells]
    return "/".join(cell or UNKNOWN for cell in clean)


def _utc_month(time: str) -> str:
    """The month of an ISO time, in UTC; empty for any other text."""
    try:
        when = datetime.fromisoformat(time)
    except ValueError:
        return ""
    if when.utcoffset():
        when = when.astimezone(UTC)
    return str(when)[:7]


def draw(
    ids: Sequence[str], strata: Sequence[str], count: int | None = None, seed: int = 0
) -> pa.Table:
    """A stratified sample: (id, stratum, weight), the weight being how many ids of the list each stands for.

    Every stratum gets at least one, and the rest in proportion (Webster's method); its weight is N_h / n_h. When
    `count` is less than the number of strata they are not used: one stratum, `all`. Within a stratum the first ids by
    a keyed hash are drawn: the same seed draws the same ids tomorrow, and nearly the same from a longer list. Rows are
    in the order of the draw, and any first part of them, of at least one a stratum, is the sample of that size: a
    larger sample adds to a smaller one, and a budget that ends early leaves a sample.
    Without `count`, or when it is the whole list, the rows are the list, each with weight 1.

    >>> draw(["5", "6", "7", "8"], ["a", "b", "b", "b"], 2)["weight"].to_pylist()
    [3.0, 1.0]
    """
    if count is None or count >= len(ids):
        return pa.table([ids, strata, [1.0] * len(ids)], schema=SCHEMA)
    sizes = Counter(strata)
    if count < len(sizes):
        return draw(ids, [WHOLE_LIST] * len(ids), count, seed)

    def key(post: str) -> bytes:
        return hashlib.sha256(f"{seed}/{post}".encode()).digest()

    members: dict[str, list[str]] = {stratum: [] for stratum in sizes}
    for post, stratum in zip(ids, strata, strict=True):
        members[stratum].append(post)
    # The hash depends on the id and the seed alone, not on the place in the list.
    queues = {name: iter(sorted(posts, key=key)) for name, posts in members.items()}
    order = list(_seats(sizes, count))
    drawn = Counter(order)
    posts = [next(queues[stratum]) for stratum in order]
    weights = [sizes[stratum] / drawn[stratum] for stratum in order]
    return pa.table([posts, order, weights], schema=SCHEMA)


def _seats(sizes: Mapping[str, int], count: int) -> Iterator[str]:
    """`count` strata, one a place in the sample: each once, largest first, then by the quotients N_h / (2 n_h + 1)."""
    firsts = sorted(sizes, key=lambda stratum: (-sizes[stratum], stratum))
    yield from firsts
    waiting = [(-sizes[stratum] / 3, stratum, 1) for stratum in firsts]
    heapq.heapify(waiting)
    for _ in range(count - len(firsts)):
        _, stratum, seats = waiting[0]
        yield stratum
        quotient = sizes[stratum] / (2 * seats + 3)
        heapq.heapreplace(waiting, (-quotient, stratum, seats + 1))


# ------------------------------------------------------------- WORK/ids.parquet


def read_list(work: AnyWorkspace) -> pa.Table | None:
    """The ids a working folder is for (id, stratum, weight), one row each; None where it has no list."""
    path = Workspace(work).ids_file
    if not path.exists():
        return None
    try:
        return pq.read_table(path, schema=SCHEMA)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(
            f"{path} is damaged ({error}): delete it, then pass the same lists again"
        ) from None


def record(work: AnyWorkspace, drawn: pa.Table) -> None:
    """Add a list, or a sample of one, to `WORK/ids.parquet`; raises ValueError, and changes nothing, as `unite`."""
    work = Workspace(work)
    work.create()
    with locks.in_turn(work.path):
        united = unite(work, drawn)
        if not united.equals(read_list(work)):
            write_parquet(work.ids_file, united, private=True)


def unite(work: AnyWorkspace, drawn: pa.Table) -> pa.Table:
    """The record of a folder with a list, or a sample of one, added.

    Whole lists are united. A sample's weights hold for its own list only, so what comes after a sample, or a sample
    after anything else, must hold every id of the record, as a larger sample of the same list does; it then replaces
    the record. Otherwise ValueError is raised.
    """
    recorded = read_list(work)
    if recorded is None:
        return drawn
    known = recorded["id"].combine_chunks()
    new = drawn.filter(pc.invert(pc.is_in(drawn["id"], value_set=known)))
    missing = len(recorded) - (len(drawn) - len(new))
    if not missing:
        return drawn
    if _is_whole_list(recorded) and _is_whole_list(drawn):
        return pa.concat_tables([recorded, new])
    raise ValueError(
        f"{Workspace(work).ids_file} holds a {_describe(recorded)}, "
        f"{missing:,} of which are not in this {_describe(drawn)}: "
        "weights hold for one list only. Draw as many or more from the same list, with the same --seed and "
        "--stratify; or take another folder (--work); or delete that file to start its record again: what was bought "
        "stays"
    )


def _is_whole_list(table: pa.Table) -> bool:
    return bool(pc.all(pc.equal(table["weight"], 1.0)).as_py())


def _describe(table: pa.Table) -> str:
    kind = "list" if _is_whole_list(table) else "sample"
    return f"{kind} of {len(table):,} ids"
