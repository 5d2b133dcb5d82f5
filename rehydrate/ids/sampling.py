"""A stratified sample of a list of ids, and the record of which ids a working folder was given, with their weights.

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
from twigma.core.workspace import Workspace
from twigma.rehydrate.ids.id_files import column_names
from twigma.rehydrate.ids.post_ids import IdList, month, read_id_list

STRATIFY = ("month",)
UNKNOWN = "unknown"  # the stratum of rows with an empty cell
SCHEMA = pa.schema(
    [("id", pa.string()), ("stratum", pa.string()), ("weight", pa.float64())]
)


def read_strata(
    path: Path, column: str | None = None, stratify: Sequence[str] = STRATIFY
) -> tuple[IdList, list[str]]:
    """A list of ids, and the stratum of each: its cells in the `stratify` columns, such as `2022-07/3`.

    `month`, where the file has no such column, is that of `created_at` (UTC), or else the month the id was made in.
    A post on several rows, one an image, is in the stratum of its first row. Raises ValueError for a column that is
    not there.
    """
    needed = tuple(dict.fromkeys([*stratify, "month", "created_at"]))
    listed = read_id_list(path, column, needed)
    cells = dict(
        zip(needed, zip(*listed.ids.values(), strict=True), strict=bool(listed.ids))
    )
    for name in cells.keys() & set(stratify) - {"month"}:
        if not any(cells[name]):
            raise ValueError(
                f"{path}: expected a column {name!r} to stratify by, found {column_names(path)}"
            )
    if not any(cells.get("month", ())):
        times = zip(listed.ids, cells.get("created_at", ()), strict=True)
        cells["month"] = tuple(_utc_month(time) or month(post) for post, time in times)
    strata = zip(*(cells[name] for name in stratify), strict=True) if listed.ids else ()
    return listed, ["/".join(_clean(cell) for cell in row) for row in strata]


def _clean(cell: str) -> str:
    """A cell as Arrow can hold it; `unknown` when it is empty."""
    return cell.encode("utf-8", "replace").decode() or UNKNOWN


def _utc_month(time: str) -> str:
    """The month of an ISO time, in UTC; empty for any other text."""
    try:
        when = datetime.fromisoformat(time)
    except ValueError:
        return ""
    return str(when.astimezone(UTC) if when.utcoffset() else when)[:7]


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
        return draw(ids, ["all"] * len(ids), count, seed)
    queues: dict[str, list[str]] = {stratum: [] for stratum in sizes}
    for post, stratum in zip(ids, strata, strict=True):
        queues[stratum].append(post)
    for queue in queues.values():
        queue.sort(key=lambda post: hashlib.sha256(f"{seed}/{post}".encode()).digest())
    order = list(_seats(sizes, count))
    taken = Counter(order)
    posts = {stratum: iter(queue) for stratum, queue in queues.items()}
    weights = [sizes[stratum] / taken[stratum] for stratum in order]
    return pa.table(
        [[next(posts[stratum]) for stratum in order], order, weights], schema=SCHEMA
    )


def _seats(sizes: Mapping[str, int], count: int) -> Iterator[str]:
    """`count` strata, one a place in the sample: each once, largest first, then by the quotients N_h / (2 n_h + 1)."""
    firsts = sorted(sizes, key=lambda stratum: (-sizes[stratum], stratum))
    yield from firsts
    waiting = [(-sizes[stratum] / 3, stratum, 1) for stratum in firsts]
    heapq.heapify(waiting)
    for _ in range(count - len(firsts)):
        _, stratum, taken = waiting[0]
        yield stratum
        heapq.heapreplace(
            waiting, (-sizes[stratum] / (2 * taken + 3), stratum, taken + 1)
        )


# ------------------------------------------------------------- WORK/ids.parquet


def read_list(work: Path) -> pa.Table | None:
    """The ids a working folder was given (id, stratum, weight), one row each; None when it was given no list."""
    path = Path(work) / "ids.parquet"
    if not path.exists():
        return None
    try:
        return pq.read_table(path, schema=SCHEMA)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(
            f"{path} is damaged ({error}): delete it and give the same lists again"
        ) from None


def record(work: Path, drawn: pa.Table) -> None:
    """Add a list, or a sample of one, to `WORK/ids.parquet`; raises ValueError, and changes nothing, as `unite`."""
    path = Path(work) / "ids.parquet"
    Workspace(path.parent).create()
    with locks.in_turn(path.parent):
        united = unite(work, drawn)
        if not united.equals(read_list(work)):
            write_parquet(path, united, private=True)


def unite(work: Path, drawn: pa.Table) -> pa.Table:
    """The record of a folder with a list, or a sample of one, added.

    Whole lists are united. A sample's weights hold for its own list only, so what is given after a sample, or a sample
    after anything else, must hold every id that is there, as a larger sample of the same list does; it then takes the
    place of the record. Otherwise ValueError is raised.
    """
    given = read_list(work)
    if given is None:
        return drawn
    fresh = drawn.filter(
        pc.invert(pc.is_in(drawn["id"], value_set=given["id"].combine_chunks()))
    )
    lacking = len(given) - (len(drawn) - len(fresh))
    if not lacking:
        return drawn
    if _whole(given) and _whole(drawn):
        return pa.concat_tables([given, fresh])
    raise ValueError(
        f"{Path(work) / 'ids.parquet'} holds a {_what(given)}, {lacking:,} of which are not in this {_what(drawn)}: "
        "weights hold for one list only. Draw as many or more from the same list, with the same --seed and "
        "--stratify; or take another folder (--work); or delete that file to begin its record anew: what was bought "
        "stays"
    )


def _whole(table: pa.Table) -> bool:
    return bool(pc.all(pc.equal(table["weight"], 1.0)).as_py())


def _what(table: pa.Table) -> str:
    return f"{'list' if _whole(table) else 'sample'} of {len(table):,} ids"
