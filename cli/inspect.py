"""`twigma status`, `free`, `columns` and `demo`: the state of a working folder, its pictures, columns, the flow."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twigma.cli.facts import json_option, show
from twigma.cli.options import out_option, read_work_option, work_option
from twigma.core.names import join_names
from twigma.core.values import plural, size_text
from twigma.core.workspace import Workspace

if TYPE_CHECKING:
    from twigma.cli.facts.analysing import ColumnFacts
    from twigma.cli.facts.building import FreeFacts

Facts = dict[str, Any]  # as `builder/status/status.py` describes them
MOST_NAMED = 10  # damaged files, and shards of a stage, on the page
MEANINGS = {
    "stored": "all of their photos are in shards",
    "partly_stored": "some photos are in shards, the others failed",
    "waiting": "photos are still to be fetched",
    "no_photo": "looked up, but without a photo (a text, a video, a repost)",
    "photos_unknown": "there, but no archive or answer has shown their photos",
    "unlisted": "looked up, their photos are not in images.parquet yet",
    "not_found": "deleted, or never there",
    "unauthorized": "of a protected account",
    "suspended": "of a suspended account",
    "absent": "X answered without them: the next look-up asks again",
    "not_asked": "never asked",
}


@click.command()
@read_work_option
@json_option("status")
def status(work: Path) -> None:
    """Show the state of every id and photo, and what to run next.

    Reads only, and may be asked during a run. Every id of the list is in exactly one class, and the classes add up.
    Exit code 1 when a file is damaged: it is named, with what to do, and the rest is shown.

    \b
      twigma status
      twigma status --json | jq .ids.not_asked
    """
    from twigma.builder.status.status import status as read

    facts = dict(read(work))
    show(facts, _page(facts))
    if facts["damaged"]:
        raise RuntimeError(
            f"{work} is damaged: the lines that begin with `damaged` say where, and what to do"
        )


def _page(facts: Facts) -> Iterator[str]:
    """The lines of the page."""
    from twigma.builder.status.next_step import describe_running

    for sentence in describe_running(facts["running"]):
        yield f"{sentence}\n"
    yield from _ids(facts)
    yield from _photos(facts)
    yield from _stages(facts)
    yield from _release(facts)
    yield from _money_and_disk(facts)
    yield from _damaged(facts)
    step = facts["next"]
    if step["command"]:
        yield f"next: {step['command']}\n      {step['why']}"
    else:
        yield f"next: {step['why']}"


def _line(count: int, name: str, about: str = "") -> str:
    return f"{count:>13,}  {name:<22}{about}".rstrip()


def _failed(failed: dict[str, int]) -> Iterator[str]:
    """Failures by reason, the most frequent first."""
    names = sorted(failed, key=lambda name: (-failed[name], name))
    for name in names:
        yield _line(failed[name], f"failed: {name}")


def _ids(facts: Facts) -> Iterator[str]:
    ids, work = facts["ids"], Workspace(facts["work"])
    if ids is None:
        yield "ids: not known, see what is damaged below\n"
        return
    photos = facts["photos"]
    if not ids["total"] and not ids["list"]:
        if photos is not None and photos["total"]:
            return  # images of one's own need no ids
        yield "no list of ids yet"
    else:
        source = f"ids known to {work.ledger_file}"
        if ids["list"]:
            source = f"ids in {work.path / ids['list']}"
        yield f"{ids['total']:,} {source} ="
    for name, count in ids.items():
        if name == "failed":
            yield from _failed(count)
        elif name in MEANINGS and count:
            yield _line(count, name, MEANINGS[name])
    if facts["skipped"]:
        lines = plural(facts["skipped"], "line")
        yield f"beside them {lines} without a usable id: {work.quarantine_file}"
    if ids["beyond_list"]:
        posts = plural(ids["beyond_list"], "post")
        yield f"beside them {posts} not in the list: collected, imported, or of another list"
    if work.outcomes_file.exists():
        yield f"the outcome of every id of the last look-up: {work.outcomes_file}"
    yield ""


def _photos(facts: Facts) -> Iterator[str]:
    photos, shards = facts["photos"], facts["shards"]
    if photos is None:
        yield "photos: not known, see what is damaged below\n"
        return
    sums_up = " =" if photos["total"] else ""
    total, rows = plural(photos["total"], "photo"), plural(photos["rows"], "row")
    yield f"{total} on {rows}{sums_up}"
    for name in ("stored", "waiting"):
        if photos[name]:
            yield _line(photos[name], name)
    yield from _failed(photos["failed"])
    begun = ""
    if shards["unfinished"]:
        begun = f"; {shards['unfinished']:,} are begun"
    yield f"in {plural(shards['finished'], 'finished shard')}{begun}"
    if shards["freed"]:
        yield f"of these the pictures of {plural(shards['freed'], 'shard')} were freed"
    if photos["without_row"]:
        count = plural(photos["without_row"], "photo")
        yield f"beside them {count} in shards whose post is not in the images table"
    yield ""


def _stages(facts: Facts) -> Iterator[str]:
    width = max(8, *map(len, facts["stages"])) + 1
    yield f"{'stage':<{width}}{'done':>12}{'out of date':>14}{'to do':>12}  images"
    for name, stage in facts["stages"].items():
        done, stale = f"{stage['done']:>12,}", f"{stage['out_of_date']:>14,}"
        models = ", ".join(stage["models"])
        yield f"{name:<{width}}{done}{stale}{stage['to_do']:>12,}  {models}".rstrip()
        undecodable = stage.get("not_decodable")
        if undecodable:
            yield _line(undecodable, "not decodable", "done, but without a value")
        missing = stage.get("shards")
        if stage["done"] and missing:
            yield _line(len(missing), "shards to do", join_names(missing, MOST_NAMED))


def _release(facts: Facts) -> Iterator[str]:
    release = facts["release"]
    if release:
        state = "up to date"
        if release["out_of_date"]:
            state = "older than the working folder"
        counts = plural(release["images"], "image")
        if release["posts"]:
            counts += f" of {plural(release['posts'], 'post')}"
        where = f"{release['version']} in {release['folder']}"
        yield f"release  {where}: {counts}, {state}"
    for folder in facts["unfinished_reports"]:
        how = "the same `twigma analyze` resumes it; else delete the folder, which holds ids"
        yield f"stopped analysis  {folder}: {how}"
    yield ""


def _money_and_disk(facts: Facts) -> Iterator[str]:
    from twigma.rehydrate.sources.x.budget import dollar_text

    searches = facts["searches"] or {"done": 0, "open": 0}
    if any(searches.values()):
        counts = f"{searches['done']:,} done, {searches['open']:,} open"
        yield f"searches and archives: {counts}"
    spent = facts["spent"]
    if spent and spent["dollars"]:
        bought = f"{plural(spent['posts'], 'post')}, {plural(spent['users'], 'author')}"
        if spent["counts"]:
            bought += f", {spent['counts']:,} requests that counted posts"
        yield f"spent: at most {dollar_text(spent['dollars'])} ({bought})"
    sizes = dict(facts["bytes"])
    total, free = size_text(sizes.pop("total")), size_text(sizes.pop("free"))
    parts = ", ".join(f"{name} {size_text(size)}" for name, size in sizes.items())
    yield f"disk:  {total} ({parts}); {free} free"


def _damaged(facts: Facts) -> Iterator[str]:
    damaged = facts["damaged"]
    for sentence in damaged[:MOST_NAMED]:
        yield f"damaged: {sentence}"
    if len(damaged) > MOST_NAMED:
        yield f"damaged: {len(damaged) - MOST_NAMED:,} more, which --json lists"


@click.command()
@work_option
@click.option(
    "--without",
    multiple=True,
    metavar="STAGE",
    help="A stage that is not wanted: embed, caption, or one of a --name. Repeat for each.",
)
@click.option(
    "--go", is_flag=True, help="Delete them. Without, only count what would go."
)
@json_option("free")
def free(work: Path, without: tuple[str, ...], go: bool) -> None:
    """Delete pictures that no stage needs any more.

    The tars of shards of which every column is made; they are most of a working folder. Tables, columns and counts
    stay, and so do tars of your own that `twigma add` registered. release, cluster, dedupe and analyze work as before;
    what shows pictures (liked, label, report --work), and embed or caption by another model, needs them fetched again:
    it says how. Pictures that `twigma add` packed come back when it is given the same files.

    \b
      twigma free
      twigma free --go
    """
    from twigma.builder.status.free_pictures import free_pictures

    freed = free_pictures(work, without=without, go=go)
    facts: FreeFacts = {
        "work": str(work),
        "deleted": go,
        "shards": freed.shards,
        "bytes": freed.bytes,
        "added": freed.added,
        "before": freed.before,
        "stay": freed.stay,
    }
    show(facts, _free_lines(facts))


def _free_lines(facts: "FreeFacts") -> Iterator[str]:
    shards = plural(facts["shards"], "shard")
    size = f"{size_text(facts['bytes'])} in {shards}"
    if facts["deleted"]:
        yield f"free: {size} deleted in {facts['work']}"
    else:
        yield f"free: {size} of {facts['work']} would be deleted; --go does it"
    if facts["added"]:
        added = plural(facts["added"], "shard")
        yield f"  {added} of files that you added: no address has these pictures, so keep the files"
    if facts["before"]:
        yield f"  {plural(facts['before'], 'shard')} freed before"
    for reason, count in facts["stay"].items():
        yield f"  {plural(count, 'shard stays', 'shards stay')}: {reason}"


@click.command()
@click.option("--released", is_flag=True, help="Only the columns a release may carry.")
@json_option("columns")
def columns(released: bool) -> None:
    """Print every column: name, type, unit and meaning.

    \b
      twigma columns --released
    """
    from twigma.core.columns import COLUMNS, declared, field_table

    names = list(COLUMNS)
    if released:
        names = [name for name in names if COLUMNS[name].public]
    rows: list[ColumnFacts] = []
    for name in names:
        column = declared(name)
        rows.append(
            {
                "name": name,
                "type": str(column.type),
                "unit": column.unit,
                "meaning": column.doc,
                "public": column.public,
            }
        )
    show({"columns": rows}, [field_table(names)])


@click.command()
@out_option("demo-out", "Folder for everything it makes.")
def demo(out: Path) -> None:
    """Run the whole flow on a small known world.

    Offline, in two to four minutes; ends with a table of planted and recovered truths. An interrupted demo resumes when
    run again. Exit code 1 if a planted truth is not recovered.

    \b
      twigma demo --out demo-out
    """
    from twigma.demo.demo import demo as run

    if not run(out):
        raise RuntimeError(
            f"not every planted truth was recovered: see the table above; everything is in {out}"
        )
